"""Rows that two sources name otherwise: MMSA numbers a video's clips, others call them by start."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merbench.data.folder.read import read_folder
from merbench.data.intake.rows.match import match_rows
from tests.conftest import loads

LABELS = {"label": 0.06}
REAL = Path(os.environ.get("MERBENCH_DATA", "")) / "mosei"


def cells(rows):
    """``rows``: (video, clip, label)."""
    columns = zip(*rows, strict=True)
    return dict(zip(("video_id", "clip_id", "label"), map(list, columns), strict=True))


@st.composite
def two_namings(draw):
    """One set of utterances under both kinds of ids, each in an order of its own."""
    truth, numbered, timed = {}, [], []
    for v in range(draw(st.integers(1, 6))):
        count = draw(st.integers(1, 5))
        starts = sorted(draw(st.sets(st.integers(0, 10**6), min_size=count, max_size=count)))
        for k, start in enumerate(starts):
            label = str(draw(st.integers(-3, 3)))
            number, time = str(k), f"{start // 1000}_{start % 1000:03d}"
            numbered.append((f"v{v}", number, label))
            timed.append((f"v{v}", time, label))
            truth[f"v{v}", number] = (f"v{v}", time)
    return truth, draw(st.permutations(numbered)), draw(st.permutations(timed))


@settings(max_examples=60)
@given(two_namings())
def test_both_directions_match_every_row_to_its_own(case):
    truth, numbered, timed = case
    here, source = cells(numbered), cells(timed)
    shared = {v for v, k in truth if (v, k) in {row[:2] for row in timed}}
    expected = {a: b for a, b in truth.items() if a[0] not in shared}
    forth, back = match_rows(here, source, LABELS), match_rows(source, here, LABELS)
    assert {numbered[m][:2]: timed[s][:2] for s, m in forth.rows.items()} == expected
    assert {numbered[s][:2]: timed[m][:2] for s, m in back.rows.items()} == expected
    assert not forth.apart and not back.apart


def base():
    """Twelve videos of two clips: numbered, and named by start."""
    here = [(f"v{v}", str(k), str(k - v % 3)) for v in range(12) for k in range(2)]
    source = [(f"v{v}", f"{k + 1}_5", str(k - v % 3)) for v in range(12) for k in range(2)]
    return here, source


def test_a_video_whose_counts_or_labels_differ_is_left_apart():
    here, source = base()
    source[0] = ("v0", "1_5", "3")
    source = [*source[:3], *source[4:], ("new", "1_5", "0")]
    match = match_rows(cells(here), cells(source), LABELS)
    assert match.apart == {
        "v0": "column label differs",
        "v1": "its video has 1 rows, and 2 here",
        "new": "its video is not here",
    }
    assert {source[s][0] for s in match.rows} == {f"v{v}" for v in range(2, 12)}


@pytest.mark.parametrize("change", ["other", "empty", "nameless"])
def test_nothing_is_matched_by_chance_or_without_labels(change):
    here, source = base()
    if change == "other":
        source = [(v, c, y if int(v[1:]) % 3 else "3") for v, c, y in source]
    elif change == "empty":
        source = [(v, c, "") for v, c, _ in source]
    else:
        source = [(v, f"clip{c}", y) for v, c, y in source]
    match = match_rows(cells(here), cells(source), LABELS)
    assert not match.rows and match.apart


def folder(path, rows):
    """A data set of a table and its texts."""
    path.mkdir()
    with (path / "label.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("video_id", "clip_id", "label", "mode", *path.name.split()))
        modes = ("train", "valid", "test")
        for video, clip, label in rows:
            mode = modes[int(video[1:]) % 3] if video[1:].isdecimal() else "train"
            writer.writerow((video, clip, label, mode, f"{path.name} {video} {clip}"))
    (path / "dataset.toml").write_text(
        f'name = "x"\nlabels = "label.csv"\n'
        'task.sentiment = {column = "label", kind = "score", low = -3.0, high = 3.0}\n'
        f'[streams."text.{path.name}"]\nmodality = "text"\nkind = "strings"\n'
        f'column = "{path.name}"\n'
        f'[protocols.standard]\ncolumn = "mode"\nstreams = ["text.{path.name}"]\n'
    )
    return path


def test_data_add_joins_by_order_and_says_so(tmp_path, merbench):
    here, source = base()
    source = [*source[:3], *source[4:]]
    add = ("data", "add", "--data", str(tmp_path / "home"), "--name", "x", "--json")
    merbench(*add, str(folder(tmp_path / "numbered", here)), check=True)
    report = loads(merbench(*add, str(folder(tmp_path / "timed", source)), check=True).stdout)
    assert (report["rows"], report["taken"]) == (23, 22)
    assert report["refused"] == {
        "v1_1_5": "label.csv has no such row: its video has 1 rows, and 2 here"
    }
    notes = " ".join(report["notes"])
    assert "22 rows of 11 videos have other ids than here and are joined" in notes
    assert "2 of 24 rows here have no row in the source (v1_0, v1_1)" in notes
    corpus = read_folder(tmp_path / "home/x")
    texts = dict(zip(corpus.ids.tolist(), corpus.streams["text.timed"].values, strict=True))
    assert texts["v5_1"] == "timed v5 2_5" and texts["v1_0"] == ""


def test_a_source_of_which_no_row_is_here_is_refused(tmp_path, merbench):
    here, source = base()
    add = ("data", "add", "--data", str(tmp_path / "home"), "--name", "x")
    merbench(*add, str(folder(tmp_path / "numbered", here)), check=True)
    others = [(f"w{v[1:]}", c, y) for v, c, y in source]
    result = merbench(*add, str(folder(tmp_path / "timed", others)), check=False)
    assert result.returncode == 2
    assert "no row of the source is in" in result.stderr and "w0_1_5" in result.stderr


@pytest.mark.skipif(not (REAL / "mmsa_ids.csv").is_file(), reason="MOSEI is not at MERBENCH_DATA")
def test_both_kinds_of_ids_of_mosei():
    with (REAL / "mmsa_ids.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (REAL / "label.csv").open(newline="") as file:
        timed = [(r["video_id"], r["clip_id"], r["label"]) for r in csv.DictReader(file)]
    numbered = [(r["video_id"], r["mmsa_clip"], r["label"]) for r in rows]
    truth = {(r["video_id"], r["mmsa_clip"]): r["clip_id"] for r in rows if r["clip_id"]}
    match = match_rows(cells(timed), cells(numbered), LABELS)
    joined = {numbered[s][:2]: timed[m][1] for s, m in match.rows.items()}
    assert joined == truth and len(joined) == 22749

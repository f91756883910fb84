"""A board as a table: its blocks, its notes, and the form for LaTeX."""

from __future__ import annotations

import io
import re
import subprocess
from pathlib import Path
from shutil import which

import pandas as pd
import pytest

from merbench.report.scores.board.board_scores import score
from merbench.report.scores.cache import Cache
from merbench.report.scores.rows.entries import collect
from merbench.report.scores.runs_of_a_store import StoreSource
from merbench.report.tables.board_sheet import as_json, count, sheet, span
from merbench.report.tables.latex import escape, to_latex
from merbench.report.tables.published import published
from merbench.report.tables.table import Cell, Column, Row
from merbench.report.tables.tidy import tidy, to_csv
from merbench.results.records.record import Track
from merbench.results.store.store import Store
from tests.report.made import put, record, spec


def track(dataset="mosi", task="sentiment", protocol="standard"):
    return Track(dataset=dataset, revision="r", task=task, protocol=protocol, streams=[])


@pytest.fixture
def boards(tmp_path):
    store = Store(tmp_path)
    put(
        store,
        0.5,
        spec("merclip"),
        caveat="a reconstruction",
        tuned_by={"study": "s", "trials": 30, "seconds": 720},
    )
    put(store, 0.9, spec("merclip", "no-x"))
    put(store, 1.4, spec("ridge"), [0])
    source = StoreSource(store)
    (board,) = collect(source.records(), {"ridge"})
    return board, score(board, source, Cache(None), {"nothing": {"mae": 2.0}, "text": {"mae": 0.1}})


def test_blocks_columns_and_cells(boards):
    made = sheet(*boards)
    assert [(r.name, r.group) for r in made.rows] == [
        ("merclip", ""), ("ridge", "floors"), ("nothing", "best possible, given"), ("text", "best possible, given"),
    ]  # fmt: skip
    names = [r.name for r in sheet(*boards, ablations=True).rows]
    assert names == ["merclip", "ridge", "merclip no-x", "nothing", "text"]
    cells = made.rows[0].cells
    assert (
        cells["rank"],
        cells["seeds"],
        cells["trainable"],
        cells["training"],
        cells["tuning"],
    ) == (
        "1",
        "10",
        "1.01k",
        "14 s",
        "30 trials, 12 min",
    )
    assert (
        cells["mae"].n == 10
        and cells["mae"].low is None
        and sheet(*boards, intervals=True).rows[0].cells["mae"].low is not None
    )
    assert re.fullmatch(r"\[0\.\d{3}, 0\.\d{3}\]", cells["interval"])
    assert "acc3" not in [k for c in made.columns for k in c.keys]
    assert "acc3" in [k for c in sheet(*boards, every_metric=True).columns for k in c.keys]
    assert any("reconstruction" in note for note in made.notes)


@pytest.mark.parametrize(("seeds", "words"), [(1, "with 1 seed no"), (2, "with 2 seeds no")])
def test_it_is_said_where_ranks_stand_on_too_few_seeds(tmp_path, seeds, words):
    store = Store(tmp_path)
    for model, miss in (("tfn", 0.5), ("mult", 0.6)):
        put(store, miss, spec(model), range(seeds))
    source = StoreSource(store)
    (board,) = collect(source.records(), ())
    notes = sheet(board, score(board, source, Cache(None))).notes
    assert any(note.startswith(words) for note in notes)


def test_json_has_every_seed_and_run(boards):
    told = as_json(*boards, sheet(*boards))
    assert len(told["rows"][0]["runs"]) == len(told["rows"][0]["seeds"]) == 10
    assert told["rows"][-1]["summary"] == {"mae": {"mean": 0.1}}


def test_floors_stand_where_their_scores_belong_and_are_not_ranked(tmp_path):
    store = Store(tmp_path)
    for model, error in (("best", 0.5), ("ridge", 0.9), ("worst", 1.4)):
        put(store, error, spec(model), [0])
    source = StoreSource(store)
    (board,) = collect(source.records(), {"ridge"})
    rows = sheet(board, score(board, source, Cache(None))).rows
    assert [(r.name, r.group, r.cells["rank"]) for r in rows] == [
        ("best", "", "1"), ("ridge", "floors", ""), ("worst", "", "1 ="),
    ]  # fmt: skip


def test_a_row_keeps_its_name_when_the_store_grows_and_what_differs_is_a_column(tmp_path):
    store = Store(tmp_path)

    def shown():
        source = StoreSource(store)
        (board,) = collect(source.records(), {})
        page = sheet(board, score(board, source, Cache(None)))
        titles = [column.title for column in page.columns]
        return titles, {(row.shown_name, row.cells["settings"]) for row in page.rows}

    put(store, 0.5, spec("merclip"), [0])
    titles, rows = shown()
    assert rows == {("merclip", "")} and "settings" not in titles
    put(store, 0.9, spec("merclip", lr=0.01), [0])
    titles, rows = shown()
    assert titles[0] == "settings" and rows == {
        ("merclip", "train.lr=0.001"),
        ("merclip", "train.lr=0.01"),
    }


def test_the_tidy_table_is_what_pandas_reads(boards):
    rows = tidy([(*boards, sheet(*boards, ablations=True)), (*boards, sheet(*boards))])
    frame = pd.read_csv(io.StringIO(to_csv(rows)), float_precision="round_trip")
    assert len(frame) == 5 + 4 and set(frame["track"]) == {boards[0].track.title}
    first = frame.iloc[0]
    assert (first["model"], first["rank"], first["seeds"]) == ("merclip", 1, 10)
    assert first["mae"] == boards[1].rows["merclip"].summary["mae"].mean
    assert first["mae_low"] < first["mae"] < first["mae_high"]
    assert (first["tuning_trials"], first["tuning_seconds"]) == (30, 720)
    assert first["trainable"] > 1000 and first["training_seconds"] > 0
    numbers = frame.drop(columns=["track", "model", "settings", "group", "tied_with_best"])
    assert all(kind in "if" for kind in (dtype.kind for dtype in numbers.dtypes))
    assert frame[frame["group"] == "best possible, given"]["mae"].tolist()[:2] == [2.0, 0.1]


def test_claims_stand_for_the_standard_sentiment_task_only_and_keep_their_scale():
    mmsa, again = published(track())
    claimed = {claim.name: claim.scores for claim in mmsa.claims}
    assert claimed["Self-MM (unaligned)"] == {
        "acc2_has0": 0.8344, "acc2_non0": 0.8546, "f1_has0": 0.8336, "f1_non0": 0.8543, "acc5": 0.5347, "acc7": 0.4667,
        "mae": 0.708, "corr": 0.7963,
    }  # fmt: skip
    assert {claim.name: claim.scores for claim in again.claims}["MISA"] == {
        "mae": 0.7739,
        "corr": 0.7771,
        "acc2_non0": 0.827,
        "acc7": 0.4208,
    }
    assert len(published(track("mosei"))) == 1 and "MMSA" in mmsa.source
    assert (
        not published(track("sample"))
        and not published(track(protocol="folds"))
        and not published(track(task="emotions"))
    )
    for claims in (*published(track()), *published(track("mosei"))):
        assert not [c for c in claims.claims if "MER-CLIP" in c.name.upper()]
        assert all(0 < v < 1.1 for claim in claims.claims for v in claim.scores.values())


def test_latex_is_balanced_and_escapes_what_latex_would_take():
    assert escape("a_b & 5 % ± {x}\\") == r"a\_b \& 5 \% $\pm$ \{x\}\textbackslash{}"
    columns = (
        Column("MAE_1", ("mae",), best="lowest"),
        Column("F1 has0 / non0", ("a", "b"), 1, 100, "highest"),
    )
    rows = [
        Row("x_y", {"mae": Cell(0.5, 0.01), "a": Cell(0.7), "b": Cell(0.8)}),
        Row("z", {"mae": Cell(0.6), "a": Cell(0.6), "b": Cell(0.6)}),
        Row("top", {"mae": Cell(0.1)}, "50 % of A&B"),
    ]
    text = to_latex("T & U", columns, rows, notes=["p < .05"])
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert (
        all(len(re.findall(r"(?<!\\)&", line)) == 2 for line in lines if "multicolumn" not in line)
        and len(lines) == 5
    )
    assert lines[1] == r"x\_y & \textbf{0.500 $\pm$ 0.010} & \textbf{70.0} / \textbf{80.0} \\"
    assert (
        r"\multicolumn{3}{l}{\textit{50 \% of A\&B}} \\" in lines and r"p \textless{} .05" in text
    )
    for opened in re.findall(r"\\begin\{([\w*]+)\}", text):
        assert text.count(rf"\end{{{opened}}}") == 1
    assert re.sub(r"\\[{}]", "", text).count("{") == re.sub(r"\\[{}]", "", text).count("}")
    assert text.isascii()


def test_no_line_of_latex_begins_with_an_option_of_the_line_before():
    rows = [Row(name, {"mae": Cell(0.5)}) for name in ("[3pt]", "*", " [x]", "a\n\nb")]
    text = to_latex("t", [Column("MAE", ("mae",))], rows)
    assert not re.search(r"\\\\\s*[\[*]", text) and "{}[3pt] & 0.500" in text
    assert "\n\n" not in text and "a  b & 0.500" in text


@pytest.mark.skipif(not which("pdflatex"), reason="needs pdflatex")
@pytest.mark.parametrize(
    "table",
    sorted((Path(__file__).parents[3] / "leaderboards").glob("*/table.tex")),
    ids=lambda p: p.parent.name,
)
def test_the_committed_tables_compile_and_fit_the_page(table, tmp_path):
    packages = r"\usepackage{booktabs,graphicx}\usepackage[margin=2cm]{geometry}"
    (tmp_path / "t.tex").write_text(
        rf"\documentclass{{article}}{packages}\begin{{document}}\input{{{table}}}\end{{document}}"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0 and (tmp_path / "t.pdf").exists(), done.stdout
    assert "Overfull" not in done.stdout and "too large for page" not in done.stdout, done.stdout


def test_numbers_for_people():
    assert [count(n) for n in (12, 999, 1234, 231_617, 999_700, 1_320_000)] == [
        "12",
        "999",
        "1.23k",
        "232k",
        "1M",
        "1.32M",
    ]
    assert [span(s) for s in (0.34, 25.4, 720, 12_240)] == ["0.3 s", "25 s", "12 min", "3.4 h"]


@pytest.mark.parametrize(
    ("miss", "streams", "changed", "expected"),
    [
        (0.95, "unaligned", {}, "re-run"),
        (0.5, "unaligned", {}, "contradicted"),
        (0.95, "covarep73", {}, "claimed"),
        (1.5, "unaligned", {"labels": "10%"}, "claimed"),
        (1.5, "unaligned", {"missing": "text=0.5"}, "claimed"),
        (1.5, "unaligned", {"without": "mosei standard"}, "claimed"),
    ],
)
def test_a_claim_has_a_tier_by_what_was_run_on_its_own_inputs(
    tmp_path, miss, streams, changed, expected
):
    """MMSA claims MAE .9473 for TFN on its unaligned features."""
    store = Store(tmp_path)
    inputs = [f"{modality}.{streams}" for modality in ("text", "audio", "video")]
    one = record(0, miss, spec("tfn", dataset="mosi"))[0].track
    track = one.model_copy(update={"dataset": "mosi", "streams": inputs, **changed})
    put(store, miss, spec("tfn", dataset="mosi"), range(2), track=track)
    source = StoreSource(store)
    (board,) = collect(source.records(), ())
    scores = score(board, source, Cache(None))
    page = sheet(board, scores, claims=True)
    rows = {row["name"]: row for row in as_json(board, scores, page)["rows"]}
    assert rows["TFN (unaligned)"]["tier"] == expected
    assert rows["TFN"]["tier"] == rows["LMF (unaligned)"]["tier"] == "claimed"
    notes = [note for note in page.notes if "MMSA reports MAE 0.947 for TFN (unaligned)" in note]
    assert len(notes) == (expected != "claimed")
    assert expected == "claimed" or ("excludes" in notes[0]) == (expected == "contradicted")

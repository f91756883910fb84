"""Pickles of MMSA, from a made-up source through `merbench data add` to the rows a run reads."""

from __future__ import annotations

import argparse
import hashlib

import numpy as np
import pytest

from merbench.data.folder.manifest import read_manifest
from tests.conftest import loads
from tests.plugins.datasets.form_files import LENGTHS, N, home, mmsa, rows_of


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_mmsa_pickles(add_data, tmp_path, aligned, protocol):
    truth = mmsa(tmp_path / "x.pkl", aligned, protocol=protocol)
    origin = add_data("mosi", tmp_path / "x.pkl")
    kind = "aligned" if aligned else "unaligned"
    assert (origin["form"], origin["rows"], origin["taken"], origin["refused"]) == (
        "mmsa-pickle",
        10,
        10,
        {},
    )
    assert any("none of the four that MMSA publishes" in note for note in origin["notes"])
    corpus = home(tmp_path)
    (split,) = corpus.protocols["standard"].splits
    assert {m: sorted(corpus.ids[getattr(split, m)]) for m in N} == {
        m: [f"{m}vid_{r + 1}" for r in range(n)] for m, n in N.items()
    }
    assert corpus.texts[corpus.ids.tolist().index("testvid_2")] == "text test 1"
    assert corpus.tasks["sentiment"].target[corpus.ids.tolist().index("trainvid_5")] == 3
    for field, modality in (("text", "text"), ("audio", "audio"), ("vision", "video")):
        rows = rows_of(corpus, f"{modality}.{kind}")
        assert corpus.streams[f"{modality}.{kind}"].values.dtype == np.float32
        for mode, lengths in LENGTHS.items():
            for row, length in enumerate(lengths):
                np.testing.assert_array_equal(
                    rows[f"{mode}vid_{row + 1}"],
                    truth[mode, field][row, :length].astype(np.float32),
                )
    assert read_manifest(tmp_path / "home/mosi").streams[f"audio.{kind}"].not_finite == 1


def test_steps_stay_aligned_where_one_modality_is_zero(add_data, tmp_path):
    def change(content):
        content["train"]["vision"][2, 3:] = 0
        content["train"]["audio"][3] = 0
        return content

    mmsa(tmp_path / "x.pkl", change=change)
    add_data("mosi", tmp_path / "x.pkl")
    corpus = home(tmp_path)
    assert [
        len(rows_of(corpus, f"{m}.aligned")["trainvid_3"]) for m in ("text", "audio", "video")
    ] == [4, 4, 4]
    assert [
        len(rows_of(corpus, f"{m}.aligned")["trainvid_4"]) for m in ("text", "audio", "video")
    ] == [2, 0, 2]


def test_blocks_of_other_numbers_of_steps_are_not_aligned_where_lengths_are_not_said(
    add_data, tmp_path
):
    def change(content):
        for split in content.values():
            del split["audio_lengths"], split["vision_lengths"]
        content["train"]["audio"][2, 1:] = 0
        return content

    mmsa(tmp_path / "x.pkl", aligned=False, change=change)
    add_data("mosi", tmp_path / "x.pkl")
    corpus, length = home(tmp_path), LENGTHS["train"][2]
    assert length > 1
    assert [
        len(rows_of(corpus, f"{m}.unaligned")["trainvid_3"]) for m in ("text", "audio", "video")
    ] == [length, 1, length]


def test_the_tokens_of_text_alone_are_no_stream(add_data, tmp_path):
    mmsa(
        tmp_path / "x.pkl",
        change=lambda content: {
            m: {k: v for k, v in s.items() if k != "text"} for m, s in content.items()
        },
    )
    assert add_data("mosi", tmp_path / "x.pkl")["streams"] == [
        "text.transcript",
        "audio.aligned",
        "video.aligned",
    ]


def test_both_mmsa_files_stand_side_by_side(add_data, tmp_path):
    mmsa(tmp_path / "a.pkl")
    mmsa(tmp_path / "u.pkl", aligned=False)
    add_data("mosi", tmp_path / "a.pkl")
    origin = add_data("mosi", tmp_path / "u.pkl")
    assert (
        origin["streams"] == ["text.unaligned", "audio.unaligned", "video.unaligned"]
        and origin["taken"] == 10
    )
    assert len(home(tmp_path).streams) == 7


def test_data_show_tells_where_streams_came_from(add_data, tmp_path, merbench):
    mmsa(tmp_path / "x.pkl")
    add_data("mosi", tmp_path / "x.pkl")
    result = merbench(
        "data", "show", "mosi", "--data", str(tmp_path / "home"), "--json", check=True
    )
    (origin,) = loads(result.stdout)["sources"]
    assert (
        origin["files"]["x.pkl"]["sha256"]
        == hashlib.sha256((tmp_path / "x.pkl").read_bytes()).hexdigest()
    )
    result = merbench("data", "show", "mosi", "--data", str(tmp_path / "home"), check=True)
    assert (
        "from mmsa-pickle: x.pkl" in result.stdout and "10 of 10 rows, 0 refused" in result.stdout
    )


def test_a_published_file_is_told(add_data, tmp_path, monkeypatch):
    mmsa(tmp_path / "x.pkl")
    sha256 = hashlib.sha256((tmp_path / "x.pkl").read_bytes()).hexdigest()
    monkeypatch.setattr("merbench_datasets.mmsa_pickle.PUBLISHED", {sha256: "MOSI, aligned"})
    assert (
        "this is the file that MMSA publishes (MOSI, aligned)"
        in add_data("mosi", tmp_path / "x.pkl")["notes"]
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f: {k: v for k, v in f.items() if k != "test"}, "no split 'test'"),
        (lambda f: f["train"].update(audio=f["train"]["audio"][:4]) or f, "train: audio"),
        (lambda f: f["train"].update(audio=np.zeros((5, 6, 9), np.float32)) or f, "several widths"),
        (lambda f: f["valid"].update(regression_labels=np.zeros(3)) or f, "regression_labels"),
        (lambda f: f["valid"].update(regression_labels=[]) or f, "regression_labels"),
        (lambda f: f["valid"].update(audio_lengths=[]) or f, "audio_lengths"),
        (lambda f: f["valid"].update(raw_text=["x"]) or f, "raw_text"),
        (lambda f: f["valid"].update(id=[1, 2]) or f, "id"),
        (lambda f: f["valid"].update(audio=[[1]]) or f, "valid: audio"),
        (lambda f: f["valid"].update(regression_labels=np.zeros((2, 7))) or f, "7 numbers a row"),
        (lambda f: f | {"dev": f["train"]}, "'valid' and 'dev' are both of valid rows"),
        (
            lambda f: f["valid"].update(extra=argparse.ArgumentParser) or f,
            "argparse.ArgumentParser",
        ),
    ],
)
def test_what_is_wrong_in_an_mmsa_pickle_is_one_sentence(add_data, tmp_path, change, sentence):
    mmsa(tmp_path / "x.pkl", change=change)
    done = add_data("mosi", tmp_path / "x.pkl", check=False)
    assert done.returncode == 2 and not done.stdout
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and sentence in last and "x.pkl" in last
    assert not (tmp_path / "home/mosi").exists()


def test_rows_that_cannot_be_taken_are_refused_by_name(add_data, tmp_path):
    def change(content):
        content["train"]["id"][1] = content["train"]["id"][0]
        content["train"]["regression_labels"] = content["train"]["regression_labels"].copy()
        content["train"]["regression_labels"][2] = np.nan
        return content

    mmsa(tmp_path / "x.pkl", change=change)
    origin = add_data("mosi", tmp_path / "x.pkl")
    assert (origin["rows"], origin["taken"], list(origin["refused"])) == (10, 9, ["trainvid_1"])
    assert "1 row has no finite label: left empty" in origin["notes"]


@pytest.mark.parametrize("length", [99, -1, np.nan])
def test_lengths_that_no_block_has_are_reported_once_and_not_believed(add_data, tmp_path, length):
    def change(content):
        content["train"]["audio_lengths"][1] = length
        content["test"]["audio_lengths"][0] = length
        content["train"]["audio_lengths"][2] = content["train"]["audio"].shape[1]
        return content

    truth = mmsa(tmp_path / "x.pkl", aligned=False, change=change)
    notes = add_data("mosi", tmp_path / "x.pkl")["notes"]
    (note,) = [note for note in notes if "lengths" in note]
    assert note.startswith("audio_lengths of 2 rows are no number of the steps that are there")
    rows = rows_of(home(tmp_path), "audio.unaligned")
    np.testing.assert_array_equal(rows["trainvid_2"], truth["train", "audio"][1, :1])
    np.testing.assert_array_equal(rows["testvid_1"], truth["test", "audio"][0, :1])
    # All of a block's steps are some that it has.
    np.testing.assert_array_equal(rows["trainvid_3"], truth["train", "audio"][2])


def test_a_modality_that_one_split_lacks_is_named(add_data, tmp_path):
    def change(content):
        del content["test"]["audio"]
        return content

    mmsa(tmp_path / "x.pkl", change=change)
    report = add_data("mosi", tmp_path / "x.pkl")
    assert "audio.aligned" not in report["streams"]
    assert "not taken over, since not every split has it: audio" in report["notes"]


def test_names_of_splits_may_be_in_capitals(add_data, tmp_path):
    mmsa(tmp_path / "x.pkl", change=lambda f: {name.capitalize(): f[name] for name in f})
    report = add_data("mosi", tmp_path / "x.pkl")
    assert report["taken"] == 10 and not any("not taken over" in n for n in report["notes"])


def test_a_column_of_texts_may_be_an_array_of_objects(add_data, tmp_path):
    def change(content):
        for split in content.values():
            split["id"] = np.array(split["id"], dtype=object)[:, None]
        return content

    mmsa(tmp_path / "x.pkl", change=change)
    assert add_data("mosi", tmp_path / "x.pkl")["taken"] == 10

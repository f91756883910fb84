"""Each form in which others keep MOSI and MOSEI, from a made-up source through `merbench data add`
to the rows a run reads.
"""

from __future__ import annotations

import argparse
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from merbench_datasets.form_settings import Labelled
from merbench_datasets.label_scale import scale
from tests.conftest import loads
from tests.plugins.datasets.form_files import LENGTHS, N, home, mmsa, rows_of


def mult(path, labels=1, left=True, ids="plain"):
    content, truth = {}, {}
    for mode, n in N.items():
        x = {
            "text": np.zeros((n, 6, 4)),
            "audio": np.zeros((n, 6, 2)),
            "vision": np.zeros((n, 6, 3)),
        }
        for field in x:
            for row, length in enumerate(LENGTHS[mode]):
                part = slice(6 - length, None) if left else slice(length)
                x[field][row, part] = row + 1 + np.arange(length)[:, None] / 10
                truth[mode, field, row] = x[field][row, part].astype(np.float32)
        name = {
            "plain": np.array([f"{mode}vid[{row}]" for row in range(n)]),
            "three": np.array([[f"{mode}vid", f"{row}.5", f"{row + 1}.5"] for row in range(n)]),
            "objects": np.array(
                [[f"{mode}vid", f"{row}.5", None] for row in range(n)], dtype=object, order="F"
            ),
            "bytes": np.array([f"{mode}vid_{row}".encode() for row in range(n)]),
        }[ids]
        y = np.zeros((n, 1, labels), np.float32)
        y[:, 0, 0] = np.linspace(-3, 3, n)
        if labels == 7:
            y[:, 0, 1:] = np.eye(6)[np.arange(n) % 6] * 0.33
        content[mode] = {**x, "labels": y, "id": name}
    path.write_bytes(pickle.dumps(content, 2))
    return truth


@pytest.mark.parametrize(
    ("left", "ids", "names"),
    [
        (True, "plain", "{}"),
        (False, "bytes", "{}"),
        (True, "three", "{}.5"),
        (True, "objects", "{}.5"),
    ],
)
def test_mult_pickles(add_data, tmp_path, left, ids, names):
    truth = mult(tmp_path / "x.pkl", left=left, ids=ids)
    assert add_data("mosi", tmp_path / "x.pkl")["form"] == "mult-pickle"
    corpus = home(tmp_path)
    for field, modality in (("text", "text"), ("audio", "audio"), ("vision", "video")):
        rows = rows_of(corpus, f"{modality}.mult")
        for (mode, of, row), expected in truth.items():
            if of == field:
                np.testing.assert_array_equal(rows[f"{mode}vid_{names.format(row)}"], expected)


def test_emotions_of_seven_labels_are_a_task_beside_sentiment(add_data, tmp_path, merbench):
    mult(tmp_path / "x.pkl", labels=7)
    add_data("mosei", tmp_path / "x.pkl")
    corpus = home(tmp_path, "mosei")
    emotions = corpus.tasks["emotions"]
    assert emotions.space.words == ("happy", "sad", "anger", "surprise", "disgust", "fear")
    at = corpus.ids.tolist().index("trainvid_3")
    assert (
        emotions.target[at].tolist() == [0, 0, 0, 1, 0, 0]
        and corpus.tasks["sentiment"].target[at] == 1.5
    )
    words = (
        "run",
        "--model",
        "late-fusion-dnn",
        "--dataset",
        "mosei",
        "--task",
        "emotions",
        "--epochs",
        "1",
        "--seeds",
        "1",
        "--json",
    )
    result = merbench(*words, "--data", str(tmp_path / "home"), check=True)
    assert "micro_f1" in loads(result.stdout)["summary"]


def misa(folder, one_file):
    splits, truth = {}, {}
    for mode in N:
        rows = []
        for row, length in enumerate(LENGTHS[mode]):
            visual, acoustic = (np.full((length, w), row + 1.0) for w in (47, 74))
            words = [f"word{k}" for k in range(length)]
            rows.append(
                (
                    (np.arange(length), visual, acoustic, words),
                    np.array([[row - 2.0]]),
                    f"{mode}vid[{row}]",
                )
            )
            truth[f"{mode}vid_{row}"] = (visual, acoustic, words)
        splits["dev" if mode == "valid" else mode] = rows
    if one_file:
        (folder / "x.pkl").write_bytes(pickle.dumps(splits, 2))
        return folder / "x.pkl", truth
    for mode, rows in splits.items():
        (folder / f"{mode}.pkl").write_bytes(pickle.dumps(rows, 2))
    return folder, truth


@pytest.mark.parametrize("one_file", [True, False])
def test_misa_pickles(add_data, tmp_path, one_file):
    (tmp_path / "misa").mkdir()
    path, truth = misa(tmp_path / "misa", one_file)
    assert add_data("mosi", path)["form"] == "misa-pickle"
    corpus = home(tmp_path)
    video, audio, words = (
        rows_of(corpus, name) for name in ("video.misa", "audio.misa", "text.words")
    )
    for row_id, (visual, acoustic, spoken) in truth.items():
        np.testing.assert_array_equal(video[row_id], visual)
        np.testing.assert_array_equal(audio[row_id], acoustic)
        assert [corpus.streams["text.words"].vocab[w] for w in words[row_id]] == spoken


def test_a_row_of_misas_that_is_no_block_is_not_taken_for_a_missing_one(add_data, tmp_path):
    path, _ = misa(tmp_path, one_file=True)
    splits = pickle.loads(path.read_bytes())
    parts, label, name = splits["train"][0]
    splits["train"][0] = ((parts[0], parts[1][0], *parts[2:]), label, name)
    path.write_bytes(pickle.dumps(splits))
    done = add_data("mosi", path, check=False)
    assert done.returncode == 2 and "its video has the shape [47]" in done.stderr


@pytest.mark.parametrize("as_array", [False, True])
def test_mag_bert_pickles_have_their_words_in_front(add_data, tmp_path, as_array):
    texts = [["so", "good"], ["no"], ["a", "fine", "film"]]

    def row(mode, k):
        words = np.array(texts[k]) if as_array else texts[k]
        steps = len(texts[k])
        streams = np.full((steps, 47), k + 1.0), np.full((steps, 74), k + 1.0)
        return (words, *streams), np.array([[3.0 * (k - 1)]]), f"{mode}vid[{k}]"

    splits = {mode: [row(mode, k) for k in range(3)] for mode in ("train", "dev", "test")}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(splits, 4))
    report = add_data("mosi", tmp_path / "x.pkl")
    assert report["streams"] == ["video.misa", "audio.misa", "text.words"]
    assert report["notes"] == []
    corpus = home(tmp_path)
    words = rows_of(corpus, "text.words")
    for mode in ("train", "dev", "test"):
        for k, spoken in enumerate(texts):
            row_id = f"{mode}vid_{k}"
            assert [corpus.streams["text.words"].vocab[w] for w in words[row_id]] == spoken
            assert corpus.texts[corpus.ids.tolist().index(row_id)] == " ".join(spoken)


def test_no_field_of_a_pickle_is_dropped_in_silence(add_data, tmp_path):
    def with_pitch(splits):
        return {mode: split | {"pitch": np.zeros(N[mode])} for mode, split in splits.items()}

    mmsa(tmp_path / "mmsa.pkl", change=with_pitch)
    assert "not taken over: pitch" in add_data("--name", "a", tmp_path / "mmsa.pkl")["notes"]
    mult(tmp_path / "mult.pkl")
    splits = pickle.loads((tmp_path / "mult.pkl").read_bytes())
    (tmp_path / "mult.pkl").write_bytes(pickle.dumps(with_pitch(splits)))
    assert "not taken over: pitch" in add_data("--name", "b", tmp_path / "mult.pkl")["notes"]
    path, _ = misa(tmp_path, one_file=True)
    splits = pickle.loads(path.read_bytes())
    longer = {
        mode: [((*parts, 1.0, 2.0), label, name, "more") for parts, label, name in rows]
        for mode, rows in splits.items()
    } | {"word2id": {"so": 1}}
    path.write_bytes(pickle.dumps(longer))
    notes = add_data("--name", "c", path)["notes"]
    assert "parts 5 to 6 of a row are not taken over" in notes
    assert any(note.startswith("the first part of 10 rows is no list of strings") for note in notes)
    assert "what follows the segment of 10 rows is not taken over" in notes
    assert f"not taken over of {path.name}: word2id" in notes
    (tmp_path / "parts").mkdir()
    folder, _ = misa(tmp_path / "parts", one_file=False)
    (folder / "embedding_and_mapping.pt").write_bytes(b"")
    notes = add_data("--name", "d", folder)["notes"]
    assert f"not taken over of {folder.name}: embedding_and_mapping.pt" in notes


def sims(path, labels=None):
    """CH-SIMS in MMSA's form: labels in [-1, 1] by .2, and one of each modality."""
    rng = np.random.default_rng(0)

    def change(splits):
        for split in splits.values():
            n = len(split["id"])
            for field in ("", "_T", "_A", "_V"):
                y = np.round(rng.integers(-5, 6, n) * 0.2, 1) if labels is None else labels[:n]
                split[f"regression_labels{field}"] = np.asarray(y, np.float32)
        return splits

    mmsa(path, change=change)
    return pickle.loads(path.read_bytes())


def test_sims_is_a_score_of_its_own_range_with_unimodal_tasks(add_data, tmp_path):
    truth = sims(tmp_path / "x.pkl")
    report = add_data("--name", "sims", tmp_path / "x.pkl")
    assert any("lie in [-1, 1]: a score in that" in note for note in report["notes"])
    corpus = home(tmp_path, "sims")
    tasks = ("sentiment", "sentiment_text", "sentiment_audio", "sentiment_video")
    assert tuple(corpus.tasks) == tasks
    row = corpus.ids.tolist().index("trainvid_3")
    for task, field in zip(tasks, ("", "_T", "_A", "_V"), strict=True):
        anchors = corpus.tasks[task].space.anchors
        assert (min(anchors), max(anchors)) == (-1, 1)
        expected = truth["train"][f"regression_labels{field}"][2]
        assert corpus.tasks[task].target[row] == pytest.approx(expected)


def test_a_range_that_is_asked_for_is_taken(add_data, tmp_path):
    sims(tmp_path / "x.pkl")
    form = ("--form", "mmsa-pickle", "--set")
    add_data("--name", "a", tmp_path / "x.pkl", *form, "low=-3", "--set", "high=3")
    assert max(home(tmp_path, "a").tasks["sentiment_audio"].space.anchors) == 3
    done = add_data("--name", "b", tmp_path / "x.pkl", *form, "low=-3", check=False)
    assert done.returncode == 2 and "give low and high together" in done.stderr


@pytest.mark.parametrize("pair", [(0, 1), (-1, 1)])
@pytest.mark.parametrize("form", [mmsa, mult])
def test_two_labels_are_two_classes(add_data, tmp_path, pair, form):
    form(tmp_path / "x.pkl")
    splits = pickle.loads((tmp_path / "x.pkl").read_bytes())
    for split in splits.values():
        field = "labels" if "labels" in split else "regression_labels"
        y = np.resize(np.array(pair, np.float32), split[field].shape[0])
        split[field] = y.reshape(split[field].shape)
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(splits, 4))
    report = add_data("--name", "humour", tmp_path / "x.pkl")
    assert any("two classes, no and yes" in note for note in report["notes"])
    task = home(tmp_path, "humour").tasks["label"]
    assert (task.space.kind, tuple(task.space.words)) == ("class", ("no", "yes"))
    assert task.target[: N["test"]].tolist() == [0, 1, 0]


SCALES = {
    "MOSI, by .2": ([-3, 3], 0.2),
    "CH-SIMS": ([-1, 1], 0.2),
    "valence": ([-1, 1], 0.0137),
    "shares": ([0, 1], 0.01),
    "quarters": ([0, 1], 0.25),
    "ratings": ([1, 5], 1),
    "intensities": ([0, 3], 1),
    "percent": ([0, 100], 0.5),
    "from -5 to 5": ([-5, 5], 0.5),
    "all of MOSEI": ([-3, 3], 1 / 3),
    "five grades": ([-2, 2], 1),
    "three grades": ([-1, 1], 1),
}


@pytest.mark.parametrize("name", SCALES)
def test_the_range_comes_from_the_labels(name):
    (low, high), step = SCALES[name]
    labels = np.append(np.arange(low, high + 1e-6, step), [low, high, np.nan]).astype(np.float32)
    assert scale(labels, Labelled.Config()) == (low, high)


def test_a_range_wider_than_its_labels_is_reported(add_data, tmp_path):
    rows = [("v", k, "so it is", label) for k, label in enumerate((-1.5, 0.5, 1.5))]
    lines = [
        f"{v},{k},{text},{label},{mode}" for (v, k, text, label), mode in zip(rows, N, strict=True)
    ]
    (tmp_path / "x.csv").write_text("\n".join(["video_id,clip_id,text,label,mode", *lines]))
    report = add_data("--name", "a", tmp_path / "x.csv", "--form", "table")
    assert any("within [-2, 2]: a score in [-3, 3]" in note for note in report["notes"])


def test_small_labels_by_thirds_are_some_of_moseis():
    labels = np.array([-1, -2 / 3, 1 / 3, 1], np.float32)
    assert scale(labels, Labelled.Config()) == (-3, 3)


@settings(max_examples=50)
@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=30))
def test_a_range_holds_its_labels_or_is_that_of_mosi(numbers):
    labels = np.array([*numbers, np.nan], np.float32)
    span = scale(labels, Labelled.Config())
    if span not in (None, (-3, 3)):
        assert span[0] - 1e-4 <= min(numbers) and max(numbers) <= span[1] + 1e-4


def test_clips_counted_from_another_number_are_refused_and_can_be_counted_otherwise(
    add_data, tmp_path
):
    mmsa(tmp_path / "mmsa.pkl")
    truth = mult(tmp_path / "mult.pkl")
    add_data("mosi", tmp_path / "mmsa.pkl")
    done = add_data("mosi", tmp_path / "mult.pkl", check=False)
    assert done.returncode == 2 and "--set first=N" in done.stderr
    assert (
        add_data("mosi", tmp_path / "mult.pkl", "--form", "mult-pickle", "--set", "first=1")[
            "taken"
        ]
        == 10
    )
    rows = rows_of(home(tmp_path), "audio.mult")
    for row in range(N["train"]):
        np.testing.assert_array_equal(rows[f"trainvid_{row + 1}"], truth["train", "audio", row])
    path, _ = misa(tmp_path, one_file=True)
    add_data("--name", "mine", path, "--form", "misa-pickle", "--set", "first=1")
    assert home(tmp_path, "mine").ids.tolist() == home(tmp_path).ids.tolist()


@pytest.mark.parametrize("as_zip", [True, False])
def test_tailor_files_name_their_labels_themselves(add_data, tmp_path, as_zip):
    order = {
        "<blank>": 0,
        "<unk>": 1,
        "<s>": 2,
        "</s>": 3,
        "sad": 4,
        "happy": 5,
        "fear": 6,
        "anger": 7,
        "disgust": 8,
        "surprise": 9,
    }
    content = {
        "dict": {"src": {}, "tgt": order},
        "settings": argparse.Namespace(max_text_seq_len=60),
    }
    for mode, n in N.items():
        x = {
            key: [np.zeros((6, w)) for _ in range(n)]
            for key, w in (("src-text", 5), ("src-visual", 3), ("src-audio", 2))
        }
        for key in x:
            for row, length in enumerate(LENGTHS[mode]):
                x[key][row][6 - length :] = row + 1
        content[mode] = {
            **x,
            "tgt": [[2, 4 + row, 9, 3] if row < 4 else [2, 3] for row in range(n)],
        }
    torch.save(content, tmp_path / "x.pt", _use_new_zipfile_serialization=as_zip)
    assert add_data("mosei", tmp_path / "x.pt")["form"] == "tailor-pt"
    corpus = home(tmp_path, "mosei")
    emotions = corpus.tasks["emotions"]
    assert emotions.space.words == ("sad", "happy", "fear", "anger", "disgust", "surprise")
    at = corpus.ids.tolist().index("train00002_0")
    assert emotions.target[at].tolist() == [0, 0, 1, 0, 0, 1]
    assert emotions.target[corpus.ids.tolist().index("train00004_0")].sum() == 0
    assert rows_of(corpus, "audio.tailor")["train00002_0"].tolist() == [[3.0, 3.0]] * 4


def test_labels_of_tailor_that_differ_by_case_alone_are_refused(add_data, tmp_path):
    split = {"tgt": [[2, 4, 3]], "src-text": [np.ones((2, 5))]}
    split |= {"src-visual": [np.ones((2, 3))], "src-audio": [np.ones((2, 2))]}
    content = dict.fromkeys(N, split) | {"dict": {"tgt": {"Happy": 4, "sad": 5, "happy ": 6}}}
    torch.save(content, tmp_path / "x.pt")
    refused = add_data("mosei", tmp_path / "x.pt", check=False)
    assert refused.returncode == 2
    assert "two labels called 'happy', which differ by case or spaces alone" in refused.stderr


def test_clips_stay_where_they_are(add_data, tmp_path):
    source = tmp_path / "MOSI"
    lines = ["video_id,clip_id,text,label,mode"]
    for mode, n in N.items():
        for row in range(n):
            lines.append(f'{mode}vid,{row},"so, {row}",{row - 2},{mode}')
            clip = source / f"Raw/{mode}vid/{row}.mp4"
            clip.parent.mkdir(parents=True, exist_ok=True)
            clip.write_bytes(b"clip")
    (source / "Raw/trainvid/0.mp4").unlink()
    (source / "label.csv").write_text("\n".join(lines))
    origin = add_data("mosi", source)
    assert origin["form"] == "mmsa-clips" and "1 of 10 rows have no clip" in origin["notes"][0]
    corpus = home(tmp_path)
    clip = corpus.streams["video.clip"]
    assert clip.length.sum() == 9
    assert Path(str(clip.values[corpus.ids.tolist().index("testvid_1")])).read_bytes() == b"clip"
    assert (tmp_path / "home/mosi/Raw").readlink() == source / "Raw"
    assert origin["links"] == {"Raw": str(source / "Raw")}


def test_an_unknown_pickle_is_told_what_the_forms_of_pickles_miss(add_data, tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps([1, 2, 3]))
    done = add_data("mosi", tmp_path / "x.pkl", check=False)
    assert done.returncode == 2 and len(done.stderr) < 600
    for word in ("mmsa-pickle", "misa-pickle", "mult-pickle", "tailor-pt", "merbench list forms"):
        assert word in done.stderr
    for form in ("feature-folder", "mmsa-clips", "csd"):
        assert f"not {form}" not in done.stderr


def test_requests_that_are_wrong(add_data, tmp_path):
    mmsa(tmp_path / "x.pkl")
    for words, sentence in (
        (("mosl", tmp_path / "x.pkl"), "did you mean 'mosi'"),
        ((tmp_path / "x.pkl",), "--name NAME"),
        (("mosi", tmp_path / "nowhere.pkl"), "does not exist"),
        (("mosi", tmp_path / "x.pkl", "--form", "mmsa"), "did you mean"),
        (("--name", "../x", tmp_path / "x.pkl"), "a name is made of"),
        (("mosi", tmp_path / "x.pkl", "--form", "mult-pickle"), "no labels"),
        (("mosi", tmp_path / "x.pkl", "--form", "mmsa-pickle", "--set", "a=1"), "unknown setting"),
    ):
        done = add_data(*words, check=False)
        assert done.returncode == 2 and sentence in done.stderr, done.stderr


def with_mixed(path, **changes):
    """CH-SIMS v2's split ``train_mix``: the train rows, and two that nobody has labelled."""
    sims(path)
    splits = pickle.loads(path.read_bytes())
    train = splits["train"]
    mixed = {
        name: np.concatenate([np.asarray(cells), np.asarray(cells)[:2]])
        for name, cells in train.items()
        if name not in ("raw_text", "annotations")
    }
    mixed["id"] = np.array([*train["id"], "newvid$_$1", "newvid$_$2"])
    mixed["mask"] = np.array([1] * N["train"] + [0, 0])
    mixed |= changes
    splits["train_mix"] = {name: cells for name, cells in mixed.items() if cells is not None}
    path.write_bytes(pickle.dumps(splits, 4))


def test_unlabelled_rows_of_train_mix_are_a_protocol_of_their_own(add_data, tmp_path):
    with_mixed(tmp_path / "x.pkl")
    report = add_data("--name", "simsv2", tmp_path / "x.pkl")
    assert any("2 rows without a label" in note for note in report["notes"])
    assert not any("not taken over" in note for note in report["notes"])
    corpus = home(tmp_path, "simsv2")
    standard, semi = (corpus.protocols[name].splits[0] for name in ("standard", "semi"))
    new = [corpus.ids.tolist().index(f"newvid_{k}") for k in (1, 2)]
    assert sorted(semi.train) == sorted([*standard.train, *new]) and len(semi.train) == 7
    assert not set(new) & {*standard.train, *standard.valid, *standard.test}
    assert not any(task.known[new].any() for task in corpus.tasks.values())
    train = corpus.ids.tolist().index("trainvid_2")
    values = rows_of(corpus, "audio.aligned")
    np.testing.assert_allclose(values["newvid_2"], values[corpus.ids[train]])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mask": None}, "split train_mix has no mask"),
        ({"id": None}, "split train_mix has no id"),
        ({"mask": np.ones(3)}, "split train_mix: mask"),
    ],
)
def test_a_train_mix_that_cannot_be_read_is_one_sentence(add_data, tmp_path, changes, sentence):
    with_mixed(tmp_path / "x.pkl", **changes)
    done = add_data("--name", "simsv2", tmp_path / "x.pkl", check=False)
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr

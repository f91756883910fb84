from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from merbench.api import GLOSSES, SENTIMENT, Corpus, DataError
from merbench.data.folder.read import read_folder
from merbench.data.revision import revision
from merbench.data.word_vectors import open_lexicon
from merbench.data.words import as_words


def rows_of(stream):
    return [stream.values[s : s + n] for s, n in zip(stream.start, stream.length, strict=True)]


def test_rows_ids_and_tasks(folder):
    corpus = read_folder(folder.path)
    assert corpus.name == "tiny" and len(corpus) == 9
    assert corpus.ids.tolist()[3] == "b_x_1" and corpus.videos.tolist() == list("aaabbbccc")
    assert corpus.texts[1] == "Bad, very bad"

    score = corpus.tasks["sentiment"]
    assert score.space == SENTIMENT
    assert score.target.tolist() == pytest.approx([1.5, -2, 3, -0.4, 0, 0, 3, 2.2, -3])
    assert score.known.tolist() == [True] * 4 + [False] + [True] * 4

    mood = corpus.tasks["mood"]
    assert (
        mood.space.words == ("happy", "glum")
        and mood.space.glosses[0].startswith("feeling joy")
        and mood.space.glosses[1] == "glum"
    )
    assert mood.target[[0, 1, 2, 3]].tolist() == [0, 1, 0, 1]
    assert mood.known.tolist() == [True, True, True, True, False, True, True, False, True]

    emotions = corpus.tasks["emotions"]
    assert emotions.space.words == ("happy", "sad")
    assert emotions.target.tolist() == [
        [1, 0],
        [0, 1],
        [0, 0],
        [0, 1],
        [0, 0],
        [0, 0],
        [1, 0],
        [1, 0],
        [0, 1],
    ]
    assert not emotions.known[2, 0] and emotions.known.sum() == 17


MOOD = 'kind = "class", words = ["happy", "glum"]'


def test_glosses_are_the_users_and_change_what_a_run_sees(folder):
    path = folder.path / "dataset.toml"
    text, put = path.read_text(), path.write_text
    usual = read_folder(folder.path)
    assert usual.tasks["mood"].space.glosses == (GLOSSES["happy"], "glum")
    before = revision(usual, "mood", "standard", [])
    put(text.replace(MOOD, f'{MOOD}, glosses = ["{GLOSSES["happy"]}", "glum"]'))
    assert revision(read_folder(folder.path), "mood", "standard", []) == before
    put(text.replace(MOOD, f'{MOOD}, glosses = ["smiles", "is down"]'))
    own = read_folder(folder.path)
    assert own.tasks["mood"].space.glosses == ("smiles", "is down")
    assert revision(own, "mood", "standard", []) != before
    assert revision(own, "sentiment", "standard", []) == revision(
        usual, "sentiment", "standard", []
    )
    put(text.replace(MOOD, f'{MOOD}, glosses = ["smiles"]'))
    with pytest.raises(DataError, match="1 glosses for the 2 words happy, glum; give one gloss"):
        read_folder(folder.path)


def test_the_metric_that_ranks_a_task_is_read(folder):
    path = folder.path / "dataset.toml"
    assert read_folder(folder.path).tasks["mood"].rank == ""
    path.write_text(path.read_text().replace(MOOD, f'{MOOD}, rank = "macro_f1"'))
    assert read_folder(folder.path).tasks["mood"].rank == "macro_f1"


def test_streams_are_joined_by_id(folder):
    corpus, truth = read_folder(folder.path), folder.truth
    streams = corpus.streams
    for row, expected in zip(rows_of(streams["video.ragged"]), truth["ragged"], strict=True):
        np.testing.assert_array_equal(row, expected)
    np.testing.assert_array_equal(np.concatenate(rows_of(streams["audio.one"])), truth["one"])
    words = streams["text.words"]
    assert [[words.vocab[i] for i in row] for row in rows_of(words)] == truth["words"]
    for row in range(9):
        times = words.times[words.start[row] : words.start[row] + words.length[row]]
        assert (times[:, 1] - times[:, 0] == 0.5).all() and (np.diff(times[:, 0]) == 1).all()
    for i, row in enumerate(rows_of(streams["audio.right"])):
        assert row[:, 0].tolist() == [10 * i + k for k in range(len(row))]
    assert streams["audio.one"].fitted_on.tolist() == [m in (1, 2) for m in truth["mark"]]
    assert streams["text.transcript"].length.tolist() == [1, 1, 0, 1, 1, 1, 1, 1, 1]
    assert streams["video.ragged"].spec.width == 3 and streams["video.ragged"].note == "made up"


def test_the_order_of_an_array_file_does_not_matter(folder):
    before = read_folder(folder.path)
    order = np.random.default_rng(5).permutation(9)
    for name in ("id", "one", "mark", "fold", "block", "length"):
        folder.arrays[name] = folder.arrays[name][order]
    pieces = np.split(folder.arrays["ragged"], folder.arrays["bounds"][1:-1])
    folder.arrays["ragged"] = np.concatenate([pieces[i] for i in order])
    folder.arrays["bounds"] = np.concatenate([[0], np.cumsum([len(pieces[i]) for i in order])])
    folder.save()
    after = read_folder(folder.path)
    for name in ("audio.one", "audio.right", "video.ragged"):
        for a, b in zip(rows_of(before.streams[name]), rows_of(after.streams[name]), strict=True):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(before.protocols["folds"].splits, after.protocols["folds"].splits, strict=True):
        assert a.test.tolist() == b.test.tolist()


def test_left_padding(folder):
    block = np.full((9, 4, 1), np.nan)
    for row, n in enumerate(folder.arrays["length"]):
        block[row, 4 - n :] = folder.arrays["block"][row, :n]
    folder.arrays["block"] = block
    folder.save()
    for i, row in enumerate(rows_of(read_folder(folder.path).streams["audio.left"])):
        assert row[:, 0].tolist() == [10 * i + k for k in range(len(row))]


def test_clips_that_are_there(folder):
    clip = read_folder(folder.path).streams["video.clip"]
    assert clip.length.tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert Path(str(clip.values[4])).read_bytes() == b"clip"


def test_protocols(folder):
    corpus = read_folder(folder.path)
    (split,) = corpus.protocols["standard"].splits
    assert (split.train.tolist(), split.valid.tolist(), split.test.tolist(), split.fold) == (
        [0, 1, 2, 3, 4],
        [5, 8],
        [6, 7],
        None,
    )
    assert corpus.protocols["standard"].streams == ("text.words", "audio.one")
    folds = corpus.protocols["folds"].splits
    assert [s.fold for s in folds] == [0, 1, 2]
    assert (
        folds[2].test.tolist() == [6, 7]
        and folds[2].valid.tolist() == [0, 1, 2]
        and folds[2].train.tolist() == [3, 4, 5]
    )
    # b stands in train and valid, c in valid and test: 6 rows of 2 videos. The folds share none.
    (note,) = [n for n in corpus.notes if n.startswith("protocol")]
    assert "protocol standard: 6 rows belong to 2 video(s)" in note


def test_the_order_of_the_label_file_does_not_matter_to_splits(folder):
    before = read_folder(folder.path)
    header, *lines = (folder.path / "label.csv").read_text().splitlines()
    folder.csv("\n".join([header, *reversed(lines)]))
    after = read_folder(folder.path)
    for protocol in before.protocols:
        for a, b in zip(
            before.protocols[protocol].splits, after.protocols[protocol].splits, strict=True
        ):
            assert before.ids[a.train].tolist() == after.ids[b.train].tolist()


def test_not_finite_values_are_counted(folder):
    folder.arrays["one"][2, 0], folder.arrays["one"][5, 1] = np.nan, -np.inf
    folder.save()
    notes = read_folder(folder.path).notes
    # The NaN of padded steps are no values.
    assert (
        notes[0]
        == "2 values of stream audio.one are not finite; each is replaced by the train mean of its dimension"
    )
    assert not [n for n in notes if "audio.right" in n]


def test_other_ranges_have_seven_even_anchors(folder):
    folder.edit("low = -3, high = 3", "low = -6, high = 6")
    space = read_folder(folder.path).tasks["sentiment"].space
    assert space.anchors == (-6, -4, -2, 0, 2, 4, 6) and space.words == SENTIMENT.words


def test_byte_order_mark_carriage_returns_and_quoted_line_breaks(folder):
    text = (
        (folder.path / "label.csv")
        .read_text()
        .replace("It was good", '"It was\ngood"')
        .replace("\n", "\r\n")
    )
    folder.csv(b"\xef\xbb\xbf" + text.encode())
    assert read_folder(folder.path).texts[0] == "It was\r\ngood"


def test_a_label_off_by_rounding_is_held_to_the_range(folder):
    folder.line(2, "a,1,x,3.0000002,happy,1,0,train")
    assert read_folder(folder.path).tasks["sentiment"].target[0] == 3


@pytest.mark.parametrize("dtype", [">f4", "f2", "i2", ">f8"])
def test_any_number_type_is_read(folder, dtype):
    folder.arrays["one"] = np.round(folder.arrays["one"] * 4).astype(dtype)
    folder.save()
    values = read_folder(folder.path).streams["audio.one"].values
    assert values.dtype.isnative and values.dtype.kind == "f"
    np.testing.assert_array_equal(values, folder.arrays["one"])


def test_ragged_by_the_default_offset(folder):
    folder.edit('offset = "bounds"\n', "")
    folder.arrays["offset"] = folder.arrays.pop("bounds")
    folder.save()
    corpus = read_folder(folder.path)
    for row, expected in zip(
        rows_of(corpus.streams["video.ragged"]), folder.truth["ragged"], strict=True
    ):
        np.testing.assert_array_equal(row, expected)
    assert len(corpus.streams["audio.one"].values) == 9


BAD_TOML = {
    "stream key": (
        'file = "words.npz"',
        'fil = "words.npz"',
        ["streams.text.words", "'file'", "there is 'fil'"],
    ),
    "extra key": (
        'column = "text"',
        'column = "text"\nnotes = "x"',
        ["unknown key 'notes'", "did you mean 'note'?"],
    ),
    "top key": (
        'name = "tiny"',
        'name = "tiny"\nlables = "x.csv"',
        ["unknown key 'lables'", "did you mean 'labels'?"],
    ),
    "no name": ('name = "tiny"', "", ["'name' is missing"]),
    "kind": ('kind = "strings"', 'kind = "string"', ['"strings" or "words"', "'string'"]),
    "modality": ('modality = "text"', 'modality = "smell"', ["'smell'"]),
    "label file outside": (
        'name = "tiny"',
        'name = "tiny"\nlabels = "../label.csv"',
        ["leaves the folder"],
    ),
    "file outside": ('file = "words.npz"', 'file = "/etc/words.npz"', ["leaves the folder"]),
    "pattern outside": ("Raw/{video_id}", "../{video_id}", ["leaves the folder"]),
    "pattern column": ("{video_id}/", "{vid}/", ["no column 'vid'"]),
    "clips": ("Raw/", "raw_clips/", ["none of the 9 clips"]),
    "file missing": ('file = "words.npz"', 'file = "word.npz"', ["word.npz does not exist"]),
    "array missing": ('array = "one"', 'array = "On"', ["no array 'On'", "arrays.npz"]),
    "array near": ('array = "block"', 'array = "blocks"', ["did you mean 'block'?"]),
    "column": (
        'column = "label"',
        'column = "lable"',
        ["no column 'lable'", "did you mean 'label'?"],
    ),
    "empty range": ("low = -3", "low = 3", ["not well below"]),
    "range below rounding": (
        "low = -3, high = 3",
        "low = 1e-320, high = 1.1e-320",
        ["not well below"],
    ),
    "range of one point": ("low = -3, high = 3", "low = 3.0, high = 3.0000001", ["not well below"]),
    "huge number": ("low = -3", f"low = -1{'0' * 400}", ["low"]),
    "longer than Python prints": ("low = -3", f"low = 0x{'f' * 5000}", ["low"]),
    "nan": ("low = -3", "low = nan", ["low"]),
    "words and columns": (
        'columns = ["happy", "sad"]',
        'columns = ["happy"], words = ["a", "b"]',
        ["2 words for 1 columns"],
    ),
    "same words": ('["happy", "glum"]', '["happy", "happy"]', ["all different"]),
    "unknown class": ('["happy", "glum"]', '["happy", "grim"]', ["label.csv, line 3", "'glum'"]),
    "unknown stream": (
        'streams = ["text.words", "audio.one"]',
        'streams = ["text.word"]',
        ["'text.word'", "did you mean 'text.words'?"],
    ),
    "two of a modality": (
        '["text.words", "audio.one"]',
        '["text.words", "text.transcript"]',
        ["both text"],
    ),
    "no division": ('column = "mode"\n', "", ["how rows are divided"]),
    "no streams offered": ('streams = ["text.transcript"]', "", ["'streams' is missing"]),
    "mark": ("values = [1, 2]", "values = [1, 7]", ["no entry of 'mark' is 7"]),
    "not TOML": ('name = "tiny"', "name = tiny", ["not TOML"]),
    "nested without end": ('name = "tiny"', "name = " + "[" * 20_000, ["not TOML"]),
    "task is no table": ("task.emotions = {", 'task.x = "no"\ntask.emotions = {', ["task"]),
    "wrong rank": ('array = "one"', 'array = "mark"', ["'mark'", "dimension"]),
    "text for numbers": ('array = "one"', 'array = "id"', ["'id' holds", "not numbers"]),
}


@pytest.mark.parametrize("old, new, says", BAD_TOML.values(), ids=BAD_TOML)
def test_bad_settings(folder, old, new, says):
    folder.edit(old, new)
    one_sentence(folder, *says)


BAD_LINE = {
    "not a number": ("a,1,x,good,happy,1,0,train", ["line 2", "'label'", "'good'"]),
    "out of range": ("a,1,x,3.2,happy,1,0,train", ["line 2", "'3.2'", "between -3 and 3"]),
    "NaN": ("a,1,x,nan,happy,1,0,train", ["line 2", "'nan'"]),
    "infinite": ("a,1,x,0,happy,inf,0,train", ["line 2", "'inf'"]),
    "mode": ("a,1,x,0,happy,1,0,Train", ["line 2", "'Train'", "train, valid or test"]),
    "no mode": ("a,1,x,0,happy,1,0,", ["line 2", "''"]),
    "same id": ("a,2,x,0,happy,1,0,train", ["line 3", "'a_2'", "line 2"]),
    "other id": ("a,9,x,0,happy,1,0,train", ["lacks 1 of the 9", "a_9", "holds 1", "a_1"]),
    "too few cells": ("a,1,x,0", ["line 2", "4 cells", "has 8"]),
    "open quote": ('a,1,"x,0,happy,1,0,train', ["not CSV"]),
}


@pytest.mark.parametrize("line, says", BAD_LINE.values(), ids=BAD_LINE)
def test_bad_lines(folder, line, says):
    folder.line(2, line)
    one_sentence(folder, "label.csv", *says)


BAD_FILE = {
    "empty": (b"", ["no rows"]),
    "header alone": (b"video_id,clip_id,text,label,mood,happy,sad,mode\n", ["no rows"]),
    "not UTF-8": (b"video_id,clip_id,text\na,1,caf\xe9\n", ["line 2", "UTF-8"]),
    "NUL": (b"video_id,clip_id,text\na,1,\x00\n", ["line 2", "NUL"]),
    "two columns of a name": (b"video_id,clip_id,text,text\na,1,x,y\n", ["two columns", "'text'"]),
    "column missing": (b"video,clip_id,text\na,1,x\n", ["no column", "Add it"]),
    "a cell without end": (b"video_id,clip_id,text\na,1," + b"x" * 200_000, ["not CSV", "field"]),
}


@pytest.mark.parametrize("data, says", BAD_FILE.values(), ids=BAD_FILE)
def test_bad_label_files(folder, data, says):
    folder.csv(data)
    one_sentence(folder, "label.csv", *says)


@pytest.mark.parametrize("mode", ["train", "valid", "test"])
def test_an_empty_split(folder, mode):
    text = (folder.path / "label.csv").read_text()
    folder.csv(
        text.replace(f",{mode}\n", f",{'valid' if mode == 'train' else 'train'}\n").replace(
            "valid", "test" if mode == "valid" else "valid"
        )
    )
    one_sentence(folder, "protocols.standard", f"no row is in {mode}")


@pytest.mark.parametrize("name", ["dataset.toml", "label.csv", "words.npz"])
def test_a_missing_file(folder, name):
    (folder.path / name).unlink()
    one_sentence(folder, name)


@pytest.mark.parametrize("name", ["dataset.toml", "label.csv", "words.npz"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_a_folder_in_the_place_of_a_file(folder, name, make):
    """A pipe would be waited for."""
    (folder.path / name).unlink()
    make(folder.path / name)
    one_sentence(folder, name)


def test_a_description_that_is_not_utf8(folder):
    (folder.path / "dataset.toml").write_bytes(b'name = "t\xff"')
    one_sentence(folder, "dataset.toml", "not TOML", "utf-8")


def _set(arrays, **changes):
    arrays.update(changes)


BAD_ARRAYS = {
    "missing ids": (
        lambda w, a: _set(w, id=np.array([f"{i}z" if i == "a_1" else i for i in w["id"]])),
        ["words.npz", "lacks 1", "a_1", "a_1z"],
    ),
    "extra ids": (
        lambda w, a: _set(
            w, id=np.append(w["id"], "z_9"), offset=np.append(w["offset"], w["offset"][-1])
        ),
        ["holds 1", "z_9"],
    ),
    "same id twice": (
        lambda w, a: w["id"].__setitem__(0, w["id"][1]),
        ["words.npz", "stands twice"],
    ),
    "numbers for ids": (lambda w, a: _set(w, id=np.arange(9)), ["'id' holds int64", "text"]),
    "no id": (lambda w, a: w.pop("id"), ["no array 'id'"]),
    "pickled": (
        lambda w, a: _set(w, vocab=np.array(["sp", "good", "bad"], dtype=object)),
        ["words.npz", "'vocab'", "pickled"],
    ),
    "word outside": (lambda w, a: w["word"].__setitem__(4, 3), ["word[4] is 3", "3 words"]),
    "word negative": (lambda w, a: w["word"].__setitem__(4, -1), ["word[4] is -1"]),
    "offsets back": (lambda w, a: w["offset"].__setitem__(3, 15), ["'offset'", "steps back"]),
    "offsets beyond": (lambda w, a: w["offset"].__setitem__(-1, 99), ["'offset'", "99"]),
    "offsets short": (
        lambda w, a: _set(w, offset=w["offset"][:-1]),
        ["'offset' has 9 entries and needs 10"],
    ),
    "start alone": (lambda w, a: w.pop("end"), ["no array 'end'"]),
    "start short": (
        lambda w, a: _set(w, start=w["start"][1:]),
        ["'start' has 15 entries and needs 16"],
    ),
    "rows short": (lambda w, a: _set(a, one=a["one"][1:]), ["'one' has 8 entries and needs 9"]),
    "zero wide": (lambda w, a: _set(a, one=a["one"][:, :0]), ["0 wide"]),
    "lengths missing": (lambda w, a: a.pop("length"), ["no array 'length'", "real"]),
    "lengths beyond": (lambda w, a: a["length"].__setitem__(1, 5), ["'length' holds 5", "4 steps"]),
    "lengths negative": (lambda w, a: a["length"].__setitem__(1, -1), ["'length' holds -1"]),
    "nothing there": (
        lambda w, a: _set(a, length=np.zeros(9, dtype=int)),
        ["audio.right", "no row of the table has anything"],
    ),
    "a fold without rows": (
        lambda w, a: _set(a, fold=np.where(a["fold"] == 1, 3, a["fold"])),
        ["'fold'", "without a gap"],
    ),
    "two folds": (lambda w, a: _set(a, fold=np.clip(a["fold"], -1, 1)), ["at least 3 folds"]),
    "fractions of folds": (lambda w, a: _set(a, fold=a["fold"] + 0.5), ["'fold' holds float64"]),
    "either reading": (
        lambda w, a: _set(a, offset=np.array([0, 2, 2, 3, 4, 5, 6, 7, 8, 9])),
        ["'one' could be one step a row or ragged"],
    ),
}


@pytest.mark.parametrize("change, says", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_bad_arrays(folder, change, says):
    change(folder.words, folder.arrays)
    folder.save()
    one_sentence(folder, *says)


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x03\x04 cut", pickle.dumps([1, 2])])
def test_a_file_that_is_no_npz(folder, data):
    (folder.path / "words.npz").write_bytes(data)
    one_sentence(folder, "words.npz", "cannot be read")


def test_a_single_bare_array_is_no_npz(folder):
    with (folder.path / "words.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    one_sentence(folder, "words.npz", "bare array")


def test_a_truncated_npz(folder):
    file = folder.path / "words.npz"
    file.write_bytes(file.read_bytes()[:-200])
    one_sentence(folder, "words.npz", "cannot be read")


def one_sentence(folder, *says):
    with pytest.raises(DataError) as caught:
        read_folder(folder.path)
    message = str(caught.value)
    assert "\n" not in message and str(folder.path) in message
    for part in says:
        assert part in message


# Never anything but a Corpus or a DataError.

FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CELL = st.one_of(
    st.sampled_from(
        [
            "",
            "nan",
            "1e400",
            "-0",
            "train",
            "valid",
            "test",
            "a",
            "1",
            "0",
            '"',
            "\r",
            "\ufeff",
            "x" * 300,
        ]
    ),
    st.text(max_size=6),
)
NAME = st.sampled_from(
    ["label", "text", "mode", "score", "class", "..", "arrays.npz", "one", "block", "words.npz"]
)
KEY = st.sampled_from(["kind", "file", "array", "column", "values", "low", "a"])
VALUE = st.recursive(
    st.one_of(NAME, st.text(max_size=5), st.integers(), st.floats(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEY, inner, max_size=3)),
    max_leaves=6,
)


def toml_of(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in value)
        return f'"{escaped}"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml_of, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {toml_of(v)}" for k, v in value.items()) + "}"
    return repr(value)


@pytest.fixture(scope="module")
def shared(tmp_path_factory, make_folder):
    return make_folder(tmp_path_factory.mktemp("fuzz"))


def reads(folder) -> None:
    try:
        corpus = read_folder(folder.path)
    except DataError as error:
        assert str(folder.path) in str(error)
    else:
        assert isinstance(corpus, Corpus)
        for task in corpus.tasks.values():
            assert np.isfinite(task.target).all()


@FUZZ
@given(st.binary(max_size=200), st.integers(0, 400), st.booleans())
@example(b"\xef\xbb\xbf", 0, True)
@example(b"\x00", 30, True)
@example(b"\r\r\n\n", 60, True)
def test_fuzz_label_bytes(shared, data, at, inside):
    shared.reset()
    good = "\n".join((shared.HEADER, *shared.LINES)).encode()
    shared.csv(good[:at] + data + good[at + len(data) :] if inside else data)
    reads(shared)


@FUZZ
@given(st.integers(0, 8), st.integers(0, 7), CELL)
def test_fuzz_cells(shared, row, column, cell):
    shared.reset()
    lines = [line.replace('"Bad, very bad"', "bad").split(",") for line in shared.LINES]
    lines[row][column] = cell
    shared.csv("\n".join((shared.HEADER, *map(",".join, lines))).encode("utf-8", "replace"))
    reads(shared)


@FUZZ
@given(st.data())
def test_fuzz_settings(shared, data):
    shared.reset()
    lines = shared.TOML.splitlines()
    at = data.draw(st.sampled_from([i for i, line in enumerate(lines) if " = " in line]))
    key = lines[at].split(" = ")[0]
    lines[at] = data.draw(
        st.one_of(st.just(""), VALUE.map(lambda v: f"{key} = {toml_of(v)}"), st.text(max_size=20))
    )
    (shared.path / "dataset.toml").write_bytes("\n".join(lines).encode("utf-8", "replace"))
    reads(shared)


@FUZZ
@given(st.integers(0, 4000), st.integers(1, 255))
def test_fuzz_npz_bytes(shared, at, flip):
    shared.reset()
    whole = (shared.path / "words.npz").read_bytes()
    cut = bytearray(whole)
    cut[at % len(cut)] ^= flip
    (shared.path / "words.npz").write_bytes(cut)
    try:
        reads(shared)
    finally:
        (shared.path / "words.npz").write_bytes(whole)


# The real data, where it is there.


@pytest.fixture(scope="module")
def homes():
    if not os.environ.get("MERBENCH_DATA"):
        pytest.skip("MERBENCH_DATA is not set: no CMU-MOSI and CMU-MOSEI here")
    home = Path(os.environ["MERBENCH_DATA"])
    return [home]


@pytest.mark.parametrize(
    "name, rows, sizes, means",
    [
        ("mosi", 2199, (1284, 229, 686), (0.2345, 0.3095, -0.3170)),
        ("mosei", 22788, (16274, 1861, 4653), (0.1454, 0.1919, 0.1429)),
    ],
)
def test_real_data(homes, name, rows, sizes, means):
    corpus = read_folder(homes[0] / name)
    assert len(corpus) == rows and corpus.notes == ()
    (split,) = corpus.protocols["standard"].splits
    parts = (split.train, split.valid, split.test)
    assert tuple(map(len, parts)) == sizes
    assert [corpus.tasks["sentiment"].target[r].mean() for r in parts] == pytest.approx(
        means, abs=5e-5
    )
    if name == "mosi":
        assert sum(len(s.test) for s in corpus.protocols["folds"].splits) == 752
        assert (
            corpus.streams["text.words"].spec.kind == "words"
            and corpus.streams["audio.covarep73"].spec.width == 73
        )
        matches = np.load(homes[0] / "mosi/words.npz")["matches_transcript"].sum()
        assert matches == 1968
    else:
        assert corpus.tasks["emotion_argmax"].known.sum() == 20624


def test_real_vectors_cover_the_transcripts(homes):
    lexicon = open_lexicon(("glove.6B.50d.5k",), homes)
    stream = as_words(read_folder(homes[0] / "mosi").streams["text.transcript"])
    _, known = lexicon.table(stream.vocab)
    assert known[stream.values].mean() == pytest.approx(0.876, abs=0.01)
    both = open_lexicon((), homes)
    assert both.width == 200 and both.table(["boring", "weakly"])[1].tolist() == [True, False]

"""What is wrong in a feature folder is one sentence that names the file."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests.data.folder.read_checks import one_sentence

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
    "tables without end": ('name = "tiny"', f"name{'.a' * 3000} = 1", ["deeper than 50 levels"]),
    "task is no table": ("task.emotions = {", 'task.x = "no"\ntask.emotions = {', ["task"]),
    "wrong rank": ('array = "one"', 'array = "mark"', ["'mark'", "dimension"]),
    "length of two dimensions": (
        'array = "one"',
        'array = "one"\nlength = "length"',
        ["audio.one", "length is not for the 2 dimensions of array 'one'"],
    ),
    "offset of three dimensions": (
        'array = "block"',
        'array = "block"\noffset = "bounds"',
        ["audio.right", "offset is not for the 3 dimensions of array 'block'"],
    ),
    "text for numbers": ('array = "one"', 'array = "id"', ["'id' holds", "not numbers"]),
}


@pytest.mark.parametrize("old, new, says", BAD_TOML.values(), ids=BAD_TOML)
def test_bad_settings(folder, old, new, says):
    folder.edit(old, new)
    one_sentence(folder, *says)


def test_settings_that_are_not_utf_8(folder):
    (folder.path / "dataset.toml").write_bytes(b'name = "caf\xe9"')
    one_sentence(folder, "dataset.toml is not TOML", "utf-8")


BAD_LINE = {
    "not a number": ("a,1,x,good,happy,1,0,train", ["line 2", "'label'", "'good'"]),
    "out of range": ("a,1,x,3.2,happy,1,0,train", ["line 2", "'3.2'", "between -3 and 3"]),
    "NaN": ("a,1,x,nan,happy,1,0,train", ["line 2", "'nan'"]),
    "infinite": ("a,1,x,0,happy,inf,0,train", ["line 2", "'inf'"]),
    "a name for a number": ("a,1,x,0,happy,1_0,0,train", ["line 2", "'1_0'"]),
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

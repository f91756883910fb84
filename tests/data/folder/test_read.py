from __future__ import annotations

import json
import os
import textwrap
import tomllib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save, save_file

from merbench.api import GLOSSES, SENTIMENT, DataError
from merbench.data.dataset_hash import revision
from merbench.data.folder import read, stored_statistics
from merbench.data.folder.arrays import Arrays
from merbench.data.folder.read import read_folder
from merbench.data.word_vector_files import open_lexicon
from merbench.data.words import as_words
from tests.data.folder.read_checks import one_sentence
from tests.data.made_table import folder_of


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


def test_a_clip_whose_id_has_braces_is_found(tmp_path):
    path = folder_of(tmp_path, 'column = "mode"', video_id=["{clip_id}"] * 3 + ["v"] * 27,
                     clip_id=[str(k) for k in range(30)])  # fmt: skip
    with (path / "dataset.toml").open("a") as file:
        file.write('[streams."audio.clip"]\nmodality = "audio"\nkind = "clip"\n')
        file.write('pattern = "{video_id}/{clip_id}.wav"\n')
    (path / "{clip_id}").mkdir()
    (path / "{clip_id}/1.wav").touch()
    assert read_folder(path).streams["audio.clip"].length.nonzero()[0].tolist() == [1]


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


def test_classes_that_are_numbers_are_read_by_their_names_alone(folder):
    """A column with empty cells, as pandas writes it; 1.0 is the class 1, not the second one."""
    folder.edit('words = ["happy", "glum"]', 'words = ["-1", "0", "1"]')
    cells = ["-1.0", "0.0", "", "1.0", "1", "0", "-1", " 0 ", "1.0"]
    lines = [line.split(",") for line in folder.LINES]
    rows = [[*line[:-4], cell, *line[-3:]] for line, cell in zip(lines, cells, strict=True)]
    folder.csv("\n".join((folder.HEADER, *map(",".join, rows))))
    mood = read_folder(folder.path).tasks["mood"]
    assert mood.target.tolist() == [0, 1, 0, 2, 2, 1, 0, 1, 2]
    assert mood.known.tolist() == [cell != "" for cell in cells]


@pytest.mark.parametrize("dtype", [">f4", "f2", "i2", ">f8"])
def test_any_number_type_is_read(folder, dtype):
    scale = 4 if "f" in dtype else 5001  # more digits than half precision has
    folder.arrays["one"] = np.round(folder.arrays["one"] * scale).astype(dtype)
    folder.save()
    values = read_folder(folder.path).streams["audio.one"].values
    assert values.dtype.isnative and values.dtype.kind == "f"
    np.testing.assert_array_equal(values, folder.arrays["one"])


def test_words_need_no_times(folder):
    del folder.words["start"], folder.words["end"]
    folder.save()
    words = read_folder(folder.path).streams["text.words"]
    assert words.times is None
    assert [[words.vocab[i] for i in row] for row in rows_of(words)] == folder.truth["words"]


def test_an_offset_of_one_step_a_row_leaves_no_doubt(folder):
    folder.arrays["offset"] = np.arange(10)
    folder.save()
    one = read_folder(folder.path).streams["audio.one"]
    assert one.length.tolist() == [1] * 9
    np.testing.assert_array_equal(np.concatenate(rows_of(one)), folder.truth["one"])


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


def test_the_description_in_full_is_toml():
    example = textwrap.dedent(read.__doc__.partition("in full::")[2])
    described = tomllib.loads(example)
    assert {"sentiment", "mood", "emotions"} == described["task"].keys()
    assert described["streams"]["audio.x"]["fitted_on"]["values"] == [0, 1]


def test_numbers_of_one_byte_in_a_safetensors_file_are_numbers(tmp_path):
    ids = np.frombuffer(json.dumps(["a", "b", "c"]).encode(), np.uint8)
    save_file({"id": ids, "mark": np.array([0, 1, 1], np.uint8)}, tmp_path / "x.safetensors")
    arrays = Arrays(tmp_path / "x.safetensors")
    assert arrays.ids == ["a", "b", "c"]
    assert arrays.per_row("mark", "biuU").tolist() == [0, 1, 1]


@pytest.mark.parametrize("content", [b"", b"no tensors", save({"key.mean": np.zeros(2)})])
def test_statistics_that_cannot_be_read_are_told_with_the_way_out(tmp_path, content):
    (tmp_path / stored_statistics.FILE).write_bytes(content)
    with pytest.raises(DataError, match=r"statistics\.safetensors cannot be read .*delete it"):
        stored_statistics.read_statistics(tmp_path)

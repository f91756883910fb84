"""What a run can be applied to, and which of its streams a run reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from merbench.api import MODALITIES, DataError, RequestError
from merbench.data.folder.inputs import Inputs, absent, matching, read_inputs
from merbench.testing import tiny

CORPUS = tiny.corpus()
WANTED = {
    CORPUS.streams[name].modality: CORPUS.streams[name]
    for name in CORPUS.protocols["standard"].streams
}


def test_a_csv_needs_nothing_but_its_texts(tmp_path):
    (tmp_path / "new.csv").write_text('text,rating\n"good, very good",\n,3\nbad,1\n')
    loaded = read_inputs([tmp_path / "new.csv"], [])
    assert loaded.texts == ["good, very good", "", "bad"] and loaded.ids == [
        "line 2",
        "line 3",
        "line 4",
    ]
    assert loaded.streams["text.transcript"].length.tolist() == [1, 0, 1]


def test_a_table_of_tabs_is_no_clip(tmp_path):
    (tmp_path / "new.TSV").write_text("id\ttext\na\tgood, very good\nb\tbad\n")
    loaded = read_inputs([tmp_path / "new.TSV"], [])
    assert (loaded.ids, loaded.texts) == (["a", "b"], ["good, very good", "bad"])


def test_a_folder_needs_no_labels_tasks_or_protocols(tmp_path):
    (tmp_path / "label.csv").write_text("video_id,clip_id,text\nv,1,good film\nv,2,bad film\n")
    np.savez(
        tmp_path / "a.npz",
        id=np.array(["v_2", "v_1"]),
        x=np.arange(12, dtype=np.float32).reshape(2, 6),
    )
    text = '[streams."text.transcript"]\nmodality = "text"\nkind = "strings"\ncolumn = "text"\n'
    audio = '[streams."audio.tiny"]\nmodality = "audio"\nkind = "features"\nfile = "a.npz"\narray = "x"\n'
    (tmp_path / "dataset.toml").write_text('name = "new"\n' + text + audio)
    loaded = read_inputs([tmp_path], [])
    streams, missing = matching(loaded, WANTED)
    assert missing == ["video"] and list(streams) == list(MODALITIES)
    assert streams["text"].kind == "words" and streams["text"].vocab == ("bad", "film", "good")
    assert streams["audio"].values[streams["audio"].start].tolist() == [
        list(range(6, 12)),
        list(range(6)),
    ], "joined by id"
    assert not streams["video"].length.any() and len(streams["video"].values)


def test_the_stream_of_the_same_name_goes_before_others_of_its_form():
    audio = WANTED["audio"]
    other = replace(audio, name="audio.a", values=audio.values + 1)
    narrow = replace(audio, name="audio.n", values=audio.values[:, :2])
    for streams in ((other, audio), (audio, other)):
        inputs = Inputs(["x"], [""], {s.name: s for s in (narrow, *streams)})
        assert matching(inputs, {"audio": audio})[0]["audio"] is audio
    inputs = Inputs(["x"], [""], {s.name: s for s in (narrow, other)})
    assert matching(inputs, {"audio": audio})[0]["audio"] is other


def test_clips_come_as_paths(tmp_path):
    for name in ("a.mp4", "b.wav"):
        (tmp_path / name).write_bytes(b"x")
    loaded = read_inputs([tmp_path / "a.mp4", tmp_path / "b.wav"], [])
    assert loaded.ids == ["a.mp4", "b.wav"] and {s.kind for s in loaded.streams.values()} == {
        "clip"
    }


def test_clips_of_one_name_are_told_apart(tmp_path):
    paths = [tmp_path / name / "1.mp4" for name in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(b"x")
    assert read_inputs(paths, []).ids == [str(path) for path in paths]


@pytest.mark.parametrize(
    ("paths", "sentences", "told"),
    [
        ([], [], "--text"),
        (["x.csv"], ["a"], "not both"),
        (["nowhere.mp4"], [], "nowhere.mp4 does not exist"),
        ([".", "."], [], "one folder"),
        ([], [" "], "every text is empty"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, paths, sentences, told):
    with pytest.raises(RequestError, match=told):
        read_inputs([tmp_path / path for path in paths], sentences)


def test_inputs_that_the_run_cannot_read_are_refused_and_name_both_sides():
    with pytest.raises(RequestError, match=r"reads audio features of width 6 .* hold text strings"):
        matching(read_inputs([], ["good"]), {"audio": WANTED["audio"]})


@pytest.mark.parametrize("name", ["text.words", "text.transcript", "audio.tiny"])
def test_an_absent_stream_has_nothing_in_any_row(name):
    made = absent(CORPUS.streams[name], 5)
    assert made.length.tolist() == [0] * 5 and made.spec == CORPUS.streams[name].spec


def test_a_csv_may_have_ids_and_must_have_texts(tmp_path):
    (tmp_path / "new.csv").write_text("id,text\na,good\nb,bad\n")
    assert read_inputs([tmp_path / "new.csv"], []).ids == ["a", "b"]
    (tmp_path / "new.csv").write_text("id,text\na,good\na,bad\n")
    assert read_inputs([tmp_path / "new.csv"], []).ids == ["line 2", "line 3"]
    (tmp_path / "new.csv").write_text("id,txt\na,good\n")
    with pytest.raises(
        DataError, match=r"no column 'text'; did you mean 'txt'\? \(call the column"
    ):
        read_inputs([tmp_path / "new.csv"], [])

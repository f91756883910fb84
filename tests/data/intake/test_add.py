"""The sink and the way of a source into a data home, with a form made for the test."""

from __future__ import annotations

import json
import os
import re
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from merbench.api import Config, DataError, RequestError, Source
from merbench.data.dataset_hash import revision
from merbench.data.folder.manifest import read_manifest
from merbench.data.folder.read import read_folder
from merbench.data.intake.add import add, recognise
from merbench.data.streams.train_statistics import train_statistics
from merbench.data.streams.valid_steps import steps_key

VIDEOS = [("b", "2"), ("a", "10"), ("a", "2"), ("c", "1"), ("b", "1")]
MODES = ["train", "valid", "train", "test", "train"]


class Form:
    """Five rows; ``name`` tells its streams from another's. ``stop``: fails after so many reads, as
    a kill would.
    """

    looks_for = "rows made up"

    def __init__(self, name="one", stop=None, ids=None, seed=0):
        self.config, self.name, self.stop, self.reads = Config(), name, stop, 0
        self.ids = ids or [f"{v}_{c}" for v, c in VIDEOS]
        rng = np.random.default_rng(seed)
        self.values = [rng.normal(size=(n, 3)) for n in (2, 0, 3, 1, 4)][: len(self.ids)]
        self.values[0][1, 2] = -np.inf
        self.said = [["so", "good"], [], ["no"], ["yes", "no", "so"], ["so"]]

    def recognise(self, source):
        return "" if source.path.suffix == ".made" else "its suffix is another"

    def read(self, i):
        self.reads += 1
        if self.reads == self.stop:
            raise KeyboardInterrupt
        return self.values[i]

    def convert(self, source, sink):
        sink.source(source.path)
        columns = {
            "video_id": [v for v, _ in VIDEOS],
            "clip_id": [c for _, c in VIDEOS],
            "label": ["1", "-2", "", "0.5", "3"],
            "mode": MODES,
        }
        if self.name == "one":
            sink.table(columns)
            sink.task("sentiment", column="label", kind="score", low=-3.0, high=3.0)
            sink.protocol("standard", column="mode", streams=["audio.one", "text.one"])
        sink.features(f"audio.{self.name}", "audio", 3, self.ids, self.read, note="made up")
        sink.words(
            f"text.{self.name}",
            self.ids,
            lambda i: (self.said[i], np.zeros((len(self.said[i]), 2))),
        )


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.made"
    path.write_bytes(b"made")
    return Source(path)


def put(home, source, form, name="mine", watch=lambda *progress: None):
    return add(name, home, source, form, "made", {}, watch)


def content(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def rows_of(stream):
    return [
        np.asarray(stream.values[s : s + n])
        for s, n in zip(stream.start, stream.length, strict=True)
    ]


def test_what_is_added_is_read_again(tmp_path, source):
    form = Form()
    origin = put(tmp_path, source, form)
    assert (origin.rows, origin.taken, origin.refused) == (5, 5, {})
    corpus = read_folder(tmp_path / "mine")
    assert corpus.ids.tolist() == ["a_2", "a_10", "b_1", "b_2", "c_1"]
    audio, text = corpus.streams["audio.one"], corpus.streams["text.one"]
    for row_id, row in zip(corpus.ids, rows_of(audio), strict=True):
        np.testing.assert_array_equal(row, form.values[form.ids.index(row_id)].astype(np.float32))
    assert [[text.vocab[w] for w in row] for row in rows_of(text)] == [
        form.said[form.ids.index(row_id)] for row_id in corpus.ids
    ]
    assert corpus.tasks["sentiment"].known.tolist() == [False, True, True, True, True]
    assert next(n for n in corpus.notes if "not finite" in n).startswith(
        "1 values of stream audio.one"
    )
    assert not list(tmp_path.glob(".*"))


def test_a_stream_file_is_plain_safetensors(tmp_path, source):
    put(tmp_path, source, Form())
    with safe_open(tmp_path / "mine/streams/audio.one.safetensors", framework="numpy") as file:
        assert set(file.keys()) == {"values", "offset", "id"}
        assert file.get_tensor("offset").tolist() == [0, 3, 3, 7, 9, 10]
        assert json.loads(file.get_tensor("id").tobytes()) == ["a_2", "a_10", "b_1", "b_2", "c_1"]
        assert file.get_tensor("values").shape == (10, 3)


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_an_interrupted_call_goes_on_and_ends_with_the_same_bytes(
    tmp_path, source, stop, monkeypatch
):
    monkeypatch.setattr("merbench.data.intake.writers.features._CHECKPOINT", 0)
    put(tmp_path / "whole", source, Form())
    with pytest.raises(KeyboardInterrupt):
        put(tmp_path / "home", source, Form(stop=stop))
    assert not (tmp_path / "home/mine").exists()
    second, steps = Form(), []
    put(tmp_path / "home", source, second, watch=lambda step, done, total: steps.append(step))
    assert second.reads == 6 - stop
    assert (f"audio.one, resuming at row {stop}" in steps) == (stop > 1)
    assert content(tmp_path / "home/mine") == content(tmp_path / "whole/mine")


def test_another_source_begins_anew(tmp_path, source, monkeypatch):
    monkeypatch.setattr("merbench.data.intake.writers.features._CHECKPOINT", 0)
    with pytest.raises(KeyboardInterrupt):
        put(tmp_path / "home", source, Form(stop=4))
    source.path.write_bytes(b"others")
    second = Form(seed=1)
    put(tmp_path / "home", source, second)
    assert second.reads == 5


@pytest.mark.parametrize("changed", ["rows", "named", "version"])
def test_a_call_begins_anew_where_rows_a_file_that_an_option_names_or_merbench_were_changed(
    tmp_path, source, monkeypatch, changed
):
    monkeypatch.setattr("merbench.data.intake.writers.features._CHECKPOINT", 0)
    put(tmp_path, source, Form())
    named = tmp_path / "segments.csv"
    named.write_text("one")

    def again(form):
        return add(
            "mine", tmp_path, source, form, "made", {"segments": str(named)}, lambda *progress: None
        )

    with pytest.raises(KeyboardInterrupt):
        again(Form("two", stop=4))
    if changed == "named":
        named.write_text("other")
    elif changed == "version":
        monkeypatch.setattr("merbench.data.intake.lock_and_resume.VERSION", "later")
    else:
        table = tmp_path / "mine/label.csv"
        header, *lines = table.read_text().splitlines()
        table.write_text("\n".join([header, *reversed(lines)]))
    form = Form("two")
    again(form)
    assert form.reads == 5
    corpus = read_folder(tmp_path / "mine")
    for row_id, row in zip(corpus.ids, rows_of(corpus.streams["audio.two"]), strict=True):
        np.testing.assert_array_equal(row, form.values[form.ids.index(row_id)].astype(np.float32))


def test_a_second_source_adds_streams_by_id(tmp_path, source):
    put(tmp_path, source, Form())
    before = content(tmp_path / "mine")
    ids = ["c_1", "z_9", "a_2", "b_1"]
    form = Form("two", ids=ids)
    origin = put(tmp_path, source, form)
    assert (origin.rows, origin.taken, list(origin.refused)) == (4, 3, ["z_9"])
    after = content(tmp_path / "mine")
    for name in ("streams/audio.one.safetensors", "label.csv"):
        assert after[name] == before[name]
    corpus = read_folder(tmp_path / "mine")
    assert set(corpus.streams) == {"audio.one", "text.one", "audio.two", "text.two"}
    for row_id, row in zip(corpus.ids, rows_of(corpus.streams["audio.two"]), strict=True):
        expected = form.values[ids.index(row_id)] if row_id in ids else np.zeros((0, 3))
        np.testing.assert_array_equal(row, expected.astype(np.float32))
    assert corpus.protocols["standard"].streams == ("audio.one", "text.one")
    assert [o.streams for o in read_manifest(tmp_path / "mine").sources] == [
        ["audio.one", "text.one"],
        ["audio.two", "text.two"],
    ]


def test_the_same_source_twice_changes_nothing_and_another_of_the_same_streams_is_refused(
    tmp_path, source
):
    put(tmp_path, source, Form())
    before = content(tmp_path / "mine")
    assert put(tmp_path, source, Form()).taken == 5
    source.path.write_bytes(b"other")
    with pytest.raises(DataError, match=r"has a stream 'audio.one' already"):
        put(tmp_path, source, Form())
    assert content(tmp_path / "mine") == before


def test_a_row_that_stands_twice_is_refused_by_name(tmp_path, source, monkeypatch):
    monkeypatch.setattr(f"{__name__}.VIDEOS", [*VIDEOS[:4], ("a", "10")])
    origin = put(tmp_path, source, Form(ids=["b_2", "a_10", "a_2", "c_1"]))
    assert (origin.rows, origin.taken, list(origin.refused)) == (5, 4, ["a_10"])


def test_the_manifest_spares_the_reading_of_values(tmp_path, source, monkeypatch):
    put(tmp_path, source, Form())

    def never(*args):
        raise AssertionError("the values were read")

    monkeypatch.setattr("merbench.data.streams.train_statistics.valid_steps", never)
    corpus = read_folder(tmp_path / "mine")
    stream = corpus.streams["audio.one"]
    split = corpus.protocols["standard"].splits[0]
    kept = train_statistics(stream, split.train)
    known = train_statistics(stream, split.train[corpus.tasks["sentiment"].known[split.train]])
    assert revision(corpus, "sentiment", "standard", ["audio.one", "text.one"])
    monkeypatch.undo()
    for rows, expected in (
        (split.train, kept),
        (split.train[corpus.tasks["sentiment"].known[split.train]], known),
    ):
        assert steps_key(stream, rows) in stream.statistics
        counted = train_statistics(type(stream)(**{**vars(stream), "statistics": {}}), rows)
        np.testing.assert_array_equal(expected.mean_D, counted.mean_D)
        np.testing.assert_array_equal(expected.scale_D, counted.scale_D)
        assert (expected.not_finite, expected.steps) == (counted.not_finite, counted.steps)


def test_a_file_that_was_changed_is_read_again(tmp_path, source):
    put(tmp_path, source, Form())
    before = read_folder(tmp_path / "mine")
    path = tmp_path / "mine/streams/audio.one.safetensors"
    data = bytearray(path.read_bytes())
    data[4096:4100] = np.float32(7).tobytes()
    path.write_bytes(data)
    after = read_folder(tmp_path / "mine")
    assert before.streams["audio.one"].sha256 and not after.streams["audio.one"].sha256
    assert after.streams["audio.one"].values[0, 0] == 7
    names = ("sentiment", "standard", ["audio.one"])
    assert revision(before, *names) != revision(after, *names)


def test_another_file_moved_there_is_noticed_however_old_it_is_and_stays_noticed(tmp_path, source):
    put(tmp_path, source, Form())
    path = tmp_path / "mine/streams/audio.one.safetensors"
    other = tmp_path / "other"
    other.write_bytes(
        path.read_bytes().replace(
            np.float32(Form().values[2][0, 0]).tobytes(), np.float32(7).tobytes()
        )
    )
    os.utime(other, (0, 0))
    other.replace(path)
    assert not read_folder(tmp_path / "mine").streams["audio.one"].sha256
    put(tmp_path, source, Form("two"))
    streams = read_folder(tmp_path / "mine").streams
    assert not streams["audio.one"].sha256 and streams["audio.two"].sha256


def test_streams_are_hashed_when_they_come_from_elsewhere_and_then_no_more(
    tmp_path, source, monkeypatch
):
    hashed = []
    put(tmp_path, source, Form())
    put(tmp_path, source, Form("two"))
    monkeypatch.setattr(
        "merbench.data.folder.manifest.sha256_of",
        lambda path: hashed.append(path.name) or sha256(path.read_bytes()).hexdigest(),
    )
    assert (
        all(stream.sha256 for stream in read_folder(tmp_path / "mine").streams.values())
        and not hashed
    )
    shutil.copytree(tmp_path / "mine", tmp_path / "copy")
    for _ in range(2):
        assert all(stream.sha256 for stream in read_folder(tmp_path / "copy").streams.values())
    assert len(hashed) == len(set(hashed)) == 5


def test_nothing_is_written_outside_the_data_home(tmp_path, source):
    """Names come from an option, a stream of a form, and the table that a data set names."""
    home = tmp_path / "a/b/home"
    put(home, source, Form())
    (tmp_path / "x.csv").write_bytes((home / "mine/label.csv").read_bytes())
    before = content(tmp_path)
    for name, form in (
        ("../evil", Form()),
        ("/evil", Form()),
        ("new", Form("x/../../../../evil")),
        ("mine", Form("../../../../evil")),
    ):
        with pytest.raises(DataError, match="leaves the folder"):
            put(home, source, form, name)
    toml = home / "mine/dataset.toml"
    toml.write_text(toml.read_text().replace('"label.csv"', '"../../../../x.csv"'))
    with pytest.raises(DataError, match="leaves the folder"):
        put(home, source, Form("two"))
    toml.write_bytes(before["a/b/home/mine/dataset.toml"])
    left = {n: c for n, c in content(tmp_path).items() if ".adding/" not in n}
    assert left == before


def test_a_feature_folder_is_taken_over(tmp_path, folder):
    from merbench_datasets.feature_folder import FeatureFolder

    form = FeatureFolder(Config())
    origin = put(tmp_path / "home", Source(folder.path), form, "tiny")
    assert (origin.rows, origin.taken) == (9, 9)
    old, new = read_folder(folder.path), read_folder(tmp_path / "home/tiny")
    for task in old.tasks:
        for protocol in old.protocols:
            assert revision(old, task, protocol, list(old.streams)) == revision(
                new, task, protocol, list(new.streams)
            )


def test_a_second_feature_folder_replaces_nothing_of_the_first(tmp_path, folder, make_folder):
    from merbench_datasets.feature_folder import FeatureFolder

    (tmp_path / "other").mkdir()
    other = make_folder(tmp_path / "other")
    other.edit('[streams."audio.one"]', '[streams."audio.two"]')
    other.toml(
        (other.path / "dataset.toml")
        .read_text()
        .replace('"audio.one"]', '"audio.two"]')
        .replace('"video.clip"', '"video.other"')
    )
    other.arrays["one"] = -other.arrays["one"]
    other.save()
    put(tmp_path / "home", Source(folder.path), FeatureFolder(Config()), "tiny")
    before = read_folder(tmp_path / "home/tiny").streams
    with pytest.raises(DataError, match="already, from another source"):
        put(tmp_path / "home", Source(other.path), FeatureFolder(Config()), "tiny")
    other.toml(
        re.sub(
            r"(audio|video)\.(right|left|ragged)",
            r"\1.other-\2",
            (other.path / "dataset.toml").read_text(),
        )
    )
    for _ in range(2):
        put(tmp_path / "home", Source(other.path), FeatureFolder(Config()), "tiny")
    after = read_folder(tmp_path / "home/tiny").streams
    for name, stream in before.items():
        np.testing.assert_array_equal(stream.values, after[name].values)
    np.testing.assert_array_equal(after["audio.two"].values, -before["audio.one"].values)
    clips = [
        str(path) for name in ("video.clip", "video.other") for path in after[name].values if path
    ]
    assert [str(Path(clip).resolve().relative_to(tmp_path)) for clip in clips] == [
        "tiny/Raw/b/x_2.mp4",
        "other/Raw/b/x_2.mp4",
    ]
    assert len(list((tmp_path / "home/tiny").glob("arrays*.npz"))) == 2


def test_clips_whose_first_folder_differs_from_row_to_row_are_found(tmp_path, folder):
    from merbench_datasets.feature_folder import FeatureFolder

    folder.edit('pattern = "Raw/', 'pattern = "')
    (folder.path / "Raw/b").rename(folder.path / "b")
    put(tmp_path / "home", Source(folder.path), FeatureFolder(Config()), "tiny")
    (clip,) = filter(None, read_folder(tmp_path / "home/tiny").streams["video.clip"].values)
    assert Path(str(clip)).resolve() == folder.path / "b/x_2.mp4"


def test_a_data_set_that_is_a_link_is_added_to_where_it_lies(tmp_path, source, monkeypatch):
    """It may be on another disk, onto which nothing can be renamed."""
    disk, places = tmp_path / "disk", []
    put(disk, source, Form(), "there")
    (tmp_path / "mine").symlink_to(disk / "there")
    form = Form("two")
    convert = form.convert
    monkeypatch.setattr(
        form, "convert", lambda source, sink: places.append(sink.work) or convert(source, sink)
    )
    put(tmp_path, source, form)
    assert (tmp_path / "mine").is_symlink() and [place.parent for place in places] == [disk]
    assert "audio.two" in read_folder(disk / "there").streams and not list(disk.glob(".*"))


def test_arrays_in_one_folder_of_two_sources_stand_side_by_side(tmp_path, folder, make_folder):
    from merbench_datasets.feature_folder import FeatureFolder

    (tmp_path / "other").mkdir()
    other = make_folder(tmp_path / "other")
    for one, name, change in (
        (folder, "a", {}),
        (other, "b", {"audio": "audio.other-", "video": "video.other-", "text": "text.other-"}),
    ):
        (one.path / "features").mkdir()
        (one.path / "arrays.npz").rename(one.path / f"features/{name}.npz")
        text = one.TOML.replace("arrays.npz", f"features/{name}.npz")
        for modality, new in change.items():
            text = text.replace(f'"{modality}.', f'"{new}')
        one.toml(text)
        put(tmp_path / "home", Source(one.path), FeatureFolder(Config()), "tiny")
    streams = read_folder(tmp_path / "home/tiny").streams
    np.testing.assert_array_equal(streams["audio.one"].values, streams["audio.other-one"].values)


class More(Form):
    """Adds a column and a task to what is there."""

    def convert(self, source, sink):
        sink.source(source.path)
        videos, clips = zip(*(row_id.split("_", 1) for row_id in sink.ids), strict=True)
        sink.table({"video_id": videos, "clip_id": clips, "calm": ["1", "0", *["2"] * 7]})
        sink.task("calmness", column="calm", kind="score", low=0.0, high=3.0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name =", 'labels = "labels.csv"\nname ='),
        ("task.sentiment = { column", "task = { sentiment = { column"),
    ],
)
def test_what_is_joined_is_described_however_the_folder_describes_itself(
    tmp_path, source, folder, old, new
):
    text = folder.TOML.replace(old, new, 1)
    if "task = " in new:
        text = "\n".join(
            line + " }" if line.startswith("task = ") else line
            for line in text.splitlines()
            if not line.startswith("task.")
        )
    else:
        (folder.path / "label.csv").rename(folder.path / "labels.csv")
    folder.toml(text)
    put(tmp_path, source, More(), "tiny")
    corpus = read_folder(folder.path)
    assert (
        corpus.tasks["calmness"].target.tolist() == [1, 0, *[2] * 7] and "sentiment" in corpus.tasks
    )
    assert "audio.right" in corpus.streams and len(list(folder.path.glob("*.csv"))) == 1


def test_what_cannot_be_read_names_the_source(tmp_path, source, monkeypatch):
    monkeypatch.setattr(f"{__name__}.MODES", ["train"] * 5)
    with pytest.raises(
        DataError,
        match=r"source\.made makes a data set that cannot be read: dataset\.toml, \[protocols\.standard\]",
    ):
        put(tmp_path, source, Form())


def test_a_form_that_did_not_foresee_a_file_is_one_sentence_without_its_content(tmp_path, source):
    class Surprised(Form):
        def convert(self, source, sink):
            {}["what the file holds"]

    with pytest.raises(DataError, match=r"as made: .*\(KeyError in test_add\.py, line") as refused:
        put(tmp_path, source, Surprised())
    assert "what the file holds" not in str(refused.value)


def test_no_form_fits_is_one_sentence_that_tells_what_is_missed(tmp_path):
    class OfFolders(Form):
        looks_for = "a folder of rows made up"

    forms = {"made": Form(), "folders": OfFolders()}
    with pytest.raises(RequestError, match="not made: its suffix is another; not folders: its"):
        recognise(Source(tmp_path), forms)
    file = tmp_path / "x.unknown"
    file.write_bytes(b"x")
    with pytest.raises(RequestError, match="not made: its suffix is another; merbench list forms"):
        recognise(Source(file), forms)
    with pytest.raises(RequestError, match="does not exist"):
        recognise(Source(tmp_path / "nowhere"), {"made": Form()})


def test_a_source_that_may_not_be_read_is_one_sentence(tmp_path, monkeypatch):
    def denied(source):
        raise PermissionError(13, "Permission denied", str(source.path))

    form = Form()
    monkeypatch.setattr(form, "recognise", denied)
    with pytest.raises(RequestError, match=r"cannot be read \(Permission denied\)"):
        recognise(Source(tmp_path), {"made": form})

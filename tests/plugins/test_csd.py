"""Computational sequences: small ones made here, cut by brute force; mischief of every kind; and
the real one where it is.
"""

import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from merbench.api import DataError, RequestError, Source
from merbench.data.folder.read import read_folder
from merbench.data.intake.add import add
from merbench_datasets.csd import Csd, _means, stream_name
from merbench_datasets.csd_rows import Splits
from tests.conftest import loads

VIDEOS = ("a_x", "b", "c", "d")
FOLDS = (
    'standard_train_fold = ["a_x", "d"]\nstandard_valid_fold = ["b"]\nstandard_test_fold = ["c"]\n'
)


def write(path, videos, metadata=None):
    """``videos``: name -> {dataset: array}."""
    with h5py.File(path, "w") as file:
        root = file.create_group(path.stem)
        data = root.create_group("data")
        for video, parts in videos.items():
            group = data.create_group(video)
            for name, value in parts.items():
                group[name] = value
        for key, text in (metadata or {}).items():
            root[f"metadata/{key}"] = [text]
    return path


def ticks(count, step, start=0.0):
    edges = start + step * np.arange(count + 1)
    return np.stack([edges[:-1], edges[1:]], axis=1)


class Sdk:
    """A folder as the SDK leaves it: labels, words, two feature streams and a file of folds.
    Attributes hold what was written.
    """

    def __init__(self, path):
        self.path = path
        path.mkdir()
        rng = np.random.default_rng(0)
        self.segments = {v: ticks(3, 2.0, 1.0) for v in VIDEOS}
        self.labels = {v: np.round(rng.uniform(-3, 3, (3, 7)), 3) for v in VIDEOS}
        for v in VIDEOS:
            self.labels[v][:, 1:] = rng.integers(0, 2, (3, 6)) / 3
        self.words = {
            v: (
                np.array([[w] for w in rng.choice([b"so", b"sp", b"good", "é".encode()], 20)]),
                ticks(20, 0.4),
            )
            for v in VIDEOS
        }
        self.facet = {
            v: (rng.normal(size=(30, 3)).astype(np.float32), ticks(30, 0.25)) for v in VIDEOS
        }
        self.sound = {v: (rng.normal(size=(90, 2)), ticks(90, 0.08)) for v in VIDEOS}
        self.facet["b"][0][4, 1] = -np.inf
        self.save()

    def save(self):
        self.write("CMU_MOSEI_Labels", {v: (self.labels[v], self.segments[v]) for v in VIDEOS})
        self.write("CMU_MOSEI_TimestampedWords", self.words)
        self.write("CMU_MOSEI_VisualFacet42", self.facet)
        self.write("CMU_MOSEI_COVAREP", self.sound)
        (self.path / "cmu_mosei_std_folds.py").write_text(FOLDS)

    def write(self, name, videos, **more):
        return write(
            self.path / f"{name}.csd",
            {v: {"features": f, "intervals": i} for v, (f, i) in videos.items()},
            **more,
        )

    def inside(self, stream, video, k):
        """Brute force: the numbers of the steps whose middle lies in segment k."""
        start, end = self.segments[video][k]
        return [n for n, (s, e) in enumerate(stream[video][1]) if start <= (s + e) / 2 < end]


@pytest.fixture
def sdk(tmp_path):
    return Sdk(tmp_path / "sdk")


def put(home, source, name="mine", **options):
    return add(
        name, home, Source(source), Csd(Csd.Config(**options)), "csd", options, lambda *told: None
    )


def rows_of(corpus, name):
    stream = corpus.streams[name]
    parts = zip(corpus.ids.tolist(), stream.start, stream.length, strict=True)
    return {
        one: (
            np.asarray(stream.values[s : s + n]),
            None if stream.times is None else stream.times[s : s + n],
        )
        for one, s, n in parts
    }


def test_a_folder_becomes_a_data_set_cut_by_the_labels(sdk, tmp_path):
    origin = put(tmp_path, sdk.path)
    assert origin.rows == origin.taken == 12 and not origin.refused
    corpus = read_folder(tmp_path / "mine")
    assert set(corpus.streams) == {
        "text.words",
        "text.transcript",
        "video.facet42",
        "audio.covarep",
    }
    assert corpus.protocols["standard"].streams == ("text.words", "audio.covarep", "video.facet42")
    assert corpus.ids.tolist() == [f"{v}_{k}" for v in VIDEOS for k in (1, 2, 3)]
    split = corpus.protocols["standard"].splits[0]
    assert [corpus.videos[rows].tolist() for rows in (split.valid, split.test)] == [
        ["b"] * 3,
        ["c"] * 3,
    ]
    np.testing.assert_allclose(
        corpus.tasks["sentiment"].target,
        np.concatenate([sdk.labels[v][:, 0] for v in VIDEOS]),
        atol=1e-6,
    )
    assert corpus.tasks["emotions"].space.words == (
        "happy",
        "sad",
        "anger",
        "surprise",
        "disgust",
        "fear",
    )
    assert (
        corpus.tasks["emotions"].target
        == np.concatenate([sdk.labels[v][:, 1:] > 0 for v in VIDEOS])
    ).all()
    said, facet, sound = (
        rows_of(corpus, name) for name in ("text.words", "video.facet42", "audio.covarep")
    )
    vocab = corpus.streams["text.words"].vocab
    for v in VIDEOS:
        for k in range(3):
            one = f"{v}_{k + 1}"
            np.testing.assert_array_equal(
                facet[one][0], sdk.facet[v][0][sdk.inside(sdk.facet, v, k)]
            )
            np.testing.assert_array_equal(
                sound[one][0], sdk.sound[v][0][sdk.inside(sdk.sound, v, k)].astype(np.float32)
            )
            at = sdk.inside(sdk.words, v, k)
            words = [sdk.words[v][0][n, 0].decode() for n in at]
            assert [vocab[w] for w in said[one][0]] == words
            np.testing.assert_allclose(said[one][1], sdk.words[v][1][at], atol=1e-6)
            assert corpus.texts[corpus.ids.tolist().index(one)] == " ".join(
                w for w in words if w != "sp"
            )
    assert any("steps lie in no utterance" in note for note in origin.notes)


def test_the_form_is_recognised_and_the_data_set_runs(sdk, tmp_path, merbench):
    done = merbench(
        "data", "add", "--name", "mine", str(sdk.path), "--data", str(tmp_path), check=True
    )
    assert "12 rows of csd = 12 taken over + 0 refused" in done.stderr
    words = (
        "--dataset",
        "mine",
        "--model",
        "majority",
        "--task",
        "sentiment",
        "--seeds",
        "1",
        "--data",
        str(tmp_path),
        "--json",
    )
    assert loads(merbench("run", *words, check=True).stdout)["runs"][0]["status"] == "done"


def test_sentiment_and_emotions_in_two_files_are_joined_by_interval(sdk, tmp_path):
    put(tmp_path, sdk.path, "one")
    names = ("sentiment", "happy", "sad", "anger", "surprise", "disgust", "fear")
    order = [3, 1, 2, 4, 5, 6]
    shown = '["' + '", "'.join(names[c] for c in order) + '"]'
    (sdk.path / "CMU_MOSEI_Labels.csd").unlink()
    sentiment = {v: (sdk.labels[v][:, :1], sdk.segments[v]) for v in VIDEOS}
    emotions = {v: (sdk.labels[v][::-1, order], sdk.segments[v][::-1] + 0.004) for v in VIDEOS}
    emotions["b"][1][0] += 5
    sdk.write("CMU_MOSEI_LabelsSentiment", sentiment, metadata={"dimension names": '["sentiment"]'})
    sdk.write("CMU_MOSEI_LabelsEmotions", emotions, metadata={"dimension names": shown})
    origin = put(tmp_path, sdk.path, "two")
    one, two = (read_folder(tmp_path / name) for name in ("one", "two"))
    assert one.ids.tolist() == two.ids.tolist()
    np.testing.assert_array_equal(one.tasks["sentiment"].target, two.tasks["sentiment"].target)
    lost = one.ids == "b_3"
    words = two.tasks["emotions"].space.words
    columns = [one.tasks["emotions"].space.words.index(word) for word in words]
    known = two.tasks["emotions"].known
    assert known.all(axis=1).tolist() == (~lost).tolist() and not known[lost].any()
    assert (two.tasks["emotions"].target == one.tasks["emotions"].target[:, columns])[~lost].all()
    assert any(
        "labels of 11 of 12 rows are joined by video and interval" in n for n in origin.notes
    )
    assert any("b from 10" in row for row in origin.refused)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"LabelsA": (1, None), "LabelsB": (1, None)}, "2 files of labels have sentiment"),
        ({"LabelsA": (1, None), "LabelsB": (2, None)}, "metadata does not name them"),
        (
            {"LabelsA": (1, '["happy"]'), "LabelsB": (1, '["sad"]')},
            "0 files of labels have sentiment",
        ),
        ({"LabelsA": (7, None), "LabelsB": (1, '["fear"]')}, "both have labels of fear"),
    ],
)
def test_files_of_labels_that_do_not_go_together(files, sentence, sdk, tmp_path):
    (sdk.path / "CMU_MOSEI_Labels.csd").unlink()
    for name, (width, names) in files.items():
        labels = {v: (sdk.labels[v][:, :width], sdk.segments[v]) for v in VIDEOS}
        sdk.write(name, labels, metadata={"dimension names": names} if names else None)
    with pytest.raises(DataError, match=sentence):
        put(tmp_path, sdk.path)


def test_a_step_that_shares_less_than_a_millisecond_with_a_word_is_not_of_it():
    values, intervals = np.array([[1.0], [5.0]]), np.array([[0.0, 1.0004], [1.0, 2.0]])
    means = _means(values, intervals, np.array([[1.0, 2.0], [0.0, 1.0], [0.9, 1.1], [3.0, 4.0]]))
    np.testing.assert_array_equal(means, [[5.0], [1.0], [3.0], [np.nan]])


def test_pooled_or_aligned_to_the_words(sdk, tmp_path):
    put(tmp_path, sdk.path, "pooled", pool="mean")
    put(tmp_path, sdk.path, "aligned", align="words")
    pooled = rows_of(read_folder(tmp_path / "pooled"), "video.facet42")
    corpus = read_folder(tmp_path / "aligned")
    aligned, said = rows_of(corpus, "video.facet42"), rows_of(corpus, "text.words")
    for v in VIDEOS:
        values, intervals = sdk.facet[v]
        values = np.where(np.isfinite(values), values, np.nan)
        for k in range(3):
            np.testing.assert_allclose(
                pooled[f"{v}_{k + 1}"][0],
                np.nanmean(values[sdk.inside(sdk.facet, v, k)], axis=0)[None],
                rtol=1e-5,
            )
            found, words = aligned[f"{v}_{k + 1}"][0], sdk.inside(sdk.words, v, k)
            assert len(found) == len(words) == len(said[f"{v}_{k + 1}"][0])
            for w, step in zip(words, found, strict=True):
                start, end = sdk.words[v][1][w]
                np.testing.assert_allclose(
                    step,
                    np.nanmean(values[(intervals[:, 0] < end) & (intervals[:, 1] > start)], axis=0),
                    rtol=1e-5,
                )


def test_the_transcript_is_of_words_and_never_of_phonemes(sdk, tmp_path):
    sdk.write(
        "CMU_MOSEI_Phones",
        {v: (np.array([[b"g"]] * 20), when) for v, (_, when) in sdk.words.items()},
    )
    put(tmp_path, sdk.path)
    corpus = read_folder(tmp_path / "mine")
    assert (
        corpus.protocols["standard"].streams[0] == "text.words" and "text.phones" in corpus.streams
    )
    assert {word for text in corpus.texts for word in text.split()} == {"so", "good", "é"}
    sdk.write("CMU_MOSEI_ModifiedWords", sdk.words)
    with pytest.raises(
        DataError, match=r"CMU_MOSEI_ModifiedWords\.csd and CMU_MOSEI_TimestampedWords\.csd"
    ):
        put(tmp_path, sdk.path, "two")


def test_a_video_without_a_word_has_an_empty_transcript(sdk, tmp_path):
    sdk.words["b"] = (np.zeros((0, 1), "S4"), np.zeros((0, 2)))
    sdk.save()
    put(tmp_path, sdk.path)
    corpus = read_folder(tmp_path / "mine")
    assert corpus.texts[corpus.videos == "b"].tolist() == [""] * 3


def test_emotions_in_the_order_that_the_metadata_says(sdk, tmp_path):
    names = '["sentiment", "fear", "disgust", "surprise", "anger", "sad", "happy"]'
    labels = {v: (sdk.labels[v], sdk.segments[v]) for v in VIDEOS}
    sdk.write("CMU_MOSEI_Labels", labels, metadata={"dimension names": names})
    put(tmp_path, sdk.path)
    task = read_folder(tmp_path / "mine").tasks["emotions"]
    assert task.space.words[0] == "fear"
    assert (task.target[:, 0] == np.concatenate([sdk.labels[v][:, 1] > 0 for v in VIDEOS])).all()


def test_a_label_csv_splits_and_numbers_the_clips(sdk, tmp_path):
    (sdk.path / "cmu_mosei_std_folds.py").unlink()
    modes = dict(zip(VIDEOS, ("train", "valid", "test", "train"), strict=True))
    lines = ["video_id,clip_id,mode", *(f"{v},{k},{modes[v]}" for v in VIDEOS for k in (0, 1))]
    (sdk.path / "label.csv").write_text("\n".join(lines))
    origin = put(tmp_path, sdk.path)
    assert (origin.rows, origin.taken) == (12, 8)
    assert origin.refused == {
        f"{v}_2": "label.csv does not say whether it trains or tests" for v in VIDEOS
    }
    assert read_folder(tmp_path / "mine").ids.tolist() == [
        f"{v}_{k}" for v in VIDEOS for k in (0, 1)
    ]


def test_a_label_csv_with_times_names_the_clips_by_them(sdk, tmp_path):
    (sdk.path / "cmu_mosei_std_folds.py").unlink()
    modes = dict(zip(VIDEOS, ("train", "valid", "test", "train"), strict=True))
    lines = [
        f"{v},{v}{start:.2f},{start + 0.004:.3f},{modes[v]}"
        for v in VIDEOS
        for start, _ in sdk.segments[v]
    ]
    (sdk.path / "label.csv").write_text(
        "\n".join(["video_id,clip_id,start,mode", *lines, "d,untimed,,train"])
    )
    assert put(tmp_path, sdk.path).taken == 12
    corpus = read_folder(tmp_path / "mine")
    wanted = {
        f"{v}_{v}{start:.2f}": score
        for v in VIDEOS
        for (start, _), score in zip(sdk.segments[v], sdk.labels[v][:, 0], strict=True)
    }
    found = dict(zip(corpus.ids.tolist(), corpus.tasks["sentiment"].target.tolist(), strict=True))
    assert found == pytest.approx(wanted, abs=1e-6)


def test_an_interval_at_no_time_of_the_label_csv_takes_the_id_of_no_other(sdk, tmp_path):
    (sdk.path / "cmu_mosei_std_folds.py").unlink()
    modes = dict(zip(VIDEOS, ("train", "valid", "test", "train"), strict=True))
    lines = [
        f"{v},{k},{start},{modes[v]}"
        for v in VIDEOS
        for k, (start, _) in enumerate(sdk.segments[v][1:], start=1)
    ]
    (sdk.path / "label.csv").write_text("\n".join(["video_id,clip_id,start,mode", *lines]))
    assert put(tmp_path, sdk.path).refused == {
        f"{v} from 1 s": "no clip of label.csv begins then" for v in VIDEOS
    }
    corpus = read_folder(tmp_path / "mine")
    assert corpus.ids.tolist() == [f"{v}_{k}" for v in VIDEOS for k in (1, 2)]
    np.testing.assert_allclose(
        corpus.tasks["sentiment"].target,
        np.concatenate([sdk.labels[v][1:, 0] for v in VIDEOS]),
        atol=1e-6,
    )


def test_clips_are_numbered_as_the_labels_stand_and_steps_put_in_time(sdk, tmp_path):
    sdk.segments["b"], sdk.facet["b"] = (
        sdk.segments["b"][::-1],
        tuple(part[::-1] for part in sdk.facet["b"]),
    )
    sdk.save()
    put(tmp_path, sdk.path)
    corpus = read_folder(tmp_path / "mine")
    assert corpus.tasks["sentiment"].target[corpus.ids == "b_1"] == pytest.approx(
        sdk.labels["b"][0, 0]
    )
    at = sdk.inside(sdk.facet, "b", 0)[::-1]
    np.testing.assert_array_equal(rows_of(corpus, "video.facet42")["b_1"][0], sdk.facet["b"][0][at])


def test_what_is_wrong_in_a_file_is_refused_by_name_and_counted(sdk, tmp_path):
    sdk.segments["a_x"][1] = (9, 4)
    sdk.segments["b"][2] = np.nan
    sdk.labels["c"][0, 0] = 7
    sdk.labels["d"][0, 0] = np.nan
    sdk.facet["b"][1][0] = (5, 1)
    sdk.sound["c"] = (np.zeros((90, 5)), sdk.sound["c"][1])
    sdk.sound["d"] = (sdk.sound["d"][0][:10], sdk.sound["d"][1])
    sdk.words["z"] = sdk.words["b"]
    sdk.save()
    origin = put(tmp_path, sdk.path)
    assert origin.rows == origin.taken + len(origin.refused)
    why = dict(origin.refused)
    assert "outside -3 to 3" in why.pop("c_1")
    assert "5 wide" in why.pop("c of CMU_MOSEI_COVAREP.csd")
    assert "10 features and 90 intervals" in why.pop("d of CMU_MOSEI_COVAREP.csd")
    assert len(why) == 2 and all("is none" in text for text in why.values())
    assert any("1 videos have no utterance (z)" in note for note in origin.notes)
    assert any("1 steps have an interval that is none" in note for note in origin.notes)
    corpus = read_folder(tmp_path / "mine")
    assert corpus.tasks["sentiment"].known[corpus.ids == "d_1"].tolist() == [False]
    assert corpus.streams["audio.covarep"].length[corpus.videos == "c"].sum() == 0


def align(sdk, names=("labels", "words", "facet", "sound")):
    """As the SDK's align() leaves it: an entry for each segment, its steps clipped to it. The
    labels' entries hold the ends of overlapping neighbours too.
    """
    streams = {"labels": {v: (sdk.labels[v], sdk.segments[v]) for v in VIDEOS}}
    streams |= {"words": sdk.words, "facet": sdk.facet, "sound": sdk.sound}
    files = {"labels": "Labels", "words": "TimestampedWords", "facet": "VisualFacet42"}
    cut = {}
    for name in names:
        entries = {}
        for v in VIDEOS:
            values, intervals = streams[name][v]
            for k, (start, end) in enumerate(sdk.segments[v]):
                touch = (intervals[:, 0] < end - 1e-6) & (intervals[:, 1] > start + 1e-6)
                entries[f"{v}[{k}]"] = values[touch], np.clip(intervals[touch], start, end)
        cut[name] = entries
        sdk.write(f"CMU_MOSEI_{files.get(name, 'COVAREP')}", entries)
    return cut


def test_sequences_that_the_sdk_has_aligned(sdk, tmp_path):
    sdk.segments["b"] = np.array([[1.0, 3.0], [2.8, 5.0], [5.0, 7.0]])  # overlap
    cut = align(sdk)
    report = put(tmp_path, sdk.path)
    assert report.refused == {} and report.taken == 3 * len(VIDEOS)
    assert not [note for note in report.notes if "lie in no utterance" in note]
    corpus = read_folder(tmp_path / "mine")
    sentiment = dict(zip(corpus.ids.tolist(), corpus.tasks["sentiment"].target, strict=True))
    facet, words = rows_of(corpus, "video.facet42"), rows_of(corpus, "text.words")
    for v in VIDEOS:
        for k in range(3):
            one, entry = f"{v}_{k + 1}", f"{v}[{k}]"
            assert sentiment[one] == pytest.approx(sdk.labels[v][k, 0])
            np.testing.assert_array_equal(facet[one][0], cut["facet"][entry][0])
            np.testing.assert_allclose(words[one][1], cut["words"][entry][1], rtol=1e-6)


def test_entries_of_segments_keep_their_numbers(sdk, tmp_path):
    cut = align(sdk)
    del cut["labels"]["a_x[1]"], cut["facet"]["b[0]"]
    sdk.write("CMU_MOSEI_Labels", cut["labels"])
    sdk.write("CMU_MOSEI_VisualFacet42", cut["facet"])
    report = put(tmp_path, sdk.path)
    corpus = read_folder(tmp_path / "mine")
    assert [one for one in corpus.ids.tolist() if one.startswith("a_x_")] == ["a_x_1", "a_x_3"]
    facet = rows_of(corpus, "video.facet42")
    np.testing.assert_array_equal(facet["a_x_3"][0], cut["facet"]["a_x[2]"][0])
    assert len(facet["b_1"][0]) == 0 and len(facet["b_2"][0])
    assert any("1 entries have no utterance (a_x[1])" in note for note in report.notes)


@pytest.mark.parametrize("aligned", ["labels", "sound"])
def test_aligned_and_whole_sequences_stand_side_by_side(sdk, tmp_path, aligned):
    align(sdk, (aligned,))
    put(tmp_path, sdk.path)
    rows = rows_of(read_folder(tmp_path / "mine"), "video.facet42")
    for k in range(3):
        inside = sdk.inside(sdk.facet, "a_x", k)
        np.testing.assert_array_equal(rows[f"a_x_{k + 1}"][0], sdk.facet["a_x"][0][inside])


def test_an_aligned_sequence_joins_segments_by_their_time(sdk, tmp_path):
    put(tmp_path, sdk.path)
    cut = align(sdk, ("sound",))["sound"]
    table = tmp_path / "segments.csv"
    lines = [
        f"{v},{k + 1},{start},{end}"
        for v in VIDEOS
        for k, (start, end) in enumerate(sdk.segments[v])
    ]
    table.write_text("\n".join(["video_id,clip_id,start,end", *lines]))
    put(tmp_path, sdk.path / "CMU_MOSEI_COVAREP.csd", stream="audio.cut", segments=str(table))
    rows = rows_of(read_folder(tmp_path / "mine"), "audio.cut")
    for v in VIDEOS:
        for k in range(3):
            expected = cut[f"{v}[{k}]"][0].astype(np.float32)
            np.testing.assert_array_equal(rows[f"{v}_{k + 1}"][0], expected)


def test_a_single_sequence_joins_rows_that_are_there(sdk, tmp_path):
    put(tmp_path, sdk.path)
    extra = sdk.write("more_opensmile", sdk.sound)
    segments = tmp_path / "segments.npz"
    ids = [f"{v}_{k + 1}" for v in VIDEOS for k in range(3)]
    start, end = np.concatenate([sdk.segments[v] for v in VIDEOS]).T
    np.savez(
        segments,
        id=ids[::-1],
        video=[one.rpartition("_")[0] for one in ids[::-1]],
        start=start[::-1],
        end=end[::-1],
    )
    origin = put(tmp_path, extra, segments=str(segments))
    assert origin.rows == origin.taken == 12
    corpus = read_folder(tmp_path / "mine")
    old, new = rows_of(corpus, "audio.covarep"), rows_of(corpus, "audio.more-opensmile")
    for one in ids:
        np.testing.assert_array_equal(old[one][0], new[one][0])
    with pytest.raises(DataError, match="add the labels first"):
        put(tmp_path, extra, "another", segments=str(segments))


def test_an_interrupted_call_goes_on_to_the_same_bytes(sdk, tmp_path, monkeypatch):
    sdk.facet["d"] = (np.zeros((30, 5)), sdk.facet["d"][1])
    sdk.save()
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    put(whole, sdk.path)
    plain, calls = Csd._features, []

    def stops(self, *cut):
        calls.append(cut)
        if len(calls) in (5, 20):
            raise KeyboardInterrupt
        return plain(self, *cut)

    monkeypatch.setattr(Csd, "_features", stops)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            put(broken, sdk.path)
        assert not (broken / "mine").exists()
    put(broken, sdk.path)
    one, two = (
        {p.relative_to(f): p.read_bytes() for p in sorted(f.rglob("*")) if p.is_file()}
        for f in (whole, broken)
    )
    assert one == two and len(one) > 5


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("folds.py", "import os\nos.mkdir('ran')\n" + FOLDS, ""),
        ("folds.py", FOLDS.replace('["b"]', "list('b')"), "no plain list of video ids"),
        ("folds.py", FOLDS.replace('["b"]', '["c"]'), "stands in valid and in test"),
        ("folds.py", FOLDS.replace("test", "rest"), "no list of test videos"),
        ("folds.py", "(" * 5000, "no Python file"),
        ("label.csv", "video_id,mode\nb,test", "no column 'clip_id'"),
        ("label.csv", "video_id,clip_id,mode\nb,1,tset", "put train, valid or test"),
        ("label.csv", "", "no rows"),
    ],
)
def test_splits_are_read_as_literals(tmp_path, monkeypatch, name, text, sentence):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.write_text(text)
    if sentence:
        with pytest.raises(DataError, match=sentence):
            Splits(path)
    else:
        assert Splits(path).mode("b", "1") == ("valid", "")
    assert not (tmp_path / "ran").exists()


def test_what_is_missing_is_one_sentence(sdk, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "h5py", None)
        with pytest.raises(DataError, match=r"pip install 'merbench-datasets\[csd\]'"):
            put(tmp_path, sdk.path, "one")
    whole = (sdk.path / "CMU_MOSEI_COVAREP.csd").read_bytes()
    (sdk.path / "CMU_MOSEI_COVAREP.csd").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"COVAREP.csd cannot be read .*copy it again"):
        put(tmp_path, sdk.path, "two")
    (sdk.path / "CMU_MOSEI_COVAREP.csd").unlink()
    (sdk.path / "cmu_mosei_std_folds.py").unlink()
    with pytest.raises(DataError, match="says nowhere who trains"):
        put(tmp_path, sdk.path, "three")
    with pytest.raises(DataError, match="has no file of labels"):
        put(
            tmp_path,
            write(
                tmp_path / "x_words.csd",
                {"b": {"features": sdk.words["b"][0], "intervals": sdk.words["b"][1]}},
            ),
            "four",
        )


def test_links_out_of_the_file_are_not_followed(sdk, tmp_path):
    path = sdk.path / "CMU_MOSEI_COVAREP.csd"
    with h5py.File(path, "a") as file:
        del file["CMU_MOSEI_COVAREP/data/b"], file["CMU_MOSEI_COVAREP/data/c/features"]
        file["CMU_MOSEI_COVAREP/data/b"] = h5py.ExternalLink(
            "CMU_MOSEI_VisualFacet42.csd", "/CMU_MOSEI_VisualFacet42/data/b"
        )
        file.create_dataset(
            "CMU_MOSEI_COVAREP/data/c/features",
            (90, 2),
            "f8",
            external=[(str(sdk.path / "cmu_mosei_std_folds.py"), 0, 1440)],
        )
    refused = put(tmp_path, sdk.path).refused
    assert refused["b of CMU_MOSEI_COVAREP.csd"] == "it is no group of this file"
    assert refused["c of CMU_MOSEI_COVAREP.csd"] == "its features lie in another file"


def test_names_of_the_published_files():
    from merbench.cli.data.fetch import FILES
    from merbench_datasets.csd import _modality

    names = [Path(p) for p in FILES["mosi"] if "Label" not in p]
    assert [stream_name(p, _modality(p), "Words.csd" in p.name) for p in names] == [
        "text.words", "text.timestampedwordvectors", "video.facet-42", "video.openface-2", "audio.covarep",
    ]  # fmt: skip


NUMBERS = st.sampled_from([0.0, 1.0, 2.5, -1.0, 7.0, np.nan, np.inf, 1e30])
FEATURES = st.sampled_from(
    ["numbers", "words", "flat", "cube", "whole", "none", "missing", "reference", "longer", "wide"]
)


@st.composite
def mischief(draw):
    """name of the video -> parts of its group."""
    videos = {}
    for video in draw(
        st.lists(st.sampled_from([*VIDEOS, "é", "x y", "0"]), max_size=4, unique=True)
    ):
        n = draw(st.integers(0, 4))
        intervals = np.array(draw(st.lists(NUMBERS, min_size=2 * n, max_size=2 * n))).reshape(n, 2)
        made = {
            "numbers": lambda n=n: np.arange(3.0 * n).reshape(n, 3),
            "words": lambda n=n: np.array([[b"w\xff"]] * n, dtype="S3").reshape(n, 1),
            "flat": lambda n=n: np.arange(float(n)),
            "cube": lambda n=n: np.zeros((n, 2, 2)),
            "whole": lambda n=n: np.ones((n, 3), dtype=np.int8),
            "none": lambda: h5py.Empty("f4"),
            "reference": lambda n=n: np.full((n, 1), h5py.Reference(), dtype=h5py.ref_dtype),
            "longer": lambda n=n: np.zeros((n + 1, 3)),
            "wide": lambda n=n: np.zeros((n, 0)),
        }
        kind = draw(FEATURES)
        parts = {} if kind == "missing" else {"features": made[kind]()}
        shape = draw(st.sampled_from(["pairs", "pairs", "pairs", "missing", "texts", "one"]))
        if shape != "missing":
            parts["intervals"] = {
                "pairs": intervals,
                "texts": np.array([[b"a", b"b"]] * n, dtype="S1").reshape(n, 2),
                "one": intervals[:, :1],
            }[shape]
        videos[video] = parts
    return videos


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    labels=mischief(), words=mischief(), sound=mischief(), cut=st.one_of(st.none(), st.floats(0, 1))
)
def test_mischief_is_told_in_one_sentence_or_counted(tmp_path_factory, labels, words, sound, cut):
    home = tmp_path_factory.mktemp("fuzz")
    folder = home / "sdk"
    folder.mkdir()
    write(folder / "CMU_MOSI_Opinion_Labels.csd", labels)
    write(folder / "CMU_MOSI_TimestampedWords.csd", words)
    path = write(folder / "CMU_MOSI_COVAREP.csd", sound)
    if cut is not None:
        whole = path.read_bytes()
        path.write_bytes(whole[: int(cut * len(whole))])
    (folder / "folds.py").write_text(FOLDS)
    try:
        origin = put(home, folder)
    except RequestError as error:
        assert "\n" not in str(error) and len(str(error)) > 20
        return
    assert origin.rows == origin.taken + len(origin.refused)
    told = " ".join(origin.refused)
    table = set(read_folder(home / "mine").ids.tolist())
    for video, parts in labels.items():
        n = (
            len(parts["intervals"])
            if "intervals" in parts and isinstance(parts.get("features"), np.ndarray)
            else 0
        )
        whole = f"{video} of CMU_MOSI_Opinion_Labels.csd" in origin.refused
        assert whole or all(
            f"{video}_{k + 1}" in table or f"{video}_{k + 1}" in told for k in range(n)
        )


@pytest.mark.skipif("MERBENCH_DATA" not in os.environ, reason="MERBENCH_DATA is not set")
def test_the_real_words_of_mosi_joined_to_its_segments(merbench, tmp_path):
    real = Path(os.environ["MERBENCH_DATA"])
    merbench("data", "add", "mosi", str(real / "mosi"), "--data", str(tmp_path), check=True)
    csd = real / "formats/CMU_MOSI_ModifiedTimestampedWords.csd"
    words = (
        "--form",
        "csd",
        "--set",
        f"segments={real / 'mosi/utterance.npz'}",
        "--set",
        "stream=text.csd",
        "--data",
        str(tmp_path),
    )
    done = merbench("data", "add", "mosi", str(csd), *words, check=True)
    assert "2,199 rows of csd = 2,199 taken over + 0 refused" in done.stderr
    corpus = read_folder(tmp_path / "mosi")
    mine, theirs = (corpus.streams[name] for name in ("text.csd", "text.words"))
    same = 0
    for row in range(len(corpus)):
        a, b = (slice(s.start[row], s.start[row] + s.length[row]) for s in (mine, theirs))
        if [mine.vocab[w] for w in mine.values[a]] == [theirs.vocab[w] for w in theirs.values[b]]:
            same += 1
            np.testing.assert_array_equal(mine.times[a], theirs.times[b])
    assert same == 2197, (
        "two words lie across the border of two segments, and were given to the other one there"
    )

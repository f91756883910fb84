"""What of computational sequences are labels, ids and splits."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from merbench.api import DataError
from merbench.data.folder.read import read_folder
from merbench_datasets.csd.rows import JoinedLabels
from merbench_datasets.csd.splits import Splits
from tests.plugins.datasets.csd.sdk_folder import FOLDS, VIDEOS, Sdk, put, rows_of


@pytest.fixture
def sdk(tmp_path):
    return Sdk(tmp_path / "sdk")


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


def test_of_intervals_that_begin_together_the_one_that_ends_there_is_joined():
    values, intervals = np.array([[1.0], [2.0]]), np.array([[0.0, 2.0], [0.0, 3.0]])
    emotions = SimpleNamespace(
        path=Path("E.csd"),
        width=1,
        steps={"v": 2},
        metadata=lambda key: ["happy"],
        read=lambda entry: (values, intervals),
    )
    joined = JoinedLabels(emotions)
    assert joined.cells("v", 0.0, 3.01) == {"happy": "2"} and [*joined.unused] == [("v", (0, 2))]
    assert joined.cells("v", 0.0, 4.0) == joined.cells("w", 0.0, 2.0) == {"happy": ""}


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


def test_emotions_in_the_order_that_the_metadata_says(sdk, tmp_path):
    names = '["sentiment", "fear", "disgust", "surprise", "anger", "sad", "happy"]'
    labels = {v: (sdk.labels[v], sdk.segments[v]) for v in VIDEOS}
    sdk.write("CMU_MOSEI_Labels", labels, metadata={"dimension names": names})
    put(tmp_path, sdk.path)
    task = read_folder(tmp_path / "mine").tasks["emotions"]
    assert task.space.words[0] == "fear"
    assert (task.target[:, 0] == np.concatenate([sdk.labels[v][:, 1] > 0 for v in VIDEOS])).all()


def test_sentiment_may_stand_anywhere(sdk, tmp_path):
    put(tmp_path, sdk.path, "first")
    names = '["Happy", "Sad", "Anger", "Surprise", "Disgust", "Fear", "Sentiment"]'
    labels = {v: (np.roll(sdk.labels[v], -1, axis=1), sdk.segments[v]) for v in VIDEOS}
    sdk.write("CMU_MOSEI_Labels", labels, metadata={"dimension names": names})
    put(tmp_path, sdk.path, "last")
    first, last = (read_folder(tmp_path / name).tasks for name in ("first", "last"))
    np.testing.assert_array_equal(first["sentiment"].target, last["sentiment"].target)
    np.testing.assert_array_equal(first["emotions"].target, last["emotions"].target)


@pytest.mark.parametrize("name", ["mode", "text", "start"])
def test_labels_in_the_place_of_another_column_are_refused(name, sdk, tmp_path):
    labels = {v: (sdk.labels[v][:, :2], sdk.segments[v]) for v in VIDEOS}
    names = f'["sentiment", "{name}"]'
    sdk.write("CMU_MOSEI_Labels", labels, metadata={"dimension names": names})
    with pytest.raises(DataError, match=f"labels of '{name}', which a table has a column"):
        put(tmp_path, sdk.path)


def test_a_label_csv_may_be_as_spreadsheets_write_it(sdk, tmp_path):
    (sdk.path / "cmu_mosei_std_folds.py").unlink()
    modes = dict(zip(VIDEOS, ("Train", "val", "TEST", "dev"), strict=True))
    lines = ["video_id;clip_id;mode", *(f"{v};{k};{modes[v]}" for v in VIDEOS for k in range(3))]
    (sdk.path / "label.csv").write_text("\n".join(lines), encoding="utf-16")
    assert put(tmp_path, sdk.path).taken == 12
    (split,) = read_folder(tmp_path / "mine").protocols["standard"].splits
    assert [len(split.train), len(split.valid), len(split.test)] == [3, 6, 3]


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
    label_by_id = dict(
        zip(corpus.ids.tolist(), corpus.tasks["sentiment"].target.tolist(), strict=True)
    )
    assert label_by_id == pytest.approx(wanted, abs=1e-6)


def test_clips_that_are_called_by_their_start_are_found_by_it(sdk, tmp_path):
    """As in MOSEI (``6_368``), where the table may have no times, or others."""
    (sdk.path / "cmu_mosei_std_folds.py").unlink()
    modes = dict(zip(VIDEOS, ("train", "valid", "test", "train"), strict=True))
    clips = [
        (v, f"{start:.3f}".replace(".", "_"), modes[v])
        for v in VIDEOS
        for start, _ in sdk.segments[v]
    ]
    for name, header, more in (("none", "", ""), ("others", ",start", ",900.5")):
        lines = [f"video_id,clip_id,mode{header}", *(",".join(clip) + more for clip in clips)]
        (sdk.path / "label.csv").write_text("\n".join(lines))
        assert put(tmp_path, sdk.path, name).taken == 12
        corpus = read_folder(tmp_path / name)
        assert corpus.ids.tolist() == [f"{v}_{clip}" for v, clip, _ in clips]
        np.testing.assert_allclose(
            corpus.tasks["sentiment"].target,
            np.concatenate([sdk.labels[v][:, 0] for v in VIDEOS]),
            atol=1e-6,
        )


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


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("folds.py", "import os\nos.mkdir('ran')\n" + FOLDS, ""),
        ("folds.py", FOLDS.replace('["b"]', "list('b')"), "no plain list of video ids"),
        ("folds.py", FOLDS.replace('["b"]', '["c"]'), "is in valid and in test"),
        ("folds.py", FOLDS.replace("test", "rest"), "no list of test videos"),
        ("folds.py", "(" * 5000, "no Python file"),
        ("label.csv", "video_id,mode\nb,test", "no column 'clip_id'"),
        ("label.csv", "video_id,clip_id,mode\nb,1,tset", "put train, valid or test"),
        ("label.csv", "video_id,clip_id,mode\nb,1,test\nb,1,dev", "'b_1' is in test and in valid"),
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


def test_a_video_called_as_a_clip_of_another_has_the_split_of_its_own_clips(tmp_path):
    (tmp_path / "label.csv").write_text("video_id,clip_id,mode\nb,1,train\nb_1,1,test\n")
    splits = Splits(tmp_path / "label.csv")
    assert splits.mode("b", "1") == ("train", "") and splits.mode("b_1", "1") == ("test", "")
    assert not splits.mode("b_1", "2")[0] and "does not say" in splits.mode("b_1", "2")[1]

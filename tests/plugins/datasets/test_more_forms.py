"""MERTools' folder, MUStARD, UR-FUNNY and MFN's files, from made-up sources to the rows of a run."""

import json
import pickle

import numpy as np
import pytest

from merbench.api import DataError, unpickle_npz
from merbench.data.folder.read import read_folder
from tests.conftest import loads


@pytest.fixture
def add_data(merbench, tmp_path):
    def call(*words, check=True):
        home = str(tmp_path / "home")
        result = merbench(
            "data", "add", "--name", "x", *map(str, words), "--data", home, "--json", check=check
        )
        return (loads(result.stdout), read_folder(tmp_path / "home/x")) if check else result

    return call


# MERTools


def mertools(folder, texts=("english", "chinese"), **corpora):
    folder.mkdir()
    np.savez_compressed(folder / "label.npz", **{f"{k}_corpus": v for k, v in corpora.items()})
    names = [name for corpus in corpora.values() for name in corpus]
    lines = [f"{name},{','.join(f'{of} {name}' for of in texts)}" for name in names]
    table = "\n".join([f"name,{','.join(texts)}", *lines])
    (folder / "transcription-engchi-polish.csv").write_text(table)
    return folder


def given(prefix, count, **more):
    return {
        f"{prefix}{k // 3:04d}_{k:04d}": {"emo": 0, "val": k % 5 / 2 - 1, **more}
        for k in range(count)
    }


def test_mertools_of_sims(add_data, tmp_path):
    corpora = {"train": given("a", 12), "val": given("b", 6), "test": given("c", 6)}
    corpora["train"]["a0000_0000"]["val"] = -10
    report, corpus = add_data(mertools(tmp_path / "sims", **corpora))
    assert (report["form"], report["taken"]) == ("mertools", 24)
    task = corpus.tasks["sentiment"]
    assert set(corpus.tasks) == {"sentiment"} and task.known.sum() == 23
    assert len(corpus.protocols["standard"].splits[0].valid) == 6
    row = corpus.ids.tolist().index("b0001_0004")
    assert task.target[row] == 4 / 2 - 1 and corpus.texts[row] == "english b0001_0004"
    assert str(corpus.streams["text.chinese"].values[row]) == "chinese b0001_0004"


def test_what_a_source_has_beside_what_is_read_is_named(add_data, tmp_path):
    corpora = {part: given(part, 6, arousal=1.0) for part in ("train", "val", "test")}
    folder = mertools(tmp_path / "mer", texts=("english", "sentence"), **corpora)
    with np.load(folder / "label.npz", allow_pickle=True) as content:
        np.savez(folder / "label.npz", **content, speakers=np.arange(3))
    (folder / "video").mkdir()
    notes = add_data(folder)[0]["notes"]
    assert [note for note in notes if note.startswith("not taken over")] == [
        "not taken over of mer: video",
        "not taken over of label.npz: speakers",
        "not taken over of the labels of label.npz: arousal",
        "not taken over of transcription-engchi-polish.csv: sentence",
    ]
    path = mustard(tmp_path / "sarcasm_data.json")
    rows = json.loads(path.read_text())
    rows["1_3"]["sarcasm_type"] = "ILL"
    path.write_text(json.dumps(rows))
    notes = add_data("--name", "m", path)[0]["notes"]
    named = "not taken over of sarcasm_data.json: context_speakers, sarcasm_type"
    assert named in notes
    folder, _ = ur_funny(tmp_path / "sdk", video=False)
    (folder / "word_embedding_list.pkl").write_bytes(pickle.dumps([1.0]))
    notes = add_data("--name", "u", folder)[0]["notes"]
    assert "not taken over of sdk: word_embedding_list.pkl" in notes
    folder, _ = mfn(tmp_path / "mfn")
    h5(folder / "facet_train.h5", np.zeros((9, 6, 3)))
    notes = add_data("--name", "f", folder)[0]["notes"]
    assert "not taken over of mfn: facet_train.h5" in notes


def test_mertools_of_mer2023_has_three_tests_and_no_validation_rows(add_data, tmp_path):
    words = ("angry", "happy", "neutral")
    corpora = {
        part: {
            f"sample_{part}{k:04d}": {
                "emo": words[k % 3],
                "val": "" if part == "test3" else k - 4.0,
            }
            for k in range(count)
        }
        for part, count in (("train", 20), ("test1", 9), ("test2", 6), ("test3", 3))
    }
    report, corpus = add_data(mertools(tmp_path / "mer", texts=("chinese",), **corpora))
    assert set(corpus.protocols) == {"standard", "test2", "test3"}
    sizes = [
        [len(part) for part in (split.train, split.valid, split.test)]
        for split in (protocol.splits[0] for protocol in corpus.protocols.values())
    ]
    assert sizes == [[16, 4, 9], [16, 4, 6], [16, 4, 3]]
    assert corpus.tasks["emotion"].space.words == words and len(set(corpus.videos)) == 38
    assert corpus.tasks["sentiment"].space.anchors[-1] == 15 and any(
        "-15, 15" in n for n in report["notes"]
    )


def test_mertools_of_iemocap_is_divided_by_session(add_data, tmp_path):
    by_session = {
        f"Ses0{s}F_impro0{d}_F{k:03d}": {"emo": ("ang", "sad")[k % 2], "val": -10}
        for s in (1, 2, 3)
        for d in (1, 2)
        for k in range(3)
    }
    _, corpus = add_data(mertools(tmp_path / "iemocap", whole=by_session))
    splits = corpus.protocols["folds"].splits
    assert [set(corpus.groups["session"][split.test]) for split in splits] == [
        {f"Ses0{s}"} for s in (1, 2, 3)
    ]
    assert "Ses01F_impro02" in corpus.videos and set(corpus.tasks) == {"emotion"}


def with_features(folder, count=12):
    """Audio an utterance, video a folder of frames, and an extractor that nobody knows."""
    corpora = {"train": given("a", count), "val": given("b", 6), "test": given("c", 6)}
    mertools(folder, **corpora)
    for name in ("chinese-hubert-large-UTT", "clip-vit-large-patch14-FRA", "extractor-7"):
        (folder / "features" / name).mkdir(parents=True)
    for row, name in enumerate(name for corpus in corpora.values() for name in corpus):
        audio, video, other = sorted((folder / "features").iterdir())
        if row != 3:
            np.save(audio / f"{name}.npy", np.full((1, 4), row, np.float16))
        (video / name).mkdir()
        for frame in range(1 + row % 2):
            np.save(video / name / f"{frame:04d}.npy", np.full(5, row + frame / 10, np.float32))
        np.save(other / f"{name}.npy", np.full((2, 3), row))
    return folder


def test_mertools_feature_files_are_streams(add_data, tmp_path):
    folder = with_features(tmp_path / "sims")
    report, corpus = add_data(folder)
    audio, video = "audio.chinese-hubert-large-utt", "video.clip-vit-large-patch14-fra"
    assert {name for name in corpus.streams if not name.startswith("text")} == {audio, video}
    (note,) = [note for note in report["notes"] if "extractor-7" in note]
    assert "--set audio=extractor-7" in note
    offered = corpus.protocols["standard"].streams
    assert offered == ("text.transcript", audio, video)
    ids = corpus.ids.tolist()
    values, start = corpus.streams[video].values, corpus.streams[video].start
    row = ids.index("a0001_0005")
    assert corpus.streams[video].length[row] == 2
    np.testing.assert_allclose(values[start[row] : start[row] + 2, 0], [5, 5.1], rtol=1e-6)
    assert corpus.streams[audio].length[ids.index("a0001_0003")] == 0
    assert corpus.streams[audio].values.shape[1] == 4 and report["taken"] == 24


def test_mertools_feature_files_are_of_the_modality_that_is_asked_for(add_data, tmp_path):
    folder = with_features(tmp_path / "sims")
    (folder / "transcription-engchi-polish.csv").unlink()
    form = ("--form", "mertools", "--set")
    _, corpus = add_data(folder, *form, "text=extractor-7")
    assert corpus.protocols["standard"].streams[0] == "audio.chinese-hubert-large-utt"
    assert corpus.streams["text.extractor-7"].values.shape[1] == 3
    done = add_data(folder, *form, "text=hubert", check=False)
    assert done.returncode == 2 and "has no folder 'hubert'; it has chinese" in done.stderr


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((1, 5)), "is 5 wide where others are 4"),
        (np.zeros((2, 3, 4)), "not [steps, width]"),
        (np.zeros(0), "holds no array of numbers"),
        (np.array([{}]), "cannot be read as .npy"),
    ],
)
def test_a_feature_file_that_cannot_be_read_is_one_sentence(add_data, tmp_path, array, sentence):
    folder = with_features(tmp_path / "sims")
    path = folder / "features" / "chinese-hubert-large-UTT" / "b0001_0004.npy"
    np.save(path, array)
    done = add_data(folder, check=False)
    assert done.returncode == 2 and sentence in done.stderr and "b0001_0004" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("train", "sentence"),
    [
        ({"../../x": {"emo": 0, "val": 1}}, "a name is none of an utterance"),
        ({("a", "b"): {"emo": 0, "val": 1}}, "uses a tuple as the key"),
        ({"a": {"emo": 10**400, "val": 1}}, "an emo is a int"),
        ({"a": {"emo": 0, "val": 10**400}}, "the val of a int is no number"),
        ({"a": {"emo": 0, "val": ((), 1)}}, "the val of a tuple is no number"),
        ({"a": {"emo": 0, "val": "x"}}, "the val 'x' is no number"),
        ({"a": 3}, "no mapping of names"),
    ],
)
def test_labels_that_mertools_never_wrote_are_one_sentence(add_data, tmp_path, train, sentence):
    folder = mertools(tmp_path / "odd", test=given("c", 6))
    corpora = {"train_corpus": train, "test_corpus": given("c", 6)}
    np.savez_compressed(folder / "label.npz", **corpora)
    done = add_data(folder, check=False)
    assert done.returncode == 2 and sentence in done.stderr


def test_two_files_of_labels_are_asked_about_and_one_may_be_given(add_data, tmp_path):
    folder = mertools(
        tmp_path / "iemocap", train=given("a", 9), val=given("b", 3), test=given("c", 3)
    )
    (folder / "label_6way.npz").write_bytes((folder / "label.npz").read_bytes())
    done = add_data(folder, check=False)
    assert done.returncode == 2
    assert "several files of labels (label.npz, label_6way.npz)" in done.stderr
    report, _ = add_data(folder / "label_6way.npz")
    assert report["taken"] == 15


class Evil:
    def __reduce__(self):
        return print, ("this must not run",)


def test_objects_of_an_npz_are_read_and_foreign_ones_refused(add_data, tmp_path, capsys):
    path = tmp_path / "label.npz"
    np.savez(path, a=np.arange(3), b={"x": [1, "y"]}, c=np.array(["so", None], dtype=object))
    loaded = unpickle_npz(path)
    assert loaded["a"].tolist() == [0, 1, 2] and loaded["b"] == {"x": [1, "y"]}
    assert [loaded["c"][0], loaded["c"][1]] == ["so", None]
    np.savez(path, train_corpus={"x": Evil()})
    with pytest.raises(DataError, match=r"label.npz .*builtins.print.*not loaded"):
        unpickle_npz(path)
    done = add_data(path, check=False)
    assert done.returncode == 2 and "must not run" not in done.stdout + capsys.readouterr().out
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="cannot be read as"):
        unpickle_npz(path)


# MUStARD


def mustard(path, count=40):
    """Two rows a scene: the second has the utterance of the first in its context."""
    rows = {}
    for k in range(count):
        before = [f"this was said before in row {k - 1}"] if k % 2 else []
        rows[f"1_{k}"] = {
            "utterance": f"this was said before in row {k}",
            "speaker": ("ANN", "BOB")[k % 2],
            "context": ["What?", *before],
            "context_speakers": ["BOB"] * (1 + len(before)),
            "show": ("BBT", "FRIENDS", "GOLDENGIRLS")[k // 2 % 3],
            "sarcasm": k % 3 == 0,
        }
    path.write_text(json.dumps(rows))
    return path


def test_mustard_keeps_scenes_whole(add_data, tmp_path):
    _, corpus = add_data(mustard(tmp_path / "sarcasm_data.json"))
    assert len(set(corpus.videos)) == 20 and set(corpus.groups) == {"speaker", "show"}
    assert len(corpus.protocols["folds"].splits) == 5
    assert not any("protocol folds" in note for note in corpus.notes)
    split = corpus.protocols["speaker-independent"].splits[0]
    assert set(corpus.groups["show"][split.test]) == {"FRIENDS"}
    row = corpus.ids.tolist().index("scene-1_2_1_3")
    assert str(corpus.streams["text.context"].values[row]) == "What? this was said before in row 2"
    assert corpus.tasks["sarcasm"].space.words == ("sincere", "sarcastic")
    assert corpus.tasks["sarcasm"].target[row] == 1


def test_mustards_published_folds_are_read_and_known_to_part_scenes(add_data, tmp_path):
    folder = tmp_path / "MUStARD"
    folder.mkdir()
    path = mustard(folder / "sarcasm_data.json")
    test_of = [np.flatnonzero(np.arange(40) % 4 == fold) for fold in range(4)]
    pairs = [(np.setdiff1d(np.arange(40), test), test) for test in test_of]
    (folder / "split_indices.p").write_bytes(pickle.dumps(pairs, protocol=2))
    report, corpus = add_data(folder)
    assert report["taken"] == 40
    splits = corpus.protocols["published-folds"].splits
    assert sorted(corpus.ids[splits[1].test].tolist())[:1] == ["scene-1_0_1_1"]
    assert any("published-folds: 40 rows belong to 20 video" in note for note in corpus.notes)
    (folder / "split_indices.p").write_bytes(pickle.dumps(pairs[:3], protocol=2))
    done = add_data("--name", "y", path, check=False)
    assert done.returncode == 2 and "does not test each of the 40 rows once" in done.stderr


# UR-FUNNY


def ur_funny(folder, video=True):
    folder.mkdir()
    ids = list(range(30))
    rng = np.random.default_rng(0)
    parts = {
        "data_folds": {"train": ids[:20], "dev": ids[20:25], "test": ids[25:]},
        "humor_label_sdk": {k: k % 2 for k in ids},
        "language_sdk": {
            k: {
                "punchline_sentence": f"row {k} is so funny",
                "context_sentences": [f"before {k}", "and then"],
                "punchline_intervals": [[i, i + 1] for i in range(5)],
            }
            for k in ids
        },
        "covarep_features_sdk": {
            k: {"punchline_features": rng.normal(size=(5, 81)).tolist()} for k in ids
        },
    }
    if video:
        parts["openface_features_sdk"] = {
            k: {"punchline_features": [rng.normal(size=371) for _ in range(5)]} for k in ids
        }
    for name, value in parts.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(value))
    return folder, parts


def test_ur_funny(add_data, tmp_path):
    folder, parts = ur_funny(tmp_path / "sdk")
    _, corpus = add_data(folder)
    row = corpus.ids.tolist().index("21_0")
    for name, key in (
        ("audio.covarep", "covarep_features_sdk"),
        ("video.openface", "openface_features_sdk"),
    ):
        stream = corpus.streams[name]
        actual = stream.values[stream.start[row] : stream.start[row] + stream.length[row]]
        np.testing.assert_allclose(
            actual, np.array(parts[key][21]["punchline_features"]), rtol=1e-6
        )
    words = corpus.streams["text.words"]
    at = slice(words.start[row], words.start[row] + words.length[row])
    assert [words.vocab[i] for i in words.values[at]] == ["row", "21", "is", "so", "funny"]
    assert words.times[at].tolist() == [[i, i + 1] for i in range(5)]
    assert str(corpus.streams["text.context"].values[row]) == "before 21 and then"
    assert corpus.tasks["humor"].target[row] == 1
    assert len(corpus.protocols["standard"].splits[0].valid) == 5


def test_ur_funny_without_a_file_of_features_says_so(add_data, tmp_path):
    report, corpus = add_data(ur_funny(tmp_path / "sdk", video=False)[0])
    assert "video.openface" not in corpus.streams
    assert any("openface_features_sdk.pkl is not there" in note for note in report["notes"])


# MFN


def h5(path, array, name="data"):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file[name] = array


def mfn(folder, widths=(300, 5, 20), labels=1):
    folder.mkdir()
    rng, blocks = np.random.default_rng(0), {}
    for split, count in (("train", 9), ("valid", 4), ("test", 5)):
        x = rng.normal(size=(count, 6, sum(widths)))
        x[:, :2] = 0
        blocks[split] = x
        h5(folder / f"X_{split}.h5", x)
        h5(folder / f"y_{split}.h5", np.tile(np.linspace(-3, 3, count)[:, None], labels))
    return folder, blocks


def test_mfn_side_by_side(add_data, tmp_path):
    folder, blocks = mfn(tmp_path / "mosi")
    _, corpus = add_data(folder)
    row = corpus.ids.tolist().index("valid00002_0")
    for name, columns in (
        ("text.mfn", slice(0, 300)),
        ("audio.mfn", slice(300, 305)),
        ("video.mfn", slice(305, 325)),
    ):
        stream = corpus.streams[name]
        actual = stream.values[stream.start[row] : stream.start[row] + stream.length[row]]
        np.testing.assert_allclose(actual, blocks["valid"][2, 2:, columns], rtol=1e-6)
    assert corpus.tasks["sentiment"].target[row] == pytest.approx(1.0)
    assert len(corpus.protocols["standard"].splits[0].test) == 5


def test_mfn_asks_for_widths_and_for_a_label(add_data, tmp_path):
    folder, _ = mfn(tmp_path / "other", widths=(3, 2, 1), labels=2)
    done = add_data(folder, check=False)
    assert done.returncode == 2 and "2 labels a row" in done.stderr
    options = ("--form", "mfn-h5", "--set", "label=1")
    done = add_data(folder, *options, check=False)
    assert done.returncode == 2 and "6 wide" in done.stderr
    _, corpus = add_data(folder, *options, "--set", "widths=[3,2,1]")
    assert [corpus.streams[f"{m}.mfn"].spec.width for m in ("text", "audio", "video")] == [3, 2, 1]


def test_mfn_apart(add_data, tmp_path):
    folder, _ = mfn(tmp_path / "pom")
    for split, count in (("train", 9), ("valid", 4), ("test", 5)):
        (folder / f"X_{split}.h5").unlink()
        h5(folder / f"audio_{split}.h5", np.ones((count, 3, 2)), "d1")
    _, corpus = add_data(folder)
    assert set(corpus.streams) == {"audio.mfn"}
    h5(folder / "audio_test.h5", np.ones((4, 3, 2)))
    done = add_data("--name", "y", folder, check=False)
    assert done.returncode == 2 and "has 4 rows of audio, and its labels 5" in done.stderr

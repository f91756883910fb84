"""MERTools' folders, from made-up sources to the rows of a run."""

import numpy as np
import pytest

from merbench.api import DataError, unpickle_npz


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


def test_mertools_of_sims(add_and_read, tmp_path):
    corpora = {"train": given("a", 12), "val": given("b", 6), "test": given("c", 6)}
    corpora["train"]["a0000_0000"]["val"] = -10
    report, corpus = add_and_read(mertools(tmp_path / "sims", **corpora))
    assert (report["form"], report["taken"]) == ("mertools", 24)
    task = corpus.tasks["sentiment"]
    assert set(corpus.tasks) == {"sentiment"} and task.known.sum() == 23
    assert len(corpus.protocols["standard"].splits[0].valid) == 6
    row = corpus.ids.tolist().index("b0001_0004")
    assert task.target[row] == 4 / 2 - 1 and corpus.texts[row] == "english b0001_0004"
    assert str(corpus.streams["text.chinese"].values[row]) == "chinese b0001_0004"


def test_what_a_source_has_beside_what_is_read_is_named(add_and_read, tmp_path):
    corpora = {part: given(part, 6, arousal=1.0) for part in ("train", "val", "test")}
    folder = mertools(tmp_path / "mer", texts=("english", "sentence"), **corpora)
    with np.load(folder / "label.npz", allow_pickle=True) as content:
        np.savez(folder / "label.npz", **content, speakers=np.arange(3))
    (folder / "video").mkdir()
    notes = add_and_read(folder)[0]["notes"]
    assert [note for note in notes if note.startswith("not taken over")] == [
        "not taken over of mer: video",
        "not taken over of label.npz: speakers",
        "not taken over of the labels of label.npz: arousal",
        "not taken over of transcription-engchi-polish.csv: sentence",
    ]


def test_texts_that_differ_between_files_are_told(add_and_read, tmp_path):
    folder = mertools(
        tmp_path / "sims", train=given("a", 12), val=given("b", 6), test=given("c", 6)
    )
    name = "a0001_0004"
    (folder / "transcription.csv").write_text(f"name,english\n{name},raw\na0000_0000,\nx,y\n")
    report, corpus = add_and_read(folder)
    (note,) = [note for note in report["notes"] if "otherwise" in note]
    assert note.startswith("transcription.csv is taken for 1 text (english) that another")
    assert f"that of {name};" in note
    assert corpus.texts[corpus.ids.tolist().index(name)] == "raw"
    assert corpus.texts[corpus.ids.tolist().index("a0000_0000")] == "english a0000_0000"


def test_two_texts_of_one_row_are_refused(add_and_read, tmp_path):
    folder = mertools(
        tmp_path / "sims", train=given("a", 12), val=given("b", 6), test=given("c", 6)
    )
    path = folder / "transcription-engchi-polish.csv"
    lines = path.read_text()
    path.write_text(f"{lines}\nnobody,x,x\nnobody,y,y\n{lines.splitlines()[1]}")
    add_and_read(folder)
    path.write_text(f"{lines}\na0000_0000,x,x")
    done = add_and_read(folder, check=False)
    assert done.returncode == 2
    assert f"{path} has two texts of 'a0000_0000' (english); keep one" in done.stderr


def test_mertools_of_mer2023_has_three_tests_and_no_validation_rows(add_and_read, tmp_path):
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
    report, corpus = add_and_read(mertools(tmp_path / "mer", texts=("chinese",), **corpora))
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


def test_mertools_of_iemocap_is_divided_by_session(add_and_read, tmp_path):
    by_session = {
        f"Ses0{s}F_impro0{d}_F{k:03d}": {"emo": ("ang", "sad")[k % 2], "val": -10}
        for s in (1, 2, 3)
        for d in (1, 2)
        for k in range(3)
    }
    _, corpus = add_and_read(mertools(tmp_path / "iemocap", whole=by_session))
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


def test_mertools_feature_files_are_streams(add_and_read, tmp_path):
    folder = with_features(tmp_path / "sims")
    report, corpus = add_and_read(folder)
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


def test_frames_are_in_the_order_of_their_numbers_and_a_file_of_none_is_a_row_without(
    add_and_read, tmp_path
):
    folder = with_features(tmp_path / "sims")
    audio, video, _ = sorted((folder / "features").iterdir())
    (video / "a0000_0000" / "0000.npy").unlink()
    for frame in (1, 2, 10):
        np.save(video / "a0000_0000" / f"{frame}.npy", np.full(5, 100 + frame, np.float32))
    np.save(audio / "a0000_0000.npy", np.zeros((0, 4), np.float32))
    _, corpus = add_and_read(folder)
    row = corpus.ids.tolist().index("a0000_0000")
    heard, seen = (
        corpus.streams[f"audio.{audio.name.lower()}"],
        corpus.streams[f"video.{video.name.lower()}"],
    )
    values = seen.values[seen.start[row] : seen.start[row] + seen.length[row], 0]
    assert values.tolist() == [101, 102, 110] and heard.length[row] == 0


def test_folders_of_frames_that_are_all_empty_are_one_sentence(add_and_read, tmp_path):
    folder = with_features(tmp_path / "sims")
    _, video, _ = sorted((folder / "features").iterdir())
    for frame in video.rglob("*.npy"):
        frame.unlink()
    done = add_and_read(folder, check=False)
    assert done.returncode == 2 and "no .npy in any; extract it again" in done.stderr


def test_mertools_feature_files_are_of_the_modality_that_is_asked_for(add_and_read, tmp_path):
    folder = with_features(tmp_path / "sims")
    (folder / "transcription-engchi-polish.csv").unlink()
    form = ("--form", "mertools", "--set")
    _, corpus = add_and_read(folder, *form, "text=extractor-7")
    assert corpus.protocols["standard"].streams[0] == "audio.chinese-hubert-large-utt"
    assert corpus.streams["text.extractor-7"].values.shape[1] == 3
    done = add_and_read(folder, *form, "text=hubert", check=False)
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
def test_a_feature_file_that_cannot_be_read_is_one_sentence(
    add_and_read, tmp_path, array, sentence
):
    folder = with_features(tmp_path / "sims")
    path = folder / "features" / "chinese-hubert-large-UTT" / "b0001_0004.npy"
    np.save(path, array)
    done = add_and_read(folder, check=False)
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
        ({"a": {"emo": 0, "val": "1_0"}}, "the val '1_0' is no number"),
        ({"a": 3}, "no mapping of names"),
    ],
)
def test_labels_that_mertools_never_wrote_are_one_sentence(add_and_read, tmp_path, train, sentence):
    folder = mertools(tmp_path / "odd", test=given("c", 6))
    corpora = {"train_corpus": train, "test_corpus": given("c", 6)}
    np.savez_compressed(folder / "label.npz", **corpora)
    done = add_and_read(folder, check=False)
    assert done.returncode == 2 and sentence in done.stderr


def test_two_files_of_labels_are_asked_about_and_one_may_be_given(add_and_read, tmp_path):
    folder = mertools(
        tmp_path / "iemocap", train=given("a", 9), val=given("b", 3), test=given("c", 3)
    )
    (folder / "label_6way.npz").write_bytes((folder / "label.npz").read_bytes())
    done = add_and_read(folder, check=False)
    assert done.returncode == 2
    assert "several files of labels (label.npz, label_6way.npz)" in done.stderr
    report, _ = add_and_read(folder / "label_6way.npz")
    assert report["taken"] == 15


class Evil:
    def __reduce__(self):
        return print, ("this must not run",)


def test_objects_of_an_npz_are_read_and_foreign_ones_refused(add_and_read, tmp_path, capsys):
    path = tmp_path / "label.npz"
    np.savez(path, a=np.arange(3), b={"x": [1, "y"]}, c=np.array(["so", None], dtype=object))
    loaded = unpickle_npz(path)
    assert loaded["a"].tolist() == [0, 1, 2] and loaded["b"] == {"x": [1, "y"]}
    assert [loaded["c"][0], loaded["c"][1]] == ["so", None]
    np.savez(path, train_corpus={"x": Evil()})
    with pytest.raises(DataError, match=r"label.npz .*builtins.print.*not loaded"):
        unpickle_npz(path)
    done = add_and_read(path, check=False)
    assert done.returncode == 2 and "must not run" not in done.stdout + capsys.readouterr().out
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="cannot be read as"):
        unpickle_npz(path)

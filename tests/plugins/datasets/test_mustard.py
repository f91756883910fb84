"""MUStARD's folder, from a made-up one to the rows of a run."""

import json
import pickle

import numpy as np

from merbench_datasets.mustard import _scenes


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


def test_mustard_keeps_scenes_whole(add_and_read, tmp_path):
    _, corpus = add_and_read(mustard(tmp_path / "sarcasm_data.json"))
    assert len(set(corpus.videos)) == 20 and set(corpus.groups) == {"speaker", "show"}
    assert len(corpus.protocols["folds"].splits) == 5
    assert not any("protocol folds" in note for note in corpus.notes)
    split = corpus.protocols["speaker-independent"].splits[0]
    assert set(corpus.groups["show"][split.test]) == {"FRIENDS"}
    row = corpus.ids.tolist().index("scene-1_2_1_3")
    assert str(corpus.streams["text.context"].values[row]) == "What? this was said before in row 2"
    assert corpus.tasks["sarcasm"].space.words == ("sincere", "sarcastic")
    assert corpus.tasks["sarcasm"].target[row] == 1


def test_rows_are_one_scene_also_by_way_of_a_third_and_never_of_two_shows():
    one, two = "this is what was said", "and this was the answer"
    rows = {
        name: {"utterance": texts[0], "context": [*texts[1:]], "show": show}
        for name, texts, show in (
            ("a", (one, "What?"), "BBT"),
            ("b", (two,), "BBT"),
            ("c", (one.upper(), two), "BBT"),
            ("d", (one,), "FRIENDS"),
            ("e", ("something else was said here", "What?"), "BBT"),
        )
    }
    a, b, c, d, e = _scenes(rows)
    assert a == b == c and len({a, d, e}) == 3


def test_mustards_published_folds_are_read_and_known_to_part_scenes(add_and_read, tmp_path):
    folder = tmp_path / "MUStARD"
    folder.mkdir()
    path = mustard(folder / "sarcasm_data.json")
    test_of = [np.flatnonzero(np.arange(40) % 4 == fold) for fold in range(4)]
    pairs = [(np.setdiff1d(np.arange(40), test), test) for test in test_of]
    (folder / "split_indices.p").write_bytes(pickle.dumps(pairs, protocol=2))
    report, corpus = add_and_read(folder)
    assert report["taken"] == 40
    splits = corpus.protocols["published-folds"].splits
    assert sorted(corpus.ids[splits[1].test].tolist())[:1] == ["scene-1_0_1_1"]
    assert any("published-folds: 40 rows belong to 20 video" in note for note in corpus.notes)
    (folder / "split_indices.p").write_bytes(pickle.dumps(pairs[:3], protocol=2))
    done = add_and_read("--name", "y", path, check=False)
    assert done.returncode == 2 and "does not test each of the 40 rows once" in done.stderr


def test_what_a_source_has_beside_what_is_read_is_named(add_and_read, tmp_path):
    path = mustard(tmp_path / "sarcasm_data.json")
    rows = json.loads(path.read_text())
    rows["1_3"]["sarcasm_type"] = "ILL"
    path.write_text(json.dumps(rows))
    named = "not taken over of sarcasm_data.json: context_speakers, sarcasm_type"
    assert named in add_and_read(path)[0]["notes"]


def test_an_id_that_stands_twice_is_refused(add_and_read, tmp_path):
    path = mustard(tmp_path / "sarcasm_data.json")
    path.write_text(path.read_text().replace('"1_3":', '"1_2":'))
    done = add_and_read(path, check=False)
    assert done.returncode == 2 and f"{path} has '1_2' twice; keep one" in done.stderr

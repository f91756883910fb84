"""UR-FUNNY's pickles, from made-up ones to the rows of a run."""

import pickle

import numpy as np


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


def test_ur_funny(add_and_read, tmp_path):
    folder, parts = ur_funny(tmp_path / "sdk")
    report, corpus = add_and_read(folder)
    assert not any("punchline_intervals" in note for note in report["notes"])
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


def test_ur_funny_without_a_file_of_features_says_so(add_and_read, tmp_path):
    report, corpus = add_and_read(ur_funny(tmp_path / "sdk", video=False)[0])
    assert "video.openface" not in corpus.streams
    assert any("openface_features_sdk.pkl is not there" in note for note in report["notes"])


def test_what_a_source_has_beside_what_is_read_is_named(add_and_read, tmp_path):
    folder, _ = ur_funny(tmp_path / "sdk", video=False)
    (folder / "word_embedding_list.pkl").write_bytes(pickle.dumps([1.0]))
    notes = add_and_read(folder)[0]["notes"]
    assert "not taken over of sdk: word_embedding_list.pkl" in notes


def test_words_whose_times_do_not_fit_are_told(add_and_read, tmp_path):
    folder, parts = ur_funny(tmp_path / "sdk", video=False)
    language = parts["language_sdk"]
    language[3]["punchline_intervals"] = [[0, 1]]
    (folder / "language_sdk.pkl").write_bytes(pickle.dumps(language))
    report, corpus = add_and_read(folder)
    assert corpus.streams["text.words"].times is None
    assert any("1 of 30 rows have not one of punchline_intervals" in n for n in report["notes"])


def test_an_id_in_two_splits_is_refused(add_and_read, tmp_path):
    folder, parts = ur_funny(tmp_path / "sdk", video=False)
    parts["data_folds"]["test"].append(3)
    (folder / "data_folds.pkl").write_bytes(pickle.dumps(parts["data_folds"]))
    done = add_and_read(folder, check=False)
    assert done.returncode == 2
    assert "data_folds.pkl: the id 3 is in train and in test; take it out of one" in done.stderr

"""MFN's HDF5 files, from made-up ones to the rows of a run."""

import numpy as np
import pytest


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


def test_mfn_side_by_side(add_and_read, tmp_path):
    folder, blocks = mfn(tmp_path / "mosi")
    _, corpus = add_and_read(folder)
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


def test_mfn_asks_for_widths_and_for_a_label(add_and_read, tmp_path):
    folder, _ = mfn(tmp_path / "other", widths=(3, 2, 1), labels=2)
    done = add_and_read(folder, check=False)
    assert done.returncode == 2 and "2 labels a row" in done.stderr
    options = ("--form", "mfn-h5", "--set", "label=1")
    done = add_and_read(folder, *options, check=False)
    assert done.returncode == 2 and "6 wide" in done.stderr
    _, corpus = add_and_read(folder, *options, "--set", "widths=[3,2,1]")
    assert [corpus.streams[f"{m}.mfn"].spec.width for m in ("text", "audio", "video")] == [3, 2, 1]


def test_mfn_apart(add_and_read, tmp_path):
    folder, _ = mfn(tmp_path / "pom")
    for split, count in (("train", 9), ("valid", 4), ("test", 5)):
        (folder / f"X_{split}.h5").unlink()
        h5(folder / f"audio_{split}.h5", np.ones((count, 3, 2)), "d1")
    _, corpus = add_and_read(folder)
    assert set(corpus.streams) == {"audio.mfn"}
    h5(folder / "audio_test.h5", np.ones((4, 3, 2)))
    done = add_and_read("--name", "y", folder, check=False)
    assert done.returncode == 2 and "has 4 rows of audio, and its labels 5" in done.stderr


def test_what_a_source_has_beside_what_is_read_is_named(add_and_read, tmp_path):
    folder, _ = mfn(tmp_path / "mfn")
    h5(folder / "facet_train.h5", np.zeros((9, 6, 3)))
    assert "not taken over of mfn: facet_train.h5" in add_and_read(folder)[0]["notes"]


@pytest.mark.parametrize("apart", [True, False])
def test_files_of_other_widths_are_of_another_set(add_and_read, tmp_path, apart):
    folder, blocks = mfn(tmp_path / "mosi")
    for split in blocks if apart else ():
        (folder / f"X_{split}.h5").unlink()
        h5(folder / f"audio_{split}.h5", blocks[split])
    name = "audio_valid.h5" if apart else "X_valid.h5"
    h5(folder / name, np.ones((4, 6, 384)))
    done = add_and_read(folder, check=False)
    assert done.returncode == 2 and f"{name} is 384 wide" in done.stderr


def test_widths_are_whole_numbers_from_1(add_and_read, tmp_path):
    folder, _ = mfn(tmp_path / "mosi")
    words = ("--form", "mfn-h5", "--set", "widths=[400,-100,25]")
    done = add_and_read(folder, *words, check=False)
    assert done.returncode == 2 and "does not fit form mfn-h5" in done.stderr


def test_a_split_without_rows_is_one_sentence(add_and_read, tmp_path):
    folder, _ = mfn(tmp_path / "mosi")
    h5(folder / "X_valid.h5", np.zeros((0, 6, 325)))
    h5(folder / "y_valid.h5", np.zeros((0, 1)))
    done = add_and_read(folder, check=False)
    assert done.returncode == 2 and "no row is in valid" in done.stderr

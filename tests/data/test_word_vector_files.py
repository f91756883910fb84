from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest

from merbench.api import DataError, RequestError
from merbench.data.word_vector_files import offered_vectors, open_lexicon, read_vectors

TEXT = "the 1 2 3\ngood 4 5 6\nThe 7 8 9\nat home 0.5 -1e-1 2\n"
WORDS = ("the", "good", "at home")
MATRIX = [[1, 2, 3], [4, 5, 6], [0.5, -0.1, 2]]


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home/vectors"
    folder.mkdir(parents=True)
    (folder / "b.txt").write_text(TEXT)
    np.savez(
        folder / "a.6B.npz",
        word=np.array(["bad", "GOOD", "good"]),
        vector=np.array([[1, 0], [0, 1], [5, 5]], dtype=np.float16),
    )
    (folder / "README.md").write_text("not vectors")
    return tmp_path / "home"


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "4 3\n" + TEXT,
        TEXT.replace("\n", " \r\n"),
        TEXT.replace(" ", "\t").replace("at\t", "at "),
        "\n" + TEXT,
        "\ufeff" + TEXT,
    ],
)
def test_text_form(tmp_path, text):
    file = tmp_path / "glove.3d.txt"
    file.write_bytes(text.encode())
    vectors = read_vectors(file)
    assert vectors.words == WORDS and vectors.name == "glove.3d"
    assert vectors.matrix.dtype == np.float32
    np.testing.assert_allclose(vectors.matrix, MATRIX, rtol=1e-6)
    assert vectors.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_npz_form(home):
    file = home / "vectors/a.6B.npz"
    vectors = read_vectors(file)
    assert vectors.words == ("bad", "good") and vectors.name == "a.6B"
    assert vectors.matrix.dtype == np.float32 and vectors.matrix.tolist() == [[1, 0], [0, 1]]
    assert vectors.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "data, says",
    [
        (b"the 1 2\ngood 3\n", ["line 2", "2 numbers"]),
        (b"the 1 2\ngood 3 x\n", ["line 2"]),
        (b"the 1 2\ngood 3 nan\n", ["line 2", "'good'", "not finite"]),
        (b"the 1 2\ngood 3 1e39\n", ["line 2", "not finite"]),
        (b"the 1 2\n\xff\xfe 3 4\n", ["line 2", "UTF-8"]),
        (b"the\n", ["line 1"]),
        (b"3 2\nthe 1 2\ngood 3 4\n", ["promises 3", "holds 2"]),
        (b"3 0\nthe\n", ["line 2"]),
        (b"", ["holds no vector"]),
        (b"2 3\n", ["holds no vector"]),
    ],
)
def test_bad_text(tmp_path, data, says):
    file = tmp_path / "v.txt"
    file.write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_vectors(file)
    for part in ("v.txt", *says):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "arrays, says",
    [
        ({"word": np.array(["a"]), "vectors": np.ones((1, 2))}, "did you mean 'vectors'"),
        ({"word": np.array(["a", "b"]), "vector": np.ones((1, 2))}, "1 entries and needs 2"),
        ({"word": np.array(["a"]), "vector": np.ones(1)}, "shape (1,)"),
        ({"word": np.array(["a"], dtype=object), "vector": np.ones((1, 2))}, "pickled"),
        ({"word": np.array(["a"]), "vector": np.full((1, 2), np.inf)}, "'a' is not finite"),
        ({"word": np.array([], dtype="U1"), "vector": np.ones((0, 2))}, "holds no vector"),
    ],
)
def test_bad_npz(tmp_path, arrays, says):
    file = tmp_path / "v.npz"
    np.savez(file, **arrays)
    with pytest.raises(DataError) as caught:
        read_vectors(file)
    assert says in str(caught.value) and str(file) in str(caught.value)


def test_a_pipe_is_no_file_of_vectors(home):
    os.mkfifo(home / "vectors/c.txt")
    assert [path.name for path in offered_vectors([home])] == ["a.6B.npz", "b.txt"]


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"none\.txt"):
        read_vectors(tmp_path / "none.txt")


def test_offered_are_those_of_the_first_home_that_has_any(home, tmp_path):
    assert [p.name for p in offered_vectors([tmp_path / "nowhere", tmp_path, home])] == [
        "a.6B.npz",
        "b.txt",
    ]
    assert offered_vectors([tmp_path]) == []


def test_lexicon_side_by_side(home, tmp_path):
    lexicon = open_lexicon((), [home])
    assert [f.name for f in lexicon.files] == ["a.6B", "b"] and lexicon.width == 5
    table, known = lexicon.table(["good", "the", "nope"])
    a, b = lexicon.files
    good = [*a.scaled[a.index["good"]], *b.scaled[b.index["good"]]]
    np.testing.assert_allclose(table, [good, [0, 0, *b.scaled[b.index["the"]]], [0] * 5])
    assert known.tolist() == [True, True, False]
    assert open_lexicon((), [tmp_path]) is None


def test_lexicon_by_name_or_path_in_the_order_of_names(home, tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("x 1\n")
    lexicon = open_lexicon(("b", str(own), "a.6B.npz", "b.txt"), [home])
    assert [f.name for f in lexicon.files] == ["a.6B", "b", "own"]


def test_two_files_of_one_name_are_refused(home, tmp_path):
    (tmp_path / "b.vec").write_text("x 1\n")
    with pytest.raises(RequestError, match=r"are both called 'b'.*; rename one"):
        open_lexicon(("b", "a.6B", str(tmp_path / "b.vec")), [home])


def test_unknown_name(home):
    with pytest.raises(RequestError) as caught:
        open_lexicon(("a.6b",), [home])
    assert (
        "'a.6b'" in str(caught.value)
        and "did you mean 'a.6B'?" in str(caught.value)
        and str(home) in str(caught.value)
    )
    with pytest.raises(RequestError, match=r"there are: a\.6B, b"):
        open_lexicon(("zzzz",), [home])

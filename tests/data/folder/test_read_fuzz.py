"""Whatever lies in a feature folder, reading it gives a Corpus or a DataError."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from merbench.api import Corpus, DataError
from merbench.data.folder.read import read_folder

# Never anything but a Corpus or a DataError.

FUZZ = settings(max_examples=120)


CELL = st.one_of(
    st.sampled_from(
        [
            "",
            "nan",
            "1e400",
            "-0",
            "train",
            "valid",
            "test",
            "a",
            "1",
            "0",
            '"',
            "\r",
            "\ufeff",
            "x" * 300,
        ]
    ),
    st.text(max_size=6),
)


NAME = st.sampled_from(
    ["label", "text", "mode", "score", "class", "..", "arrays.npz", "one", "block", "words.npz"]
)


KEY = st.sampled_from(["kind", "file", "array", "column", "values", "low", "a"])


VALUE = st.recursive(
    st.one_of(NAME, st.text(max_size=5), st.integers(), st.floats(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEY, inner, max_size=3)),
    max_leaves=6,
)


def toml_of(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in value)
        return f'"{escaped}"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml_of, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {toml_of(v)}" for k, v in value.items()) + "}"
    return repr(value)


@pytest.fixture(scope="module")
def shared(tmp_path_factory, make_folder):
    return make_folder(tmp_path_factory.mktemp("fuzz"))


def reads(folder) -> None:
    try:
        corpus = read_folder(folder.path)
    except DataError as error:
        assert str(folder.path) in str(error)
    else:
        assert isinstance(corpus, Corpus)
        for task in corpus.tasks.values():
            assert np.isfinite(task.target).all()


@FUZZ
@given(st.binary(max_size=200), st.integers(0, 400), st.booleans())
@example(b"\xef\xbb\xbf", 0, True)
@example(b"\x00", 30, True)
@example(b"\r\r\n\n", 60, True)
def test_fuzz_label_bytes(shared, data, at, inside):
    shared.reset()
    good = "\n".join((shared.HEADER, *shared.LINES)).encode()
    shared.csv(good[:at] + data + good[at + len(data) :] if inside else data)
    reads(shared)


@FUZZ
@given(st.integers(0, 8), st.integers(0, 7), CELL)
def test_fuzz_cells(shared, row, column, cell):
    shared.reset()
    lines = [line.replace('"Bad, very bad"', "bad").split(",") for line in shared.LINES]
    lines[row][column] = cell
    shared.csv("\n".join((shared.HEADER, *map(",".join, lines))).encode("utf-8", "replace"))
    reads(shared)


@FUZZ
@given(st.data())
def test_fuzz_settings(shared, data):
    shared.reset()
    lines = shared.TOML.splitlines()
    at = data.draw(st.sampled_from([i for i, line in enumerate(lines) if " = " in line]))
    key = lines[at].split(" = ")[0]
    lines[at] = data.draw(
        st.one_of(st.just(""), VALUE.map(lambda v: f"{key} = {toml_of(v)}"), st.text(max_size=20))
    )
    (shared.path / "dataset.toml").write_bytes("\n".join(lines).encode("utf-8", "replace"))
    reads(shared)


@FUZZ
@given(st.integers(0, 4000), st.integers(1, 255))
def test_fuzz_npz_bytes(shared, at, flip):
    shared.reset()
    whole = (shared.path / "words.npz").read_bytes()
    cut = bytearray(whole)
    cut[at % len(cut)] ^= flip
    (shared.path / "words.npz").write_bytes(cut)
    try:
        reads(shared)
    finally:
        (shared.path / "words.npz").write_bytes(whole)

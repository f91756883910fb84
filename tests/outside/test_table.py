"""Files of predictions that are damaged, or of another form."""

from __future__ import annotations

import numpy as np
import pytest

from merbench.api import DataError
from merbench.outside.table import read


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.txt", b"id,score", "predictions are read from .csv, .jsonl, .npz, .parquet"),
        ("a.jsonl", b'{"id": "a"}\n[1]', "line 2: not a JSON object"),
        ("a.jsonl", b"\n\n", "has no rows"),
        ("a.jsonl", b'{"id": "a", "score": 1, "score": 2}', "line 1: it has 'score' twice"),
        ("a.jsonl", b"[" * 100_000, "line 1: not a JSON object"),
        ("a.jsonl", b"\xff", "is not UTF-8"),
        ("a.npz", b"PK", "cannot be read as .npz"),
        ("a.parquet", b"PAR1", r"a.parquet(: reading .parquet needs|.* cannot be read)"),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path, name, data, sentence):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=sentence) as refused:
        read(tmp_path / name)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"x\.csv is not there"):
        read(tmp_path / "x.csv")


def test_a_file_that_unpacks_without_end_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("merbench.outside.table.LARGEST", 10**6)
    np.savez_compressed(tmp_path / "a.npz", id=np.zeros(10**6))
    with pytest.raises(DataError, match="it unpacks to over"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"id": np.array(["a"]), "score": np.zeros(2)}, "array 'score' has the shape \\(2,\\)"),
        ({"id": np.array(["a"]), "score": np.zeros((1, 1))}, "array 'score' has the shape \\(1, 1\\)"),
        ({"id": np.array(["a"], dtype=object)}, "Object arrays cannot be loaded"),
        ({}, "has no rows"),
    ],
)  # fmt: skip
def test_arrays_that_are_no_columns_are_refused(tmp_path, arrays, sentence):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=sentence):
        read(tmp_path / "a.npz")

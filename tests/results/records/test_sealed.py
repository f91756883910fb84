"""A file that carries a digest of its bytes: any flipped bit is noticed."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load, save

from merbench.results.records.sealed import (
    METADATA,
    DamagedError,
    check,
    check_content,
    read_header,
    seal,
)

TENSORS = {"w": np.arange(6.0).reshape(2, 3)}
ODD = {"note": '"file_sha256":"' + "0" * 64 + '"', "z": "end"}
"""Metadata that look like the digest."""


def sealed(metadata):
    return seal(lambda full: save(TENSORS, metadata=full), metadata)


@pytest.mark.parametrize("metadata", [{}, ODD])
def test_what_is_sealed_is_whole_and_read_as_before(tmp_path, metadata):
    path = tmp_path / "file"
    path.write_bytes(sealed(metadata))
    check(path, needed=True)
    assert np.array_equal(load(path.read_bytes())["w"], TENSORS["w"])


def test_every_flipped_bit_is_noticed(tmp_path):
    path, whole = tmp_path / "file", sealed({"sha256": "x"})
    for bit in range(0, 8 * len(whole), 7):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(DamagedError):
            check(path, needed=True)


def test_a_cut_or_empty_file_is_noticed(tmp_path):
    path, whole = tmp_path / "file", sealed({})
    for length in (0, 3, 8, 20, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedError):
            check(path, needed=True)


def test_a_file_from_before_there_were_digests_passes_where_none_is_needed(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(save(TENSORS))
    check(path)
    with pytest.raises(DamagedError):
        check(path, needed=True)


@pytest.mark.parametrize("metadata", [{}, ODD])
def test_the_header_tells_tensors_and_metadata_and_a_file_that_was_cut(tmp_path, metadata):
    path, whole = tmp_path / "file", sealed(metadata)
    path.write_bytes(whole)
    header = read_header(path)
    assert header["w"]["shape"] == [2, 3] and metadata.items() <= header[METADATA].items()
    for end in (0, 4, 20, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError):
            read_header(path)


def test_content_in_memory_is_checked_as_a_file_is():
    whole = sealed(ODD)
    check_content(whole, needed=True)
    for bit in range(8, 8 * len(whole), 101):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamagedError):
            check_content(bytes(flipped), needed=True)
    check_content(save(TENSORS))
    with pytest.raises(DamagedError):
        check_content(save(TENSORS), needed=True)

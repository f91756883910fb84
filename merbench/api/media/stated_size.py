"""How many bytes a file says it has, in containers that begin with it: whether it was cut off."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_WRITTEN_WRONGLY = 64
"""Bytes by which writers are known to be wrong: some count the header itself twice."""
_RIFF_UNKNOWN = 0x7FFF_0000
"""RIFF sizes from which on none is meant: of what was written into a pipe."""
_SEGMENT = bytes.fromhex("18538067")
_EBML = bytes.fromhex("1a45dfa3")
_MOST_BOXES = 1000


def missing_bytes(path: str) -> tuple[int, int] | None:
    """``(bytes that are there, bytes that the file says it has)`` where these are more: of RIFF
    (WAV, AVI), Matroska and WebM, and of MP4 and its kin. None where it is whole, or does not say.
    """
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        stated = _stated(file, size)
    return None if stated is None or stated <= size + _WRITTEN_WRONGLY else (size, stated)


def _stated(file: BinaryIO, size: int) -> int | None:
    start = file.read(8)
    file.seek(0)
    if start.startswith(b"RIFF"):
        length = int.from_bytes(start[4:], "little")
        return 8 + length if 0 < length < _RIFF_UNKNOWN else None
    if start.startswith(_EBML):
        return _end_of_segment(file)
    return _end_of_boxes(file, size)


def _end_of_segment(file: BinaryIO) -> int | None:
    """Matroska (RFC 9559): the header, and one segment that holds the rest."""
    file.seek(len(_EBML))
    header = _variable_size(file)
    if header is None:
        return None
    file.seek(header, os.SEEK_CUR)
    if file.read(len(_SEGMENT)) != _SEGMENT:
        return None
    segment = _variable_size(file)
    return None if segment is None else file.tell() + segment


def _variable_size(file: BinaryIO) -> int | None:
    """An EBML size (RFC 8794, section 4): as many bytes as its first has leading zeros, and one
    more; None where all other bits are set, which means that it was not known.
    """
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(width - 1), "big") & ((1 << 7 * width) - 1)
    return None if value == (1 << 7 * width) - 1 else value


def _end_of_boxes(file: BinaryIO, size: int) -> int | None:
    """MP4 (ISO/IEC 14496-12): boxes one after the other, each with its size. The end of the last,
    where it is one of content; what else stands behind a file may be anything.
    """
    at = 0
    for number in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        kind, length = head[4:8], int.from_bytes(head[:4], "big")
        if not number and kind not in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
            return None
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8 or len(head) < 8:
            return None
        at += length
        if at > size:
            return at if kind in (b"mdat", b"moov", b"moof") else None
    return None

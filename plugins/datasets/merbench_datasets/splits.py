"""The splits of a pickle, and the ids of its rows."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any

from merbench.api import DataError, Sink, Source

MODES = {"train": "train", "valid": "valid", "dev": "valid", "test": "test"}


def splits_of(content: Any, inner: type) -> dict[str, Any]:
    """``mode -> split`` of a pickle that holds its splits by name; empty where it does not."""
    if not isinstance(content, dict):
        return {}
    return {
        MODES[key]: value
        for key, value in content.items()
        if isinstance(key, str) and key in MODES and isinstance(value, inner)
    }


def lacks(source: Source, *keys: str) -> str:
    """Why a source is no pickle whose splits are mappings with these keys; empty where it is."""
    if source.pickle is None:
        return "it is no pickle file"
    splits = splits_of(source.pickle, dict)
    if not splits:
        return "it has no splits"
    return next(
        (
            f"a split has no {key}"
            for key in keys
            if any(key not in split for split in splits.values())
        ),
        "",
    )


def three_splits(source: Source, inner: type) -> dict[str, Any]:
    """train, valid and test; DataError where one is not there."""
    splits = splits_of(source.pickle, inner)
    if missing := {"train", "valid", "test"} - splits.keys():
        raise DataError(f"{source.path} has no split {min(missing)!r}; give the whole file")
    return splits


def note_unread(
    sink: Sink, source: Source, fields: Container[str], beside: Container[str] = ()
) -> None:
    """Name what a pickle of splits holds and is not taken over: ``fields`` are read of each split,
    ``beside`` are read beside the splits.
    """
    splits = splits_of(source.pickle, dict)
    names = sorted({str(field) for split in splits.values() for field in split})
    unread = [field for field in names if field not in fields]
    unread += [str(key) for key in source.pickle if key not in MODES and key not in beside]
    if unread:
        sink.note(f"not taken over: {', '.join(unread)}")


def split_id(name: str, first: int = 0) -> tuple[str, str]:
    """``video$_$clip``, ``video[clip]`` (a number is counted from ``first``) or ``video_clip``; any
    other name is a video with one clip.
    """
    if "$_$" in name:
        video, _, clip = name.partition("$_$")
    elif match := re.fullmatch(r"(.+)\[(\w+)\]", name):
        video, clip = (
            match[1],
            str(int(match[2]) + first) if first and match[2].isdecimal() else match[2],
        )
    else:
        video, _, clip = name.rpartition("_")
    return (video, clip) if video and clip else (name, "0")

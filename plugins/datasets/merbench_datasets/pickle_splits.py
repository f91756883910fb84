"""The splits of a pickle, and the ids of its rows."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from typing import Any

from merbench.api import DataError, Sink, Source

MODES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "dev", "devel", "development"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What splits are called elsewhere -> here."""


def mode_of(cell: str) -> str:
    """train, valid or test; empty where it names none."""
    return MODES.get(cell.strip().lower(), "")


def splits_of(source: Source, inner: type) -> dict[str, Any]:
    """``mode -> split`` of a pickle that holds its splits by name; empty where it does not.
    DataError where two of its splits are of one mode.
    """
    content, names_by_mode = source.pickle, dict[str, str]()
    for key, value in content.items() if isinstance(content, dict) else ():
        mode = mode_of(key) if isinstance(key, str) and isinstance(value, inner) else ""
        if mode and names_by_mode.setdefault(mode, key) != key:
            raise DataError(
                f"{source.path}: its splits {names_by_mode[mode]!r} and {key!r} are both of {mode} "
                "rows; leave one of them"
            )
    return {mode: content[key] for mode, key in names_by_mode.items()}


def lacks(source: Source, *keys: str) -> str:
    """Why a source is no pickle whose splits are mappings with these keys; empty where it is."""
    if source.pickle is None:
        return "it is no pickle file"
    splits = splits_of(source, dict)
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
    splits = splits_of(source, inner)
    if missing := {"train", "valid", "test"} - splits.keys():
        raise DataError(f"{source.path} has no split {min(missing)!r}; give the whole file")
    return splits


def in_all_splits(sink: Sink, fields: Iterable[str], splits: Sequence[Container[str]]) -> list[str]:
    """Those of ``fields`` that every split has. The sink is notified of those that some have."""
    names = list(fields)
    partial = [name for name in names if 0 < sum(name in split for split in splits) < len(splits)]
    if partial:
        sink.note(f"not taken over, since not every split has it: {', '.join(partial)}")
    return [name for name in names if all(name in split for split in splits)]


def note_unread(
    sink: Sink, source: Source, fields: Container[str], beside: Container[str] = ()
) -> None:
    """Name what a pickle of splits holds and is not taken over: ``fields`` are read of each split,
    ``beside`` are read beside the splits.
    """
    splits = splits_of(source, dict)
    names = sorted({str(field) for split in splits.values() for field in split})
    unread = [field for field in names if field not in fields]
    unread += [
        str(key)
        for key in source.pickle
        if not (isinstance(key, str) and mode_of(key)) and key not in beside
    ]
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


def named_rows(names: Sequence[str], among: Sequence[str] = ()) -> dict[str, list[str]]:
    """The columns video_id and clip_id of names that are to be parted as ``split_id`` does; where
    that would make one video of most rows (sample_00000001), each name is a video of its own.

    ``among``: the names of all files, where these are of one.
    """
    pairs = [split_id(name) for name in names]
    every_name = among or names
    videos = {split_id(name)[0] for name in every_name}
    if len(videos) < len(every_name) / 100 or len(videos) < 3:
        pairs = [(name, "0") for name in names]
    return {"video_id": [video for video, _ in pairs], "clip_id": [clip for _, clip in pairs]}

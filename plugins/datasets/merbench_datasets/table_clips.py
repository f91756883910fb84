"""Clips beside a table: which file belongs to a row."""

from __future__ import annotations

import re
from pathlib import Path

from merbench.api import DataError, Modality, Sink, count_of
from merbench_datasets.table_files import Columns

SOUND = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac"}
PICTURES = {".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".mpg", ".flv"}
_KEY = re.compile(r"\{(\w+)\}")


def write_clips(sink: Sink, folder: Path, pattern: str, columns: Columns) -> list[str]:
    """Streams of the clips at ``pattern``, below ``folder``, where they stay; their names."""
    if unknown := [key for key in _KEY.findall(pattern) if key not in columns]:
        raise DataError(
            f"--set clips={pattern}: there is no column {unknown[0]!r}; there are "
            f"{', '.join(columns)}"
        )
    root, *inner = Path(pattern).parts
    if inner and "{" not in root:
        stored_pattern = "/".join((sink.link(folder / root, root), *inner))
    else:
        stored_pattern = "/".join((sink.link(folder, "clips"), root, *inner))
    modalities: tuple[Modality, ...] = ("audio", "video")
    if Path(pattern).suffix.lower() in SOUND:
        modalities = ("audio",)
    for modality in modalities:
        sink.stream(f"{modality}.clip", modality=modality, kind="clip", pattern=stored_pattern)
    n_rows = len(columns["video_id"])
    missing = sum(not (folder / _filled(pattern, columns, row)).is_file() for row in range(n_rows))
    if 0 < missing < n_rows:
        sink.note(f"{missing:,} of {n_rows:,} rows have no clip at {pattern}")
    return [f"{modality}.clip" for modality in modalities]


def note_clips(sink: Sink, folder: Path) -> None:
    """Say what lies beside a table and is not taken over."""
    clips = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SOUND | PICTURES)
    if clips:
        example = clips[0].relative_to(folder)
        pattern = f"{example.parent / '{video_id}_{clip_id}'}{example.suffix}"
        sink.note(
            f"not taken over: {count_of(len(clips), 'clip')} ({example}, ...); "
            f"say which is a row's, such as --set clips='{pattern}'"
        )


def _filled(pattern: str, columns: Columns, row: int) -> str:
    return _KEY.sub(lambda key: columns[key[1]][row], pattern)

"""A feature folder of a table alone, with a protocol of one's own."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path


def folder_of(path: Path, protocol: str, **columns: Sequence[str]) -> Path:
    """30 rows of 10 videos, with ``columns`` beside the usual ones; the protocol is called p."""
    cells: dict[str, Sequence[str]] = {
        "video_id": [f"v{k // 3}" for k in range(30)],
        "clip_id": [str(k % 3) for k in range(30)],
        "text": ["x"] * 30,
        "label": [str(k % 7 - 3) for k in range(30)],
        "mode": [("train", "valid", "test")[k % 3] for k in range(30)],
        **columns,
    }
    with (path / "label.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(cells)
        writer.writerows(zip(*cells.values(), strict=True))
    (path / "dataset.toml").write_text(
        f"""name = "made"
task.s = {{ column = "label", kind = "score", low = -3, high = 3 }}
[streams."text.t"]
modality = "text"
kind = "strings"
column = "text"
[protocols.p]
{protocol}
streams = ["text.t"]
"""
    )
    return path

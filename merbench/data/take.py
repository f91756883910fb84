"""A feature folder as a source: what it describes is taken over, its files are copied, its clips stay where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from merbench.api.forms import Sink
from merbench.data.folder import FILE, read_folder
from merbench.data.settings import read_toml
from merbench.data.table import read_table


def take_folder(folder: Path, sink: Sink) -> None:
    """Hand a feature folder to the sink. DataError where ``read_folder`` finds a mistake in it."""
    read_folder(folder)
    told = read_toml(folder / FILE)
    table = read_table(folder / told.get("labels", "label.csv"))
    files = sorted(set(_files(told)))
    sink.expect(sum((folder / name).stat().st_size for name in files))
    for path in (folder / FILE, table.path, *(folder / name for name in files)):
        sink.source(path)
    sink.table(table.cells)
    for name in files:
        sink.file(folder / name, name)
    patterns = [spec["pattern"] for spec in told["streams"].values() if "pattern" in spec]
    for root in sorted({Path(pattern).parts[0] for pattern in patterns}):
        sink.link(folder / root, root)
    for kind, write in (("task", sink.task), ("streams", sink.stream), ("protocols", sink.protocol)):
        for name, spec in told[kind].items():
            write(name, **spec)


def _files(told: Any) -> list[str]:
    """Every ``file`` that is named anywhere."""
    if not isinstance(told, dict):
        return []
    here = [told["file"]] if isinstance(told.get("file"), str) else []
    return here + [name for value in told.values() for name in _files(value)]

"""A feature folder as a source: what it describes is taken over, its files are copied, its clips
stay where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merbench.api.dataset_forms import Sink
from merbench.data.folder.label_table import read_table
from merbench.data.folder.read import FILE, read_folder
from merbench.data.folder.toml_section import Section, read_toml
from merbench.results.files import inside


def take_folder(folder: Path, sink: Sink) -> None:
    """Hand a feature folder to the sink. DataError where ``read_folder`` finds a mistake in it."""
    read_folder(folder)
    description = read_toml(folder / FILE)
    table = read_table(Section(folder / FILE, "", description).file("labels", "label.csv"))
    files = sorted(set(_files(description)))
    paths = {name: inside(folder, name) for name in files}
    sink.expect(sum(path.stat().st_size for path in paths.values()))
    for path in (folder / FILE, table.path, *paths.values()):
        sink.source(path)
    sink.table(table.cells)
    names = {name: sink.file(path, name) for name, path in paths.items()}
    for spec in description["streams"].values():
        if "pattern" in spec:
            spec["pattern"] = _linked(folder, spec["pattern"], sink)
    for kind, write in (
        ("task", sink.task),
        ("streams", sink.stream),
        ("protocols", sink.protocol),
    ):
        for name, spec in description[kind].items():
            write(name, **_renamed(spec, names))


def _linked(folder: Path, pattern: str, sink: Sink) -> str:
    """The pattern as it reads in the data set, which links to its first folder, or to ``folder``
    where that differs from row to row.
    """
    root, *inner = Path(pattern).parts
    if not inner or "{" in root:
        return "/".join((sink.link(folder, "clips"), root, *inner))
    return "/".join((sink.link(folder / root, root), *inner))


def _files(section: Any) -> list[str]:
    """Every ``file`` that is named anywhere."""
    if not isinstance(section, dict):
        return []
    files = [section["file"]] if isinstance(section.get("file"), str) else []
    return files + [name for value in section.values() for name in _files(value)]


def _renamed(spec: Any, names: Mapping[str, str]) -> Any:
    """Every ``file`` under the name that it has in the data set."""
    if not isinstance(spec, dict):
        return spec
    return {
        key: names[value] if key == "file" and isinstance(value, str) else _renamed(value, names)
        for key, value in spec.items()
    }

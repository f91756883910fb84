"""What merbench wrote in a folder of boards, kept as a list of names in the folder: only that is
ever replaced or removed, and what somebody else put there stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from merbench.api.errors import RequestError
from merbench.report.pictures.themes import DRAWN_BY
from merbench.results.files import (
    inside,
    is_inside,
    is_temporary,
    sweep,
    under_a_file,
    write_together,
)
from merbench.results.records.sealed import read_file

FILE = "written.json"
PAGE_MARK = b'<meta name="generator" content="merbench">'
"""Stands in every page, also in those from before there were lists."""
BEFORE_LISTS = (
    "index.html",
    "table.*",
    "scores.json",
    "rows.json",
    "generalise.json",
    "robust.json",
    "records/*.json",
    "predictions/*.safetensors",
)


def written(folder: Path) -> frozenset[str]:
    """The names below ``folder`` of the files that merbench wrote there, those that were removed
    since too. RequestError for a list that cannot be read.
    """
    path = folder / FILE
    try:
        names = json.loads(read_file(path))["files"]
        if not all(isinstance(name, str) and is_inside(name) for name in names):
            raise ValueError("a name in it leaves the folder")
    except FileNotFoundError:
        return _written_before_lists(folder)
    except NotADirectoryError:
        raise RequestError(under_a_file(folder)) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RequestError(
            f"{path} cannot be read ({type(error).__name__}), and it lists which files here "
            "merbench wrote; bring it back, or build into another folder"
        ) from error
    return frozenset(names)


def replace_written(
    folder: Path, contents: Mapping[str, bytes], keeps: Callable[[str], bool]
) -> None:
    """``contents`` (name below ``folder`` -> bytes) take the place of all that merbench wrote in
    ``folder``, except names for which ``keeps`` is true.

    RequestError, before anything is written, that names a file of somebody else's in the way.
    """
    # What lies behind a link that was put there since is somebody else's.
    earlier = frozenset(name for name in written(folder) if not _link_before(folder, name))
    sweep(folder, *{inside(folder, name).parent for name in {*earlier, *contents}})
    for name, content in contents.items():
        _refuse_strange(folder, name, content, earlier)
    stale = {name for name in earlier - contents.keys() if not keeps(name)}
    # A kill between the two lists leaves files that are listed and not there, never the contrary.
    write_together(folder, {FILE: _list({*earlier, *contents})})
    write_together(folder, contents)
    for name in sorted(stale):
        inside(folder, name).unlink(missing_ok=True)
    remaining = {name for name in earlier - stale if inside(folder, name).is_file()}
    write_together(folder, {FILE: _list({*remaining, *contents})})


def is_unfinished(folder: Path) -> bool:
    """True where all that is in ``folder`` is what a build began to write there and did not come to
    the records: a disk was full, or it was killed.
    """
    own_names, runs = {FILE, *written(folder)}, ("records/", "predictions/")
    paths = [path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()]
    names = {path.relative_to(folder).as_posix() for path in paths if not is_temporary(path)}
    return names <= own_names and not any(name.startswith(runs) for name in names)


def others(root: Path) -> list[Path]:
    """Files below ``root`` that merbench did not write, by the lists of all its folders."""
    paths = list(root.rglob("*"))
    folders = [path for path in (root, *paths) if path.is_dir() and not path.is_symlink()]
    own = {folder / name for folder in folders for name in (FILE, *written(folder))}
    return [path for path in paths if path not in {*own, *folders} and not is_temporary(path)]


def refuse_others(folder: Path, patterns: tuple[str, ...]) -> None:
    """RequestError naming a file of these kinds that merbench did not write there, such as the
    records of a contribution: what is built anew would not belong to it.
    """
    listed = written(folder)
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            is_listed = path.relative_to(folder).as_posix() in listed
            if not is_listed and not is_temporary(path):
                raise RequestError(_in_the_way(path))


def _link_before(folder: Path, name: str) -> Path | None:
    """The first folder between ``folder`` and the file ``name`` that is a link."""
    between = [folder / parent for parent in Path(name).parents if parent != Path()]
    return next((path for path in between if path.is_symlink()), None)


def _refuse_strange(folder: Path, name: str, content: bytes, earlier: frozenset[str]) -> None:
    path = inside(folder, name)
    if link := _link_before(folder, name):
        raise RequestError(_in_the_way(link))
    if path.is_dir() and not path.is_symlink():
        raise RequestError(_in_the_way(path))
    exists = path.is_symlink() or path.exists()
    if exists and name not in earlier and not (path.is_file() and path.read_bytes() == content):
        raise RequestError(_in_the_way(path))


def _in_the_way(path: Path) -> str:
    return (
        f"{path} is in the way, and merbench did not write it; "
        "move it away, or choose another folder"
    )


def _list(names: set[str]) -> bytes:
    content: dict[str, Any] = {
        "about": "merbench wrote these files, and replaces or removes no others.",
        "files": sorted(names),
    }
    return json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"


def _written_before_lists(folder: Path) -> frozenset[str]:
    """Folders from before there were lists: nothing, unless the page in it is one of merbench's."""
    page = folder / "index.html"
    with suppress(OSError):
        if page.is_file() and PAGE_MARK in page.read_bytes()[:2000]:
            track = (folder / "rows.json").is_file()
            patterns = BEFORE_LISTS if track else ("index.html",)
            files = [path for pattern in patterns for path in folder.glob(pattern)]
            pictures = (path for path in folder.glob("*.svg") if path.is_file())
            files += [path for path in pictures if DRAWN_BY.encode() in path.read_bytes()]
            return frozenset(
                path.relative_to(folder).as_posix() for path in files if path.is_file()
            )
    return frozenset()

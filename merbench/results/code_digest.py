"""A digest of what the code says that decides a number, found by following imports."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from merbench.results.files import sweep
from merbench.results.sealed_cache import read_sealed, write_sealed

MOST_KEPT = 3000
FORMAT = 2
"""Of what is kept; another where files are read otherwise than before."""
PLUGINS = "merbench"
"""The entry-point group whose packages are followed, beside merbench itself."""


def code_digest(modules: Iterable[str], kept: Path | None = None) -> str:
    """12 hex digits over ``modules`` and all that they import of merbench and of its plugins.

    Comments, docstrings, layout and the places of files do not count. What other packages say does
    not either: their versions stand in a record's provenance.

    ``kept``: a file in which what was parsed is found again by its content, so that a new process
    need not parse some 250 files; one that cannot be read or written costs time and nothing else.
    """
    parsed = _Parsed(kept)
    waiting = list(modules)
    followed = {"merbench", *_plugin_packages(), *(name.partition(".")[0] for name in waiting)}
    reached: dict[str, str] = {}
    while waiting:
        module = waiting.pop()
        file = _file(module) if module.partition(".")[0] in followed else None
        if file is None or module in reached:
            continue
        reached[module], imported = parsed.meaning(file, module)
        waiting += [*imported, module.rpartition(".")[0]]
    parsed.keep()
    # By content and not by name, so that a file may move.
    return sha256("\0".join(sorted(filter(None, reached.values()))).encode()).hexdigest()[:12]


@cache
def _plugin_packages() -> frozenset[str]:
    return frozenset(entry.value.partition(".")[0] for entry in entry_points(group=PLUGINS))


class _Parsed:
    """``meaning``: a digest of what a file says, empty where it says nothing, and what it imports;
    from ``kept`` where its content was parsed before.
    """

    def __init__(self, kept: Path | None) -> None:
        self.kept, self.by_content, self.new = kept, dict[str, list[Any]](), False
        if kept:
            with suppress(OSError, ValueError, TypeError):
                self.by_content = dict(json.loads(read_sealed(kept)))

    def meaning(self, file: Path, module: str) -> tuple[str, tuple[str, ...]]:
        if self.kept is None:
            return self._parse(file, module)
        content = f"{FORMAT} {sys.version} {module} {file.name}".encode() + file.read_bytes()
        key = sha256(content).hexdigest()[:24]
        with suppress(KeyError, TypeError, ValueError):
            digest, imported = self.by_content[key]
            return str(digest), tuple(map(str, imported))
        meaning = self._parse(file, module)
        self.by_content[key], self.new = list(meaning), True
        return meaning

    def _parse(self, file: Path, module: str) -> tuple[str, tuple[str, ...]]:
        code, imported = _read(file, module)
        return sha256(code.encode()).hexdigest() if code else "", imported

    def keep(self) -> None:
        if self.kept and self.new:
            latest = dict(list(self.by_content.items())[-MOST_KEPT:])
            with suppress(OSError):
                self.kept.parent.mkdir(parents=True, exist_ok=True)
                sweep(self.kept.parent)
                write_sealed(self.kept, json.dumps(latest).encode())


@cache
def _file(module: str) -> Path | None:
    """The source of a module; None where the name is none, such as a class's."""
    package, _, inner = module.partition(".")
    spec = _spec(package)
    if spec is None or not spec.submodule_search_locations:
        alone = spec and not inner and spec.origin and spec.origin.endswith(".py")
        return Path(spec.origin) if alone and spec and spec.origin else None
    for folder in spec.submodule_search_locations:
        path = Path(folder, *inner.split(".")) if inner else Path(folder)
        for file in (path / "__init__.py", path.parent / f"{path.name}.py"):
            if file.is_file() and (inner or file.name == "__init__.py"):
                return file
    return None


@cache
def _spec(package: str) -> ModuleSpec | None:
    try:
        return find_spec(package)
    except (ImportError, AttributeError, ValueError):
        return None


@cache
def _read(file: Path, module: str) -> tuple[str, tuple[str, ...]]:
    """What the code says, and the names of modules (or of things in them) that it imports."""
    tree = ast.parse(file.read_bytes())
    if module == "merbench":
        tree = _AtRunTime().visit(tree)
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    imported = tuple(
        dict.fromkeys(name for node in ast.walk(tree) for name in _names(node, package))
    )
    meaning = _Meaning()
    code = ast.unparse(meaning.visit(tree))
    return "\n".join(filter(None, [*sorted(meaning.imported), code])), imported


def _names(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        source = ".".join([*above, *([node.module] if node.module else [])])
        yield source
        yield from (f"{source}.{alias.name}" for alias in node.names)


class _AtRunTime(ast.NodeTransformer):
    """Leaves out what ``merbench`` itself imports for type checkers alone: the functions of the
    Python API, and so commands, tables and pictures, which decide no number.
    """

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        for_checkers = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return node.orelse if for_checkers else node


class _Meaning(ast.NodeTransformer):
    """Leaves out docstrings, and of imports their order and where a name comes from: both change
    when a file moves, and the code that is imported is followed itself. ``_HOME`` says where the
    names of ``merbench.api`` come from.
    """

    def __init__(self) -> None:
        self.imported: set[str] = set()

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else node

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        (*_, target) = node.targets
        return None if isinstance(target, ast.Name) and target.id == "_HOME" else node

    def visit_Import(self, node: ast.Import) -> None:
        """``import a.b`` names only the place."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.imported |= {f"import {alias.name} as {alias.asname}" for alias in node.names}

"""A digest of what the code says that decides a number, found by following imports."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

PLUGINS = "merbench"
"""The entry-point group whose packages are followed, beside merbench itself."""


def code_digest(modules: Iterable[str]) -> str:
    """12 hex digits over ``modules`` and all that they import of merbench and of its plugins.

    Comments, docstrings, layout and the places of files do not count. What other packages say does
    not either: their versions stand in a record's provenance.
    """
    waiting = list(modules)
    followed = {"merbench", *_plugin_packages(), *(name.partition(".")[0] for name in waiting)}
    reached: dict[str, str] = {}
    while waiting:
        module = waiting.pop()
        file = _file(module) if module.partition(".")[0] in followed else None
        if file is None or module in reached:
            continue
        said, imported = _read(file, module)
        reached[module] = said
        waiting += [*imported, module.rpartition(".")[0]]
    # By content and not by name, so that a file may move.
    return sha256("\0".join(sorted(filter(None, reached.values()))).encode()).hexdigest()[:12]


@cache
def _plugin_packages() -> frozenset[str]:
    return frozenset(entry.value.partition(".")[0] for entry in entry_points(group=PLUGINS))


@cache
def _file(module: str) -> Path | None:
    """The source of a module; None where the name is none, such as a class's."""
    try:
        spec = find_spec(module)
    except (ImportError, AttributeError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


@cache
def _read(file: Path, module: str) -> tuple[str, tuple[str, ...]]:
    """What the code says, and the names of modules (or of things in them) that it imports."""
    tree = ast.parse(file.read_bytes())
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


class _Meaning(ast.NodeTransformer):
    """Leaves out docstrings, and of imports their order and where a name comes from: both change
    when a file moves, and the code that is imported is followed itself.
    """

    def __init__(self) -> None:
        self.imported: set[str] = set()

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else node

    def visit_Import(self, node: ast.Import) -> None:
        """``import a.b`` names only the place."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.imported |= {f"import {alias.name} as {alias.asname}" for alias in node.names}

"""Values of a declaration's fields against the types that its class states: a dataclass takes
whatever it is given.

Plugins are read by every command, and pydantic alone, which the Python API checks its arguments
with, takes a third of what ``merbench list`` does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin


def wrong_fields(declaration: Any, owner: str) -> Iterator[str]:
    """A sentence for each field of the declaration, and of those within it, whose value is not of
    the field's type. ``owner``: the declaration in words.
    """
    kind: type = type(declaration)
    for name, (hint, written) in _types(kind).items():
        value = getattr(declaration, name)
        if not _fits(value, hint):
            yield f"{owner} has {name}={_short(value)}, which is not of the type {written}"
            continue
        for inner in value if isinstance(value, tuple | list) else ():
            if is_dataclass(inner):
                inner_name = getattr(inner, "name", "")
                yield from wrong_fields(inner, f"{type(inner).__name__} {inner_name!r} of {owner}")


@lru_cache
def _types(kind: type) -> dict[str, tuple[Any, str]]:
    """Field -> its type, and as it is written."""
    return {field.name: (_read(kind, str(field.type)), str(field.type)) for field in fields(kind)}


def _read(kind: type, written: str) -> Any:
    """Any where the type needs a module that is imported for type checkers alone."""
    try:
        return eval(written, vars(sys.modules[kind.__module__]))
    except (NameError, AttributeError):
        return Mapping[str, Any] if written.startswith("Mapping[") else Any


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, option) for option in inner)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin is tuple:  # or a list
        return isinstance(value, tuple | list) and _fit(value, inner)
    if origin is Mapping:
        key, item = inner
        return isinstance(value, Mapping) and all(
            _fits(k, key) and _fits(v, item) for k, v in value.items()
        )
    if origin is Callable:
        return callable(value)
    if hint in (int, float):
        numbers = int if hint is int else int | float
        return isinstance(value, numbers) and not isinstance(value, bool)
    return isinstance(value, hint)


def _fit(values: Sequence[Any], hints: tuple[Any, ...]) -> bool:
    if hints[1:] == (...,):
        return all(_fits(value, hints[0]) for value in values)
    return len(values) == len(hints) and all(map(_fits, values, hints))


def _short(value: Any) -> str:
    """At most 40 characters, whatever the value makes of being shown."""
    try:
        return f"{value!r:.40}"
    except Exception:
        return f"a {type(value).__name__}"

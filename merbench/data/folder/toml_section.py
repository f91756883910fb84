"""Tables of a TOML file whose keys are taken one by one, checked on the way; what is left over is
refused with a did-you-mean.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from merbench.api.did_you_mean import did_you_mean, nearest
from merbench.api.errors import DataError
from merbench.results.files import inside, is_inside
from merbench.results.records.sealed import DamagedError, require_file

_REQUIRED: Any = object()
MOST_LEVELS = 50


def read_toml(
    path: Path, fix: str = "a feature folder is described by its dataset.toml"
) -> dict[str, Any]:
    """Raises DataError for a file that is missing (``fix`` says what to do) or not TOML."""
    try:
        require_file(path)
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        _check_depth(table)
        return table
    except (OSError, DamagedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read ({reason}); {fix}") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or nested without end
        raise DataError(f"{path} is not TOML ({error}); fix it there") from None


def _check_depth(table: dict[str, Any]) -> None:
    """ValueError for tables in tables without end, which whoever walks them would not survive."""
    level: list[Any] = [table]
    for _ in range(MOST_LEVELS):
        values = [value for inner in level for value in _values(inner)]
        level = [value for value in values if isinstance(value, dict | list)]
        if not level:
            return
    raise ValueError(f"its tables are nested deeper than {MOST_LEVELS} levels")


def _values(inner: Any) -> Iterable[Any]:
    return inner.values() if isinstance(inner, dict) else inner


class Section:
    """One table. Each method takes a key that must be there unless a default is given; ``done()``
    refuses the keys nobody took.
    """

    def __init__(self, path: Path, name: str, table: dict[str, Any]) -> None:
        self.path, self.name = path, name
        self._table, self._known = table, list[str]()

    def __contains__(self, key: object) -> bool:
        return key in self._table

    def error(self, sentence: str) -> DataError:
        return DataError(f"{self.path}{f', [{self.name}]' if self.name else ''}: {sentence}")

    def _take(self, key: str, kind: str, fits: Callable[[Any], bool], default: Any) -> Any:
        self._known.append(key)
        if key not in self._table:
            if default is _REQUIRED:
                # Most keys are missing because they are misspelt.
                suggestions = nearest(key, [k for k in self._table if k not in self._known])
                hint = f" (there is {suggestions[0]!r})" if suggestions else ""
                raise self.error(f"the key {key!r} is missing{hint}; write {key} = {kind}")
            return default
        value = self._table[key]
        if not fits(value):
            try:
                value_text = str(value)[:40]
            except ValueError:  # a hexadecimal number of thousands of digits
                value_text = "..."
            raise self.error(f"{key} = {value_text!r} does not fit; write {key} = {kind}")
        return value

    def text(self, key: str, default: Any = _REQUIRED) -> str:
        value: str = self._take(key, '"..."', lambda v: isinstance(v, str) and v != "", default)
        return value

    def choice(self, key: str, options: tuple[str, ...], default: Any = _REQUIRED) -> Any:
        return self._take(
            key,
            " or ".join(f'"{o}"' for o in options),
            lambda v: isinstance(v, str) and v in options,
            default,
        )

    def number(self, key: str) -> float:
        return float(self._take(key, "a number", _is_number, _REQUIRED))

    def count(self, key: str, default: int) -> int:
        value: int = self._take(
            key, "a whole number", lambda v: type(v) is int and 0 < v < 2**31, default
        )
        return value

    def texts(self, key: str, default: Any = _REQUIRED) -> list[str]:
        """One text or more, all different."""
        value: list[str] = self._take(key, '["...", "..."], all different', _are_texts, default)
        return value

    def values(self, key: str) -> list[int] | list[str]:
        """Whole numbers, or texts."""
        value: list[int] | list[str] = self._take(
            key, "[0, 1], or a list of texts", lambda v: _are_texts(v) or _are_ints(v), _REQUIRED
        )
        return value

    def table(self, key: str, default: Any = _REQUIRED) -> Section | None:
        value = self._take(key, "{ ... }", lambda v: isinstance(v, dict), default)
        return (
            None
            if value is None
            else Section(self.path, f"{self.name}.{key}" if self.name else key, value)
        )

    def tables(self, key: str) -> Iterator[tuple[str, Section]]:
        """The tables inside table ``key``, by name; at least one."""
        outer = self.table(key)
        assert outer is not None
        if not outer._table:
            raise self.error(f"[{key}] is empty; describe at least one [{key}.NAME]")
        for name in outer._table:
            inner = outer.table(name)
            assert inner is not None
            yield name, inner

    def file(self, key: str, default: Any = _REQUIRED) -> Path:
        """A path inside the folder of the TOML file."""
        name = self.text(key, default)
        if not is_inside(name):
            raise self.error(f"{key} = {name!r} leaves the folder; give a path inside it")
        return inside(self.path.parent, name)

    def done(self) -> None:
        for key in self._table:
            if key not in self._known:
                raise self.error(f"unknown key {key!r}; {did_you_mean(key, self._known)}")


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 1e30
        and not math.isnan(value)
    )


def _are_texts(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(v, str) and v for v in value)
        and len(set(value)) == len(value)
    )


def _are_ints(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(type(v) is int and abs(v) < 2**31 for v in value)
    )

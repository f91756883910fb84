"""Settings that a TOML file writes as tables: ``train = { lr = 1 }`` for ``train.lr=1``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from merbench.api import MODALITIES

_NAMES_BEFORE_A_FIELD = {"objective": 1, "stage": 1, "view": 2}
"""Of ``objective.NAME.FIELD``, ``stage.NAME.FIELD`` and ``view.NAME.TRANSFORM.FIELD``."""


def flattened(table: Mapping[str, Any]) -> dict[str, Any]:
    """``{train: {lr: 1}}`` and ``{"train.lr": 1}`` are the same. A table that is a field's value,
    such as of ``train.lr_factors``, stays a table. ValueError for what is given twice.
    """
    flat: dict[str, Any] = {}
    for name, value in _pairs(table, ""):
        if name in flat:
            raise ValueError(f"{name} is given twice; give it once")
        flat[name] = value
    return flat


def _pairs(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        name = prefix + key.replace("label-encoder", "label_encoder")
        if isinstance(value, Mapping) and _holds_fields(name):
            yield from _pairs(value, f"{name}.")
        else:
            yield name, value


def _holds_fields(name: str) -> bool:
    """True if a table of this name holds settings, and is not the value of one."""
    kind, _, rest = name.partition(".")
    if kind == "encoder":
        return not rest or rest in MODALITIES
    return name.count(".") <= _NAMES_BEFORE_A_FIELD.get(kind, 0)

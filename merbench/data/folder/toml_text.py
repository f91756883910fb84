"""``dataset.toml`` as merbench writes it: one table a task, stream and protocol."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

loads = tomllib.loads


def dumps(top: Mapping[str, Any], tables: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """``top`` keys, then ``[kind."name"]`` for each named table."""
    blocks = (
        ["\n".join(f"{_key(key)} = {_value(value)}" for key, value in top.items())] if top else []
    )
    for kind, tables_by_name in tables.items():
        for name, spec in tables_by_name.items():
            lines = [f"{_key(key)} = {_value(value)}" for key, value in spec.items()]
            blocks.append("\n".join([f"[{kind}.{_key(name)}]", *lines]))
    return "\n\n".join(blocks) + "\n"


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").replace("-", "").isalnum() else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    # JSON's strings, numbers and booleans are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

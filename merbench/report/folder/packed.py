"""The records of one row, packed: what all have in common once, each run's own beside it. Nothing
is lost.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from merbench.api.control_characters import json_printable
from merbench.results.records.record import Record


def pack(records: Sequence[Record]) -> bytes:
    """JSON, one run a line."""
    plain = [r.model_dump(mode="json") for r in records]
    for run in plain:
        run["history"] = _columns(run["history"])
    shared, own = _split(plain)
    lines = ",\n".join(json.dumps(run, ensure_ascii=False, separators=(",", ":")) for run in own)
    text = (
        f'{{"shared": {json.dumps(shared, ensure_ascii=False, indent=1)},\n"runs": '
        f"[\n{lines}\n]}}\n"
    )
    return json_printable(text).encode()


def unpack(data: bytes) -> list[Record]:
    """Raises ValueError (of json or pydantic), KeyError, TypeError or AttributeError for what
    ``pack`` did not make.
    """
    content = strict(data)
    if strange := sorted(content.keys() - {"shared", "runs"}):
        raise ValueError(f"the key {strange[0]!r} is none of packed records")
    records = []
    for own in content["runs"]:
        run = _merged(content["shared"], own)
        if isinstance(run.get("history"), dict):
            run["history"] = _entries(run["history"])
        records.append(Record.model_validate_json(json.dumps(run), strict=True))
    return records


def strict(data: bytes) -> Any:
    """JSON that every reader takes for the same: ValueError where a key stands twice in one object,
    or a number is not finite.
    """
    return json.loads(data, object_pairs_hook=_once, parse_constant=_finite, parse_float=_finite)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the key {key!r} stands twice in one object")
        values[key] = value
    return values


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is no finite number")
    return number


def _split(plain: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """``(shared, own)``: a key is shared where it has one value in all, or in part where all its
    values are mappings and merging keeps the order of their keys.
    """
    shared: dict[str, Any] = {}
    own: list[dict[str, Any]] = [{} for _ in plain]
    for key in dict.fromkeys(key for run in plain for key in run):
        values: list[Any] = [run.get(key) for run in plain]
        if all(key in run and run[key] == values[0] for run in plain):
            shared[key] = values[0]
        elif all(isinstance(v, dict) and v for v in values):
            inner, rest = _split(values)
            if inner and _in_order(inner, rest, values):
                shared[key] = inner
                values = rest
            for mine, value in zip(own, values, strict=True):
                mine[key] = value
        else:
            for mine, run in zip(own, plain, strict=True):
                if key in run:
                    mine[key] = run[key]
    return shared, own


def _in_order(
    shared: Mapping[str, Any], rest: Sequence[Mapping[str, Any]], whole: Sequence[Mapping[str, Any]]
) -> bool:
    """True if merging restores the order of the keys, so that pages drawn from what was read equal
    those drawn from what was written.
    """
    pairs = zip(rest, whole, strict=True)
    return all(list(_merged(shared, own)) == list(value) for own, value in pairs)


def _merged(shared: Mapping[str, Any], own_values: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        k: _merged(shared[k], v) if isinstance(v, dict) and isinstance(shared.get(k), dict) else v
        for k, v in own_values.items()
    }
    return {**shared, **both}


def _columns(history: list[dict[str, Any]]) -> Any:
    """Entries with equal keys as one list a key; others stay a list of entries."""
    flat = [
        {**e, "loss": None} | {f"loss.{k}": v for k, v in e.get("loss", {}).items()}
        for e in history
    ]
    if not flat or any(e.keys() != flat[0].keys() for e in flat) or "loss" not in history[0]:
        return history
    return {key: [e[key] for e in flat] for key in flat[0] if key != "loss"}


def _entries(columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    entries = []
    for values in zip(*columns.values(), strict=True):
        flat = dict(zip(columns, values, strict=True))
        loss = {k.removeprefix("loss."): v for k, v in flat.items() if k.startswith("loss.")}
        entries.append(
            {**{k: v for k, v in flat.items() if not k.startswith("loss.")}, "loss": loss}
        )
    return entries

"""Records with one value changed into anything: each is left out by name or can be shown, and the
good one beside it is there in any case.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from merbench.api.errors import MerbenchError
from merbench.report.folder.packed import pack, unpack
from merbench.report.scores.rows.entries import collect
from merbench.report.scores.runs_of_a_store import StoreSource
from merbench.results.store.store import Store
from tests.attack.attack import Attack, Draws, Tries
from tests.report.made import record, spec

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**70, 1e308, float("nan"), float("inf"), "", "\x1b[2J", "../../x", "=1", "\ud800",
    "x" * 5000, [], [[]], [None], {}, {"": {}}, {"a": [1, {"b": None}]},
)  # fmt: skip


def attack(draws: Draws, work: Path) -> Tries:
    store = Store(work / "store")
    good, bad = record(0, 0.5, spec()), record(1, 0.6, spec())
    store.put(*good)
    store.put(*bad)
    path = store.runs / f"{bad[0].run_id}.json"
    whole = json.loads(path.read_bytes())
    for draw in draws:
        changed = json.loads(json.dumps(whole))
        what = change(draw, changed)
        path.write_text(json.dumps(changed))
        yield _judge(store, good[0].run_id, path.stem, what)


def change(draw: random.Random, value: Any) -> str:
    """One value, at any depth, replaced or taken out."""
    place: list[str] = []
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = draw.choice(keys)
        place.append(str(key))
        inner = value[key]
        if isinstance(inner, dict | list) and inner and draw.random() < 0.8:
            value = inner
            continue
        if draw.random() < 0.3:
            del value[key]
            return f"{'.'.join(place)} taken out"
        value[key] = draw.choice(ODD)
        return f"{'.'.join(place)} = {value[key]!r:.60}"


def _judge(store: Store, good: str, bad: str, what: str) -> str:
    source = StoreSource(store)
    try:
        records = source.records()
        ids = {r.run_id for r in records}
        if good not in ids:
            return f"{what}: the good record is gone"
        if bad not in ids and not any(bad in warning for warning in source.warnings):
            return f"{what}: left out without a word"
        collect(records, {"ridge"})
        for run in records:
            unpack(pack([run]))
    except MerbenchError:
        pass
    except Exception as error:
        return f"{what}: {type(error).__name__}: {str(error)[:100]}"
    return ""


RECORDS = Attack("records", "one value of a record changed into anything", attack, 30, 1000)

"""Page data with what repeats said once."""

from __future__ import annotations

import json
from typing import Any


def interned(value: Any) -> dict[str, Any]:
    """``{"shared": [...], "value": ...}``: objects that stand in ``value`` more than once are moved
    to ``shared``, and ``{"$": n}`` stands for the n-th. ``expand`` of ``page.js`` undoes it.
    """
    counts: dict[str, int] = {}

    def count(node: Any) -> None:
        if isinstance(node, dict):
            key = json.dumps(node)
            counts[key] = counts.get(key, 0) + 1
            if counts[key] > 1:
                return
            for child in node.values():
                count(child)
        elif isinstance(node, list):
            for child in node:
                count(child)

    numbers: dict[str, int] = {}
    shared: list[Any] = []

    def replace(node: Any) -> Any:
        if isinstance(node, list):
            return [replace(child) for child in node]
        if not isinstance(node, dict):
            return node
        key = json.dumps(node)
        if counts[key] < 2 or len(key) < 40:
            return {name: replace(child) for name, child in node.items()}
        if key not in numbers:
            content = {name: replace(child) for name, child in node.items()}
            numbers[key] = len(shared)
            shared.append(content)
        return {"$": numbers[key]}

    count(value)
    replaced = replace(value)
    return {"shared": shared, "value": replaced}

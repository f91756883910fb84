"""Pages from templates. Each page stands alone: styles and scripts are set into it, from the one
place where all pages share them.
"""

from __future__ import annotations

import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render(template: str, **values: Any) -> str:
    loader = PackageLoader("merbench.report.site")
    env = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def source(file: str) -> Markup:
        return Markup(loader.get_source(env, file)[0])

    return env.get_template(template).render(source=source, **values)


def script_data(value: Any) -> Markup:
    """JSON that no browser can take for the end of its script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


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

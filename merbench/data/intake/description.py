"""The text of ``dataset.toml``: a new one, or what the one that is there lacks, put at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from merbench.data.folder import toml_text as toml
from merbench.data.intake.rows.source import Described

Sections = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Kind (``task``, ``streams``, ``protocols``) -> name -> its settings."""


def new_description(name: str, labels: str, sections: Sections) -> str:
    """``labels``: the file of the table."""
    return toml.dumps({"name": name, "labels": labels}, sections)


def extended_description(existing: Described, sections: Sections) -> str:
    """What ``existing`` says stays as it is written; of ``sections``, what it lacks."""
    lacks = {
        kind: {n: spec for n, spec in specs.items() if n not in existing.toml.get(kind, {})}
        for kind, specs in sections.items()
    }
    if not any(lacks.values()):
        return existing.text
    text = existing.text.rstrip("\n") + "\n\n" + toml.dumps({}, lacks)
    try:
        toml.loads(text)
    except ValueError:  # tables that were written as one value take no more behind them
        top = {key: value for key, value in existing.toml.items() if key not in lacks}
        merged = {kind: existing.toml.get(kind, {}) | specs for kind, specs in lacks.items()}
        return toml.dumps(top, merged)
    return text

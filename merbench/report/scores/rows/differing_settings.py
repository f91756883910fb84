"""Settings by which rows of one name differ: what stands behind a row's name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from merbench.report.scores.rows.shown_settings import search_words
from merbench.results.records.outside import MARK
from merbench.results.records.record import Record


def differing_settings(groups: Sequence[Sequence[Record]]) -> list[str]:
    """By what rows of one model and ablation differ: by whether they are tuned, by settings, by the
    content of the streams they read, or by the source of their components.
    """
    labels = [label(rows[0]) for rows in groups]
    names = list(labels)
    for differences in (_tuned, _settings, _data, _source):
        for name in [name for name, count in Counter(names).items() if count > 1]:
            alike = [i for i, other in enumerate(names) if other == name]
            for i, words in zip(alike, differences([groups[i][0] for i in alike]), strict=True):
                names[i] = f"{name} {words}".strip()
    return [name[len(same) :].strip() for name, same in zip(names, labels, strict=True)]


def _tuned(records: Sequence[Record]) -> list[str]:
    """A search that went on may have found another winner: those of before tell after how many
    trials they were.
    """
    trials = [r.tuned_by.get("trials", 0) if r.tuned_by else None for r in records]
    most = max((t for t in trials if t is not None), default=None)
    words = [search_words(count, most) for count in trials]
    return words if len(set(words)) > 1 else [""] * len(records)


def _data(records: Sequence[Record]) -> list[str]:
    words = [f"(data {r.contents.get('data', '')[:7]})" for r in records]
    return words if len(set(words)) > 1 else [""] * len(records)


def _source(records: Sequence[Record]) -> list[str]:
    return [f"(source {r.source_digest[:7]})" for r in records]


def _settings(records: Sequence[Record]) -> list[str]:
    """The fewest differing settings, in the order of the spec, that tell these apart."""
    flat = [
        flatten(
            r.spec.model_dump(
                mode="json", exclude={"model", "ablation", "dataset", "task", "protocol"}
            )
        )
        for r in records
    ]
    chosen: list[str] = []
    texts = [""] * len(records)
    for key in dict.fromkeys(key for settings in flat for key in settings):
        longer = [", ".join(_setting(k, settings) for k in (*chosen, key)) for settings in flat]
        if len(set(longer)) > len(set(texts)):
            chosen, texts = [*chosen, key], longer
    return [f"({text})" if text else "" for text in texts]


def _setting(key: str, settings: Mapping[str, Any]) -> str:
    name = key.removeprefix("parts.").replace(".config.", ".").removesuffix(".name")
    value = settings.get(key, "none")
    return f"{name}={'empty' if value == '' else value}"


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys; whatever is no mapping is a leaf, lists as JSON."""
    if isinstance(value, Mapping):
        return {
            k: v
            for key, inner in value.items()
            for k, v in flatten(inner, f"{prefix}{key}.").items()
        }
    return {prefix.removesuffix("."): json.dumps(value) if isinstance(value, list) else value}


def label(record: Record) -> str:
    """Model and ablation; the name of outside predictions, marked as such."""
    if record.outside:
        return f"{record.spec.model}{MARK}"
    return f"{record.spec.model} {record.spec.ablation}".strip()

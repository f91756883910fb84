"""Titles as readers of the field would write them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from merbench.results.records.titles import SEPARATOR

BETWEEN_STREAMS = " + "


@cache
def _names() -> Mapping[str, Mapping[str, str]]:
    text = files("merbench.report.site").joinpath("names.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def readable(title: str) -> str:
    """``mosi · sentiment · standard · text.words + audio.covarep73`` ->
    ``CMU-MOSI · sentiment · standard split · words + COVAREP``. What distinguishes tracks beyond
    that stays as it is.
    """
    names = _names()
    dataset, task, protocol, streams, *rest = title.split(SEPARATOR)
    parts = [
        names["datasets"].get(dataset, dataset),
        task,
        names["protocols"].get(protocol, protocol),
        BETWEEN_STREAMS.join(names["streams"].get(s, s) for s in streams.split(BETWEEN_STREAMS)),
    ]
    return SEPARATOR.join([*parts, *rest])


def headline(title: str) -> tuple[str, str]:
    """A readable title as a heading and what stands smaller below it: ``CMU-MOSI``, and ``sentiment
    · standard split · words + COVAREP``. No line begins with a dot.
    """
    dataset, _, further = readable(title).partition(SEPARATOR)
    return dataset, further.replace(SEPARATOR, f"\N{NO-BREAK SPACE}{SEPARATOR.lstrip()}")

"""What ``merbench generalise --json`` and ``merbench robust --json`` print. It may lie beside the
records of a board and is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field


class _Summary(BaseModel):
    """Of a metric over seeds; ``mean`` is None where it is undefined."""

    mean: float | None
    sd: float | None = None


class _Line(BaseModel):
    name: str
    summary: dict[str, _Summary] = {}


class _Words(BaseModel):
    words: list[str]


class _Generalise(BaseModel):
    track: dict[str, Any]
    labels: dict[str, _Words]
    test: list[_Line]


class _Point(BaseModel):
    strength: float
    mean: float
    sd: float | None
    n: int


_Damage = Annotated[str, Field(pattern=r"^\w+=(drop|mask|noise)$")]


class _Robust(BaseModel):
    track: dict[str, Any]
    lines: list[_Line]
    curves: dict[str, dict[_Damage, list[_Point]]]


EXTRAS: Mapping[str, type[BaseModel]] = {"generalise": _Generalise, "robust": _Robust}
"""Name of the file without its end -> what a picture needs of it."""


def checked(kind: str, content: Any) -> dict[str, Any]:
    """The content as it is, with all that its picture needs. ValueError where it is another."""
    EXTRAS[kind].model_validate(content, strict=True)
    extra: dict[str, Any] = content
    return extra

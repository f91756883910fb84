"""Settings of parts: one field = default + bounds + search range.

Example::

    class TFNConfig(Config):
        hidden: Annotated[int, Tune(16, 256, log=True)] = 128
        dropout: Annotated[float, Tune(0.0, 0.6)] = 0.3
        pooling: Annotated[Literal["mean", "last"], Tune(choices=("mean", "last"))] = "mean"
"""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from merbench.api.declarations.tune import Tune
from merbench.api.errors import RequestError


class _Later:
    """The type of ``LATER``."""


LATER = _Later()
"""Marks a field that was added after runs had been published: ``Annotated[bool, LATER] = False``.
At its default, which must do what was done before, it is left out of a run's identity, so that
these runs keep their ids.
"""


class Config(BaseModel):
    """Base of all settings: unknown keys are refused, values checked, instances never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def identity(self) -> dict[str, Any]:
        """As JSON values, without fields marked ``LATER`` that hold their default."""
        values = self.model_dump(mode="json")
        for name, info in type(self).model_fields.items():
            value = getattr(self, name)
            default = info.get_default(call_default_factory=True)
            if LATER in _marks(info) and value == default:
                del values[name]
            elif name in values:  # not under an alias
                values[name] = _identity(value, values[name])
        return values

    @classmethod
    def tunable(cls) -> dict[str, Tune]:
        """Field name -> search range, for the fields that have one."""
        return {
            name: mark
            for name, info in cls.model_fields.items()
            for mark in _marks(info)
            if isinstance(mark, Tune)
        }


def _marks(info: FieldInfo) -> list[Any]:
    """Also those within a union: pydantic keeps ``Annotated[int, Tune(1, 9)] | None`` as it is."""
    kinds = get_args(info.annotation) if get_origin(info.annotation) in (Union, UnionType) else ()
    return [*info.metadata, *(mark for kind in kinds for mark in getattr(kind, "__metadata__", ()))]


def _identity(value: Any, as_json: Any) -> Any:
    """``as_json``, what pydantic wrote of ``value``, with what is a set there sorted, at any depth:
    it has another order in each process.
    """
    if isinstance(value, Config):
        return value.identity()
    if isinstance(value, Mapping) and isinstance(as_json, dict):
        return {
            key: _identity(*both)
            for key, *both in zip(as_json, value.values(), as_json.values(), strict=True)
        }
    if isinstance(value, list | tuple | set | frozenset) and isinstance(as_json, list):
        items = [_identity(*both) for both in zip(value, as_json, strict=True)]
        return items if isinstance(value, list | tuple) else sorted(items, key=str)
    return as_json


def require_heads(slot: str, width: int, heads: int, field: str = "width") -> None:
    """RequestError where the attention ``heads`` of a part cannot share a width of it. ``slot``: as
    users name the part (``fusion``); ``field``: its setting that has the width.
    """
    if width % heads:
        raise RequestError(
            f"{slot}.{field}={width} is no multiple of {slot}.heads={heads}; "
            "set one of them to fit the other"
        )

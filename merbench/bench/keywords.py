"""Arguments of the Python API as pydantic validates them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from merbench.api.errors import RequestError
from merbench.api.material.types import Modality
from merbench.api.what_fits import what_fits
from merbench.results.seeds import FIRST_TUNING_SEED, MOST_SEEDS

MOST_THREADS = MOST_JOBS = 4096
"""More than any machine has: a slip, which would start as many."""
LONGEST_SHOWN = 80
"""Characters of a value in a sentence about it."""


def checked_keywords(function: str, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords, of the right types. RequestError for one that is not known or does not fit."""
    from merbench.api.declarations.train_settings_and_ranges import TrainConfig
    from merbench.host.catalog import unknown

    types = _keyword_types()
    for name in keywords:
        if name in TrainConfig.model_fields and name not in types:
            setting = f"settings={{'train.{name}': ...}}"
            raise RequestError(f"unknown keyword {name!r}; it is {setting} of {function}()")
        if name not in types:
            raise RequestError(unknown("keyword", name, list(types), f"keywords of {function}()"))
    keywords = {name: plain(value) for name, value in keywords.items()}
    check_types(function, keywords, types)
    return keywords


def refuse_ablations(function: str, keywords: Mapping[str, Any]) -> None:
    """RequestError for ``ablations`` of a function that compares the full model with some."""
    if "ablations" in keywords:
        raise RequestError(
            f"{function}(ablations=) would change the model that ablations are compared with; "
            f"name them with {function}(names={keywords['ablations']!r})"
        )


def plain(value: Any) -> Any:
    """Arrays and series, tuples, sets, ranges and generators as lists, also inside mappings and
    lists; numbers of numpy as Python's. RequestError for what contains itself.
    """
    try:
        return _plain(value)
    except RecursionError:
        raise RequestError(
            f"a {type(value).__name__} is nested without end, as one that contains itself; "
            "give plain values"
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, str | bytes | Path):
        return value
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | range | AbstractSet | Iterator):
        return [_plain(inner) for inner in value]
    if callable(to_list := getattr(value, "tolist", None)):
        return to_list()
    return value


def check_types(function: str, arguments: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    """RequestError in one sentence for the first of the ``arguments`` that is not of its type."""
    from pydantic import TypeAdapter, ValidationError

    for name, value in arguments.items():
        shown = f"{function}({name}={_short(value)})"
        if _has_null(value):
            raise RequestError(f"{shown}: a null character can be in no name; leave it out")
        if value == "" and Path in get_args(types[name]):
            raise RequestError(f"{shown}: it names nothing; give a file or folder")
        try:
            TypeAdapter(types[name]).validate_python(value, strict=True)
        except ValidationError as error:
            raise RequestError(f"{shown}: {_reason(error.errors()[0], value)}") from None


def _reason(error: Any, value: Any) -> str:
    if isinstance(value, str) and error["type"] in ("list_type", "sequence_str"):
        return f"give a list, [{_short(value)}]"
    return what_fits(error)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _has_null(value: Any) -> bool:
    if isinstance(value, str | Path):
        return "\0" in str(value)
    if isinstance(value, dict):
        return any(map(_has_null, (*value, *value.values())))
    return isinstance(value, list) and any(map(_has_null, value))


def _keyword_types() -> dict[str, Any]:
    from pydantic import Field, JsonValue

    seed = Annotated[int, Field(ge=0, lt=FIRST_TUNING_SEED, strict=True)]
    count = Annotated[int, Field(ge=1, le=MOST_SEEDS, strict=True)]
    at_least_one = Annotated[int, Field(ge=1, strict=True)]
    by_modality = dict[Modality, str]
    return {
        "model": str,
        "dataset": str | None,
        "task": str | None,
        "protocol": str | None,
        "seeds": count | Annotated[list[seed], Field(min_length=1)],
        "parts": dict[str, str | None],
        "settings": dict[str, JsonValue],
        "encoders": by_modality,
        "streams": by_modality,
        "modalities": Annotated[list[Modality], Field(min_length=1)] | None,
        "ablations": list[str],
        "text_tower": str,
        "epochs": at_least_one | None,
        "thresholds": str,
        "labels": str,
        "missing": dict[str, float | str],
        "allow_leak": bool,
        "init_from": str | None,
        "force": bool,
        "weights": bool,
        "device": Literal["auto", "cpu", "cuda"],
        "threads": Annotated[int, Field(ge=1, le=MOST_THREADS, strict=True)] | None,
        "jobs": Annotated[int, Field(ge=1, le=MOST_JOBS, strict=True)],
        "determinism": Literal["prefer", "strict", "off"],
        "data": str | Path | None,
        "vectors": list[str],
        "store": str | Path,
        "log": dict[str, str],
        "progress": bool,
        "watch": Callable[..., Any] | None,
    }

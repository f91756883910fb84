"""The keywords of the Python API as pydantic validates them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from merbench.api.errors import RequestError
from merbench.api.material.types import Modality
from merbench.results.seeds import FIRST_TUNING_SEED, MOST_SEEDS

MOST_THREADS = MOST_JOBS = 4096
"""More than any machine has: a slip, which would start as many."""


def checked_keywords(function: str, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords, of the right types. RequestError for one that is not known or does not fit."""
    from pydantic import ConfigDict, ValidationError, create_model

    from merbench.host.catalog import unknown

    types = _keyword_types()
    if unexpected := [name for name in keywords if name not in types]:
        raise RequestError(
            unknown("keyword", unexpected[0], list(types), f"keywords of {function}()")
        )
    keywords = _with_lists(function, keywords)
    field_types = {name: (types[name], ...) for name in keywords}
    model = create_model(
        "Keywords",
        __config__=ConfigDict(extra="forbid"),
        **field_types,  # type: ignore[call-overload]
    )
    try:
        model(**keywords)
    except ValidationError as error:
        first_error = error.errors()[0]
        name = str(first_error["loc"][0])
        raise RequestError(f"{function}({name}={keywords[name]!r}): {first_error['msg']}") from None
    return keywords


def _with_lists(function: str, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Tuples and ranges as lists. RequestError for a text where a list belongs."""
    keywords = dict(keywords)
    for name in ("modalities", "ablations", "vectors", "seeds"):
        value = keywords.get(name)
        if isinstance(value, str) and name != "seeds":
            raise RequestError(f"{function}({name}={value!r}): give a list, [{value!r}]")
        if isinstance(value, tuple | range):
            keywords[name] = list(value)
    return keywords


def _keyword_types() -> dict[str, Any]:
    from pydantic import Field

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
        "settings": dict[str, Any],
        "encoders": by_modality,
        "streams": by_modality,
        "modalities": list[Modality] | None,
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
        "watch": Any,
    }

"""Which of a data set's tasks or protocols is meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from merbench.api import Corpus, RequestError
from merbench.host.catalog import unknown


def pick(
    kind: str, requested: str | None, offers: Mapping[str, Any], usual: str, corpus: Corpus
) -> tuple[str, Any]:
    """The task or protocol that was asked for, the usual one, or the first."""
    name = requested or (usual if usual in offers else next(iter(offers)))
    if name not in offers:
        raise RequestError(unknown(kind, name, list(offers), f"--{kind} of dataset {corpus.name}"))
    return name, offers[name]

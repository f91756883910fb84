"""``merbench.list_models`` and its like: what there is to choose from; and data sets as objects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from merbench.bench.python_function import python_function
from merbench.bench.python_session import catalog, homes

if TYPE_CHECKING:
    from merbench.api.material.corpus import Corpus

KINDS = (
    "models",
    "encoders",
    "fusions",
    "label-encoders",
    "heads",
    "objectives",
    "views",
    "datasets",
    "forms",
    "metrics",
    "executors",
    "loggers",
)


@python_function
def list_models() -> dict[str, str]:
    """Name -> one sentence, of every model that the installed plugins offer."""
    return list_parts("models")


@python_function
def list_datasets() -> dict[str, str]:
    """Name -> one sentence, of every declared data set; not every one need be on this machine."""
    return list_parts("datasets")


@python_function
def list_parts(kind: str) -> dict[str, str]:
    """Name -> one sentence. ``kind``: as in ``merbench list``, such as ``"encoders"``. RequestError
    for another.
    """
    from merbench.api.errors import RequestError
    from merbench.host.catalog import unknown

    if kind not in KINDS:
        raise RequestError(unknown("kind", kind, list(KINDS), "merbench list"))
    if kind == "metrics":
        return {metric.name: metric.summary for metric in catalog().metrics.metrics}
    singular = "recipe" if kind == "models" else kind[:-1]
    return {name: catalog().summary(singular, name) for name in catalog().names(singular)}


@python_function
def load_dataset(name: str = "sample", data: str | Path | None = None) -> Corpus:
    """A data set: ids, texts, tasks, streams and protocols, as numpy arrays; features are read when
    first used.

    RequestError where it is not on this machine, with where it was looked for.
    """
    from merbench.engine.plan.datasets import open_dataset

    return open_dataset(catalog(), name, homes(data))

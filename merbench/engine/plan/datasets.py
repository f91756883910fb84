"""A data set by name: read from its folder, or made by its factory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from merbench.api import Config, Corpus, MerbenchError, RequestError
from merbench.data.folder.read import read_folder
from merbench.data.home import find_folder, missing_message, unknown_message
from merbench.engine.plan.settings import configured
from merbench.host.catalog import Catalog


def open_dataset(catalog: Catalog, name: str, homes: Sequence[Path]) -> Corpus:
    """A declared data set, or a folder of that name under one of ``homes``. RequestError where
    there is neither.
    """
    if name not in catalog.names("dataset") and (folder := find_folder(name, list(homes))):
        return read_folder(folder)
    if name not in catalog.names("dataset"):
        raise RequestError(unknown_message(name, list(homes), catalog.names("dataset")))
    component = catalog.component("dataset", name)
    if component.folder:
        folder = find_folder(component.folder, list(homes))
        if folder is None:
            raise RequestError(missing_message(name, list(homes), component.obtain))
        return read_folder(folder)
    factory = catalog.load(component)
    config = configured(getattr(factory, "Config", Config), {}, "", f"dataset {name}")
    try:
        corpus = factory(config).load()
    except MerbenchError:
        raise
    except Exception as error:
        raise RequestError(
            f"dataset {name} ({component.target}) cannot be made: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(corpus, Corpus):
        raise RequestError(
            f"load() of dataset {name} ({component.target}) returned a {type(corpus).__name__}; "
            "it is to return a Corpus"
        )
    return corpus

"""A data set by name: read from its folder, or made by its factory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from merbench.api import Config, Corpus, RequestError
from merbench.data.folder import read_folder
from merbench.data.locate import find_folder, missing_message, unknown_message
from merbench.host.catalog import Catalog


def open_dataset(catalog: Catalog, name: str, homes: Sequence[Path]) -> Corpus:
    """A declared data set, or a folder of that name under one of ``homes``. RequestError where there is neither."""
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
    corpus: Corpus = factory(getattr(factory, "Config", Config)()).load()
    return corpus

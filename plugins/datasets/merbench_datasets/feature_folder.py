"""The form ``feature-folder``: a data set that somebody described by hand."""

from __future__ import annotations

from merbench.api import Sink, Source
from merbench_datasets.form_settings import Plain

_FILE = "dataset.toml"


class FeatureFolder(Plain):
    """``dataset.toml`` + ``label.csv`` + ``.npz`` files, taken over as they are."""

    looks_for = f"a folder with a {_FILE}"

    def recognise(self, source: Source) -> str:
        return "" if (source.path / _FILE).is_file() else f"it has no {_FILE}"

    def convert(self, source: Source, sink: Sink) -> None:
        sink.folder(source.path)

"""The form ``feature-folder``: a data set that somebody described by hand."""

from __future__ import annotations

from merbench.api import Config, Sink, Source

_FILE = "dataset.toml"


class FeatureFolder:
    """``dataset.toml`` + ``label.csv`` + ``.npz`` files, taken over as they are."""

    looks_for = f"a folder with a {_FILE}"

    class Config(Config):
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    def recognise(self, source: Source) -> str:
        return "" if (source.path / _FILE).is_file() else f"it has no {_FILE}"

    def convert(self, source: Source, sink: Sink) -> None:
        sink.folder(source.path)

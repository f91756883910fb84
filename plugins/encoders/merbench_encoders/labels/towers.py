"""``label-towers``: the label texts read by another encoder for each modality."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, Literal

from pydantic import ValidationError, model_validator
from torch import nn

from merbench.api import MODALITIES, Config, Context, LabelSpace, Modality, Queries

_READERS = {
    "label-vectors": "labels.vectors:LabelVectors",
    "label-random": "labels.vectors:LabelRandom",
    "label-hf": "labels.hf:LabelHf",
    "label-clip": "labels.clip:LabelClip",
}


def _factory(reader: Reader) -> Any:
    module, _, name = _READERS[reader.name].partition(":")
    return getattr(import_module(f"merbench_encoders.{module}"), name)


class Reader(Config):
    """A label encoder by name, with its own settings."""

    name: Literal["label-vectors", "label-random", "label-hf", "label-clip"] = "label-vectors"
    settings: dict[str, Any] = {}

    @model_validator(mode="after")
    def _check_settings(self) -> Reader:
        try:
            self.config()
        except ValidationError as error:
            first_error = error.errors()[0]
            field = ".".join(map(str, first_error["loc"]))
            field_names = ", ".join(_factory(self).Config.model_fields)
            raise ValueError(
                f"{self.name}: {field}: {first_error['msg']}; its settings are {field_names}"
            ) from None
        return self

    def config(self) -> Config:
        """Its settings, with every default filled in."""
        config: Config = _factory(self).Config.model_validate(self.settings)
        return config


class LabelTowers(nn.Module):
    """Label texts -> Queries [C, D] of the reader for text, and ``by_modality`` [C, D_m] of those
    for audio and video: say CLIP's text tower, whose space its image tower shares.

    ``--set 'label_encoder.video={"name": "label-clip", "settings": {"width": 64}}'``.
    """

    class Config(Config):
        text: Reader = Reader()
        """The label encoder (``name``, ``settings``) whose vectors are the queries."""
        audio: Reader | None = Reader()
        """None: audio has the vectors of text. The same for video."""
        video: Reader | None = Reader()
        """The label encoder whose vectors video is compared with; None: those of text."""

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__()
        self.readers = nn.ModuleDict(
            {m: _factory(reader)(reader.config(), context) for m, reader in _each(config)}
        )
        widths: dict[Modality, Any] = {m: reader.width for m, reader in self.readers.items()}
        self.width: int = widths.pop("text")
        self.widths: dict[Modality, int] = widths

    @staticmethod
    def pretrained(config: Config) -> dict[str, str]:
        """Name -> SHA-256 of the weights that its readers start from."""
        return _gathered(config, "pretrained")

    @staticmethod
    def sources(config: Config) -> dict[str, str]:
        """Name -> where those weights come from."""
        return _gathered(config, "sources")

    def forward(self, space: LabelSpace | None = None) -> Queries:
        emb = {m: reader(space).emb_CD for m, reader in self.readers.items()}
        return Queries(emb.pop("text"), by_modality=emb)


def _each(config: Any) -> Iterator[tuple[Modality, Reader]]:
    for modality in MODALITIES:
        reader = getattr(config, modality)
        if reader is not None:
            yield modality, reader


def _gathered(config: Any, name: str) -> dict[str, str]:
    gathered: dict[str, str] = {}
    for _, reader in _each(config):
        method = getattr(_factory(reader), name, None)
        gathered |= method(reader.config()) if method else {}
    return gathered

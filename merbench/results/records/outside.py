"""Predictions that were made outside merbench: what their makers state, and the hash by which a
later change is noticed.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from merbench.api.declarations.config import Config

UNKNOWN: Literal["unknown"] = "unknown"
MARK = " (outside)"
"""After the name of a row whose predictions were made outside merbench."""

Line = Annotated[str, Field(max_length=2000)]


def one_line(text: str) -> str:
    """The text, as a public board may show it; else ValueError."""
    if any(not sign.isprintable() for sign in text):
        raise ValueError("write it on one line, without control characters")
    if re.search(r"[^\s@]+@[^\s@]+\.[^\s@]+", text):
        raise ValueError("leave e-mail addresses out; boards are public")
    return text


class About(Config):
    """What the makers state. merbench checks its form and nothing else."""

    source: Line = ""
    """Where the predictions come from: a URL, or a citation."""
    licence: Line = ""
    """Of the predictions, such as ``CC-BY-4.0``."""
    date: datetime.date | None = None
    """When they were made."""
    description: Line = ""
    streams: list[str] | Literal["unknown"] = UNKNOWN
    """The data set's streams that the model was offered (it may have used fewer)."""
    pretrained: list[str] | Literal["unknown"] = UNKNOWN
    """What it starts from: ``vectors:NAME`` and ``tower:NAME`` as ``--vectors`` and
    ``--text-tower`` take them, anything else by a name of its own; [] = nothing.
    """

    @field_validator("source", "licence", "description")
    @classmethod
    def _one_line_without_addresses(cls, text: str) -> str:
        return one_line(text)


class Outside(Config):
    """The part of a record that only outside predictions have.

    ``file_sha256``: of the file that was scored. ``predictions_sha256``: ``digest`` of what was
    read from it. ``unparsed``: answers of a language model that held no label, counted as wrong.
    """

    about: About
    file_sha256: str
    predictions_sha256: str
    unparsed: int = 0

    @property
    def sentence(self) -> str:
        """For the notes below a board."""
        about = self.about
        stated = [
            about.description,
            f"source: {about.source or 'not stated'}",
            f"licence: {about.licence or 'not stated'}",
            f"made on {about.date}" if about.date else "",
            f"offered {_list(about.streams)}, starting from {_list(about.pretrained)}",
        ]
        wrong = f"; {self.unparsed} answers without a label count as wrong" if self.unparsed else ""
        return (
            "predictions made outside merbench, whose training nobody checked here"
            f"{wrong}; its makers state: {'; '.join(filter(None, stated))}"
        )


def digest(ids: Sequence[str], prediction: np.ndarray) -> str:
    """SHA-256 over ids and predictions [N] or [N, C] in double precision, in the order of rows."""
    hashed = sha256("\0".join([*ids, ""]).encode())
    hashed.update(str(prediction.shape).encode())
    hashed.update(np.ascontiguousarray(prediction, dtype="<f8").tobytes())
    return hashed.hexdigest()


def _list(names: list[str] | Literal["unknown"]) -> str:
    return names if isinstance(names, str) else ", ".join(names) or "nothing"

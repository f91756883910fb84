"""``about.toml``: what the makers of outside predictions state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from merbench.api.did_you_mean import did_you_mean
from merbench.api.errors import DataError, RequestError
from merbench.api.what_fits import what_fits
from merbench.data.folder.toml_section import read_toml
from merbench.results.records.outside import MARK, About


def read_about(path: Path) -> About:
    """DataError, in one sentence with the file's name, for what is no such file."""
    return about_of(read_toml(path, "--about names a TOML file"), str(path))


def about_of(stated: Mapping[str, Any], origin: str) -> About:
    """``origin``: what the sentence of a DataError names."""
    known = list(About.model_fields)
    if strange := [key for key in stated if key not in known]:
        raise DataError(f"{origin}: unknown key {strange[0]!r}; {did_you_mean(strange[0], known)}")
    try:
        return About(**stated)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        if key in ("streams", "pretrained"):
            raise DataError(f'{origin}: {key} is a list of names, or "unknown"') from None
        raise DataError(f"{origin}: {key}: {what_fits(first)}") from None


def check_name(name: str, models: list[str]) -> None:
    """RequestError for what cannot name a row, or would be taken for a model of ``models``."""
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > 80:
        raise RequestError(
            f"--name {name!r}: give up to 80 printable characters without blanks at the ends"
        )
    if name.startswith("-") or "," in name or name.endswith(MARK):
        raise RequestError(
            f"--name {name!r}: leave out commas, a hyphen at the start and {MARK!r} at the end, "
            "so that commands can tell it from options, lists and rows"
        )
    if name in models:
        raise RequestError(
            f"--name {name} is a model that merbench trains; give these predictions another name"
        )

"""``about.toml`` beside ``index.html``: whose boards these are."""

from __future__ import annotations

import tomllib
from pathlib import Path

from merbench.api.declarations.config import Config
from merbench.api.errors import DataError
from merbench.api.first_line import first_line

ABOUT = "about.toml"


class SiteAbout(Config):
    """``repository``: an address, empty where there is none to link to; ``authors`` as they are
    cited.
    """

    title: str = "Leaderboards"
    purpose: str = (
        "Methods of multimodal emotion recognition, compared under one protocol: the same rows, "
        "streams and pretrained material, settings chosen on validation rows, test rows read once."
    )
    repository: str = ""
    authors: str = "The merbench maintainers"


def read_site_about(root: Path) -> SiteAbout:
    """DataError, naming the file, for what cannot be read; the defaults where there is none."""
    file = root / ABOUT
    if not file.is_file():
        return SiteAbout()
    try:
        about = SiteAbout(**tomllib.loads(file.read_text(encoding="utf-8")))
        if about.repository and not about.repository.startswith(("https://", "http://")):
            raise ValueError("repository is no address; give https://...")
        return about
    except (OSError, ValueError, TypeError, RecursionError) as error:
        reason = first_line(error)
        fields = ", ".join(SiteAbout.model_fields)
        raise DataError(f"{file} cannot be read ({reason}); it may hold {fields}") from error

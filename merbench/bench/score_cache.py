"""Where the scores of a store's runs are kept, and the pictures that were drawn of any."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from merbench.data.encoder_cache.cache import cache_home
from merbench.report.scores.cache import Cache

if TYPE_CHECKING:
    from merbench.report.pictures.picture_cache import KeptPictures


PICTURES = "pictures"
"""The folder of kept pictures in the user's cache."""


def score_cache(store: Path) -> Cache:
    """In the store itself."""
    return cache_in(store / "cache" / "scores")


def cache_in(folder: Path) -> Cache:
    """With the code that was parsed in the user's cache, which all stores share."""
    return Cache(folder, cache_home(os.environ) / "code.json")


def kept_pictures() -> KeptPictures:
    """In the user's cache, whatever folder they were drawn for."""
    # And with it matplotlib, which takes long.
    from merbench.report.pictures.picture_cache import KeptPictures

    return KeptPictures(cache_home(os.environ) / PICTURES)

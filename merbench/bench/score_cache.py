"""Where the scores of a store's runs are kept."""

from __future__ import annotations

import os
from pathlib import Path

from merbench.data.encoder_cache.cache import cache_home
from merbench.report.scores.cache import Cache


def score_cache(store: Path) -> Cache:
    """In the store itself."""
    return cache_in(store / "cache" / "scores")


def cache_in(folder: Path) -> Cache:
    """With the code that was parsed in the user's cache, which all stores share."""
    return Cache(folder, cache_home(os.environ) / "code.json")

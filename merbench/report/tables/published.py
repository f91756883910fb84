"""What papers and other repositories state about a data set (``published.toml``): claims, in a
block of their own, never ranked.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from merbench.results.record import Track


@dataclass(frozen=True)
class Published:
    """One source's claims about one data set. ``scores``: model -> metric -> score, on the scale of
    ``merbench.results.metrics``.
    """

    by: str
    source: str
    note: str
    scores: Mapping[str, Mapping[str, float]]


def published(track: Track) -> list[Published]:
    """Claims about the standard sentiment task of the track's data set; nothing is claimed about
    other tasks and splits.
    """
    if (track.task, track.protocol) != ("sentiment", "standard"):
        return []
    found = []
    for by, told in tomllib.loads(
        files("merbench.report.tables").joinpath("published.toml").read_text()
    ).items():
        rows = told.get(track.dataset, {})
        scores = {
            name: {
                m: v if m in ("mae", "corr") else round(v / 100, 6)
                for m, v in zip(told["metrics"], values, strict=True)
            }
            for name, values in rows.items()
        }
        if scores:
            found.append(Published(by, told["source"], told["note"], scores))
    return found

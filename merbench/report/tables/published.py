"""What papers and other repositories state about a data set (``published.toml``): claims, in a
block of their own, never ranked.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.board.row_scores import RowScores
from merbench.report.scores.rows.entries import Board
from merbench.results.records.record import Track

Tier = Literal["claimed", "re-run", "contradicted"]
TIERS: Mapping[Tier, str] = {
    "claimed": "not re-run here",
    "re-run": "re-run here",
    "contradicted": "contradicted by the re-run here",
}


@dataclass(frozen=True)
class Claim:
    """One row of a source. ``scores``: metric -> score, on the scale of
    ``merbench.results.metrics``. ``model``: merbench's name of the method, empty where it has none.
    ``streams``: what the claim was made on, as merbench's converter names it; empty = not known.
    """

    name: str
    scores: Mapping[str, float]
    model: str = ""
    streams: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Published:
    """One source's claims about one data set."""

    by: str
    source: str
    note: str
    claims: tuple[Claim, ...]


def published(track: Track) -> list[Published]:
    """Claims about the standard sentiment task of the track's data set; nothing is claimed about
    other tasks and splits.
    """
    if (track.task, track.protocol) != ("sentiment", "standard"):
        return []
    text = files("merbench.report.tables").joinpath("published.toml").read_text(encoding="utf-8")
    sources = []
    for by, content in tomllib.loads(text).items():
        rows = content.get(track.dataset, {})
        claims = tuple(_claim(name, values, content) for name, values in rows.items())
        if claims:
            sources.append(Published(by, content["source"], content["note"], claims))
    return sources


def _claim(name: str, values: list[float], content: Mapping[str, Any]) -> Claim:
    """``"TFN (unaligned)"``: the method, and the features of ``content`` that it was run on."""
    method, _, features = name.partition(" (")
    scores = {
        metric: value if metric in ("mae", "corr") else round(value / 100, 6)
        for metric, value in zip(content["metrics"], values, strict=True)
    }
    streams = content.get("features", {}).get(features.rstrip(")"), ())
    return Claim(name, scores, content.get("models", {}).get(method, ""), frozenset(streams))


def tier(claim: Claim, board: Board, scores: BoardScores) -> Tier:
    """``re-run``: the board has the method on the claim's own inputs; ``contradicted``: and the
    95 % interval of its best row excludes the claim.
    """
    rerun = re_run(claim, board, scores)
    if rerun is None or scores.metric not in claim.scores:
        return "claimed"
    low, high = rerun.intervals[scores.metric]
    return "re-run" if low <= claim.scores[scores.metric] <= high else "contradicted"


def re_run(claim: Claim, board: Board, scores: BoardScores) -> RowScores | None:
    """The best row of the claim's method; None where its inputs are not those of the board, which
    may start from more or train on less, or it was not run, or has no interval.
    """
    track = board.track
    other = track.pretrained or track.leaks or track.labels or track.missing or track.without
    if not claim.streams or claim.streams != set(track.streams) or other:
        return None
    names = {
        entry.name
        for entry in board.entries
        if entry.first.spec.model == claim.model and not entry.ablation and not entry.first.outside
    }
    ranked = (scores.rows[name] for name in scores.rows if name in names)
    return next((row for row in ranked if scores.metric in row.intervals), None)

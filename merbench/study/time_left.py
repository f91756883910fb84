"""How long the rest of a study will take, from what its runs and trials have taken so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any


@dataclass
class TimeLeft:
    """``seconds_a_run``: cell -> seconds that its finished runs took. A cell of which nothing is
    done is taken for an average one.
    """

    seconds_a_run: dict[str, list[float]] = field(default_factory=dict)

    def add(self, cell: str, seconds: float) -> None:
        self.seconds_a_run.setdefault(cell, []).append(seconds)

    def estimate(self, runs_by_cell: Mapping[str, float], at_once: int) -> float | None:
        """Seconds, ``at_once`` runs at a time. ``runs_by_cell``: cell -> its runs that are left, a
        running one as the share that is left of it. None where nothing is known.
        """
        known = {cell: fmean(seconds) for cell, seconds in self.seconds_a_run.items() if seconds}
        if not any(runs_by_cell.values()):
            return 0.0
        if not known:
            return None
        average = fmean(known.values())
        work = sum(runs * known.get(cell, average) for cell, runs in runs_by_cell.items())
        return work / max(1, at_once)


def share_left(about: Mapping[str, Any]) -> float:
    """Of a running run, by what its claim says of it: 1 before the first epoch, one half where
    nobody knows.
    """
    epochs = about.get("of")
    return 1 - about.get("epoch", 0) / epochs if epochs else 0.5


def seconds_by_progress(abouts: Iterable[tuple[str, Mapping[str, Any]]]) -> TimeLeft:
    """From running runs alone, where none is finished: what has passed, over the share of the
    epochs. ``abouts``: cell and claim.
    """
    time_left = TimeLeft()
    for cell, about in abouts:
        if about.get("epoch") and about.get("of") and "seconds" in about:
            time_left.add(cell, about["seconds"] * about["of"] / about["epoch"])
    return time_left


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

"""What is said where a store has no run of what is asked for."""

from __future__ import annotations

from collections.abc import Iterable

from merbench.api.did_you_mean import did_you_mean
from merbench.report.scores.rows.entries import Entry, rows_named
from merbench.results.records.record import Record


def no_run(
    records: Iterable[Record], store: object, dataset: str | None = None, track: str | None = None
) -> str:
    """One sentence: what was asked for, what there is, and how to get more."""
    known = sorted({r.track.dataset for r in records if r.status == "done"})
    where = "".join(f" of {name}" for name in (dataset, track) if name)
    sentence = f"no finished run{where} in the store {store}"
    if not known:
        return f"{sentence}; merbench run --model merclip makes some"
    if dataset and dataset not in known:
        near = did_you_mean(dataset, known, otherwise=f"it has runs of {', '.join(known)}", most=3)
        return f"{sentence}; {near}"
    if track:
        return f"{sentence}; merbench leaderboard shows the tracks there are"
    return f"{sentence}; the same run command continues what is unfinished"


def no_row(name: str, entries: Iterable[Entry]) -> str:
    """One sentence for what is no row's name, or is that of several rows."""
    entries = list(entries)
    if alike := sorted({e.name for e in rows_named(name, entries)}):
        if len(alike) == 1:
            return f"no run of {alike[0]} is finished; the same run command makes what is missing"
        return f"there are several rows of {name}: {', '.join(map(repr, alike))}; name one of them"
    names = [entry.name for entry in entries]
    advice = did_you_mean(name, names, most=3)
    return f"unknown row {name!r}; {advice} (merbench leaderboard shows them)"

"""What a page says of its runs before any number: how many, when, with what, on which hardware."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from merbench.api.plural import count_of
from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board
from merbench.report.tables.numbers import number
from merbench.results.records.provenance import version_order
from merbench.results.records.record import Record


@dataclass(frozen=True)
class RunFacts:
    """Read from records, never from the clock, so that a page drawn again is the same."""

    runs: int
    first_day: str
    last_day: str
    versions: tuple[str, ...]
    commits: tuple[str, ...]
    hardware: tuple[str, ...]

    @property
    def days(self) -> str:
        if self.first_day == self.last_day:
            return self.first_day
        return f"{self.first_day} to {self.last_day}"


def facts_of_runs(records: Sequence[Record]) -> RunFacts:
    days = sorted(r.started[:10] for r in records)
    versions = {str(r.provenance.get("merbench", "")) for r in records} - {""}
    commits = {str((r.provenance.get("git") or {}).get("commit", ""))[:7] for r in records} - {""}
    machines = Counter(_hardware(r) for r in records)
    common = sorted(machines.items(), key=lambda item: (-item[1], item[0]))
    hardware = tuple(f"{name} ({count:,} runs)" for name, count in common)
    return RunFacts(
        len(records),
        days[0] if days else "",
        days[-1] if days else "",
        tuple(sorted(versions, key=version_order)),
        tuple(sorted(commits)),
        hardware,
    )


def _hardware(record: Record) -> str:
    """``CPU, x86_64, 1 thread``."""
    provenance = record.provenance
    device = str(provenance.get("device", "unknown device"))
    parts = [device.upper() if device == "cpu" else device]
    if machine := provenance.get("machine"):
        parts.append(str(machine))
    if (threads := provenance.get("threads")) and device == "cpu":
        parts.append(count_of(threads, "thread"))
    return ", ".join(parts)


def split(board: Board, scores: BoardScores) -> str:
    """What the protocol trains, chooses and tests on."""
    largest = max(scores.rows.values(), key=lambda r: r.rows, default=None)
    if largest is None:
        test = "no scored rows"
    else:
        test = f"{largest.rows:,} test rows of {largest.videos:,} videos"
    if folds := len({r.fold for e in board.entries for r in e.records} - {None}):
        return f"{folds} folds, whose {test} are scored as one set"
    counts = board.entries[0].first.counts
    if not {"train", "valid"} <= counts.keys():
        return test
    return f"{counts['train']:,} train and {counts['valid']:,} validation rows, {test}"


def finding(board: Board, scores: BoardScores) -> str:
    """The board in one sentence or two: who leads, what is not separated from it, and which floor
    is hardest to beat.
    """
    metric = scores.ranks_by
    names = [n for n in scores.standings if scores.metric in scores.rows[n].summary]
    if not names:
        return "No model is ranked yet."
    best, others = names[0], names[1:]
    extreme = "highest" if metric.higher_is_better else "lowest"
    lead = f"{board.by_name[best].title} has the {extreme} {metric.title}, {score_of(scores, best)}"
    worse = sum(not scores.standings[name].with_the_best for name in others)
    return f"{lead}; {_significantly_worse(worse, len(others))}.{_strongest_floor(board, scores)}"


def _significantly_worse(count: int, others: int) -> str:
    if others == 0:
        return "it is the only ranked row"
    if others == 1:
        return f"the only other row is {'' if count else 'not '}significantly worse"
    if count in (0, others):
        return f"{'all' if count else 'none'} of the {others} other rows are significantly worse"
    return f"{count} of the {others} other rows {'is' if count == 1 else 'are'} significantly worse"


def _strongest_floor(board: Board, scores: BoardScores) -> str:
    """A sentence; empty where no floor has a score."""
    floors = {e.name for e in board.entries if e.floor}
    name = next((name for name in scores.rows if name in floors), None)
    score = score_of(scores, name) if name else ""
    if not score:
        return ""
    every = ", better than every model" if name == next(iter(scores.rows)) else ""
    return f" The strongest floor, {name}, has {score}{every}."


def score_of(scores: BoardScores, name: str) -> str:
    """``1.109 [1.006, 1.215]``, the interval unbroken; empty where the row has no score."""
    row, metric = scores.all_rows.get(name), scores.ranks_by
    if row is None or scores.metric not in row.summary:
        return ""
    text = number(row.summary[scores.metric].mean, metric)
    if ends := row.intervals.get(scores.metric):
        text += f" [{number(ends[0], metric)},\N{NO-BREAK SPACE}{number(ends[1], metric)}]"
    return text

"""Records -> the rows of each track: which runs belong together, and by which name and settings a
reader distinguishes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from merbench.api.material.types import SpaceKind
from merbench.report.scores.rows.differing_settings import differing_settings, label
from merbench.report.scores.rows.pooled_seeds import fold_count, group
from merbench.report.scores.rows.shown_settings import Unnamed, shown_settings
from merbench.results.dataset_name import ordered
from merbench.results.metrics import BUILT_IN, Registry, TaskMetrics
from merbench.results.records.outside import MARK
from merbench.results.records.record import Record, Track
from merbench.results.records.titles import is_meant, titles
from merbench.results.store.corrections import Correction, by_old_run


@dataclass(frozen=True)
class Entry:
    """One row of a table: every run of one spec on the same data, made by one version of its
    components' source, by seed and fold.

    ``settings``: what distinguishes it from other rows of its model and ablation; empty where there
    is no other. ``shown_settings``: what tables say of them (``shown_settings.py``).
    ``correction``: of a superseded row.
    """

    records: tuple[Record, ...]
    settings: str = ""
    floor: bool = False
    correction: Correction | None = None
    shown_settings: str = ""

    @cached_property
    def label(self) -> str:
        """Model and ablation: stays the same whatever else is run."""
        return label(self.first)

    @cached_property
    def name(self) -> str:
        """Unique on its board."""
        return f"{self.label} {self.settings}".strip()

    @cached_property
    def title(self) -> str:
        """For readers: ``text-only (text tower frozen)``."""
        return f"{self.label} ({self.shown_settings})" if self.shown_settings else self.label

    @property
    def first(self) -> Record:
        return self.records[0]

    @property
    def ablation(self) -> str:
        return self.first.spec.ablation

    @property
    def done(self) -> list[Record]:
        return [r for r in self.records if r.status == "done"]


@dataclass(frozen=True)
class Board:
    """One track. ``entries`` by name; which is better is not known here. ``metrics``: of its task,
    with the one that ranks. ``superseded``: rows that corrections took out of ``entries``.
    """

    track: Track
    metrics: TaskMetrics
    entries: tuple[Entry, ...]
    given_title: str = ""
    """Where the track's own title is another board's too."""
    superseded: tuple[Entry, ...] = ()

    @property
    def all_entries(self) -> tuple[Entry, ...]:
        """The superseded ones too."""
        return (*self.entries, *self.superseded)

    @cached_property
    def by_name(self) -> dict[str, Entry]:
        """Every row, the superseded ones too."""
        return {entry.name: entry for entry in self.all_entries}

    def superseding(self, entry: Entry) -> list[Entry]:
        """The rows that superseded this one; they may be superseded themselves."""
        new = entry.correction.new if entry.correction else {}
        return [e for e in self.all_entries if any(r.run_id in new for r in e.records)]

    @property
    def title(self) -> str:
        return self.given_title or self.track.title

    @property
    def kind(self) -> SpaceKind:
        return self.metrics.space.kind

    @cached_property
    def short_titles(self) -> dict[str, str]:
        """Name -> the label where no other row has it, else the title; all different."""
        labels = Counter(entry.label for entry in self.all_entries)
        titles = Counter(entry.title for entry in self.all_entries)
        return {
            entry.name: entry.label
            if labels[entry.label] == 1
            else entry.title
            if titles[entry.title] == 1
            else entry.name
            for entry in self.all_entries
        }

    @cached_property
    def folds(self) -> int:
        """How many the protocol has, 1 where it has none."""
        return fold_count(r for e in self.entries for r in e.records)

    @property
    def fold_numbers(self) -> set[int | None]:
        """``{None}`` where the protocol has no folds."""
        return set(range(self.folds)) if self.folds > 1 else {None}

    @property
    def caveats(self) -> list[str]:
        of_models = {
            f"{e.first.spec.model}: {e.first.caveat}" for e in self.entries if e.first.caveat
        }
        missing = self.metrics.missing_rank
        of_rank = (
            f"ranked by {self.metrics.ranking}: the data set ranks by {missing!r}, a metric of no "
            "installed plugin"
        )
        return [*([of_rank] if missing else []), *sorted(of_models)]


def collect(
    records: Iterable[Record],
    floors: Collection[str],
    dataset: str | None = None,
    track: str | None = None,
    registry: Registry = BUILT_IN,
    corrections: Iterable[Correction] = (),
) -> list[Board]:
    """The boards of these records, by title. ``floors``: names of models that are floors.
    ``track``: a title or a part of it. ``registry``: the metrics there are.
    """
    by_track: dict[str, list[Record]] = {}
    for record in on_each_track(records):
        by_track.setdefault(record.track.model_dump_json(), []).append(record)
    names_of_tracks = titles([of_track[0].track for of_track in by_track.values()])
    corrections = list(corrections)
    boards = []
    for title, of_track in zip(names_of_tracks, by_track.values(), strict=True):
        if dataset and of_track[0].track.dataset not in (dataset, ordered(dataset)):
            continue
        if track and not is_meant(title, track, names_of_tracks):
            continue
        boards.append(_board(of_track, floors, registry, title, corrections))
    return sorted(boards, key=lambda b: (b.title, b.track.model_dump_json()))


def _board(
    records: Sequence[Record],
    floors: Collection[str],
    registry: Registry,
    title: str,
    corrections: Sequence[Correction],
) -> Board:
    """Of one track. A run leaves the rows only where what supersedes it is there."""
    names = {record.run_id for record in records}
    superseded = by_old_run(c for c in corrections if names & c.new.keys())
    live = [r for r in records if r.run_id not in superseded]
    if not live:  # corrections in a circle
        superseded, live = {}, list(records)
    groups = _rows(live)
    unnamed = [
        Unnamed(rows[0], settings, rows[0].spec.model in floors)
        for settings, rows in zip(differing_settings(groups), groups, strict=True)
    ]
    entries = [
        Entry(tuple(rows), row.settings, row.fixed, shown_settings=shown)
        for rows, row, shown in zip(groups, unnamed, shown_settings(unnamed), strict=True)
    ]
    earlier = _superseded_rows([r for r in records if r.run_id in superseded], superseded)
    # A data set may rank by another metric than when its first runs were made.
    newest = max(live, key=lambda r: (r.started, r.run_id))
    metrics = registry.of(newest.space.label_space(), newest.space.rank)
    by_name = tuple(sorted(entries, key=lambda e: e.name))
    return Board(newest.track, metrics, by_name, title, tuple(earlier))


def _rows(records: Iterable[Record]) -> list[list[Record]]:
    return [sorted(rows, key=_order) for rows in group(records).values()]


def _superseded_rows(
    records: Sequence[Record], superseded: Mapping[str, Correction]
) -> Iterator[Entry]:
    """From the oldest correction on, named by model, ablation and its date."""
    by_correction = sorted(
        {superseded[r.run_id].id: superseded[r.run_id] for r in records}.values(),
        key=lambda c: (c.date, c.id),
    )
    counts: Counter[str] = Counter()
    for correction in by_correction:
        for rows in _rows(r for r in records if superseded[r.run_id].id == correction.id):
            settings = f"(superseded {correction.date})"
            name = f"{label(rows[0])} {settings}"
            counts[name] += 1
            if counts[name] > 1:
                settings = f"(superseded {correction.date}, {counts[name]})"
            shown = settings.strip("()")
            yield Entry(tuple(rows), settings, correction=correction, shown_settings=shown)


def on_each_track(records: Iterable[Record]) -> Iterator[Record]:
    """A record once for each track on which it stands."""
    for record in records:
        yield record if not record.also_on else record.model_copy(update={"also_on": []})
        for track in record.also_on:
            yield record.model_copy(update={"track": track, "also_on": []})


def _order(record: Record) -> tuple[int, int, str]:
    return record.seed, -1 if record.fold is None else record.fold, record.run_id


# --- names


def rows_named(text: str, entries: Iterable[Entry]) -> list[Entry]:
    """The rows that ``text`` names as any table shows them: by model, ablation and settings, or by
    model and ablation alone where this is one row of each board; outside predictions with or
    without their mark. A name keeps its row when a larger store shows more settings of it.
    """
    entries, text = list(entries), text.removesuffix(" (floor)")
    exact = [e for e in entries if _plain(text) in _spellings(e)]
    if exact:
        return exact
    by_search = [e for e in entries if f"{e.label} {_search_word(e.first)}" == text]
    return by_search or [e for e in entries if e.label == text or _has_settings(e, text)]


def _has_settings(entry: Entry, name: str) -> bool:
    """Whether ``tfn (train.lr=0.1)`` is of the entry, and of its settings, in any order."""
    label, _, settings = name.removesuffix(")").partition(" (")
    named = set(settings.split(", "))
    return entry.label == label and bool(settings) and named <= {*entry.shown_settings.split(", ")}


def _plain(name: str) -> str:
    """A table shows settings in a column of their own, without parentheses."""
    return name.replace("(", "").replace(")", "")


def _spellings(entry: Entry) -> tuple[str, ...]:
    names = [entry.name, f"{entry.label} {entry.shown_settings}"]
    unmarked = [name.replace(MARK, "") for name in names] if entry.first.outside else []
    return tuple(_plain(name.strip()) for name in (*names, *unmarked))


def _search_word(record: Record) -> str:
    return "tuned" if record.tuned_by else "untuned"

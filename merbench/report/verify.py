"""Whether a folder of runs is what it says: every number again from predictions and the user's labels, every rule of the protocol."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api.corpus import Corpus, Split
from merbench.api.errors import DataError
from merbench.report.cache import Cache
from merbench.report.entries import Board, collect
from merbench.report.folder import Folder, Labelled
from merbench.report.scores import BoardScores, score
from merbench.report.site import site
from merbench.report.summary import space_of
from merbench.results.metrics import METRICS, default_metric, evaluate
from merbench.results.record import Record
from merbench.results.seeds import FIRST_TUNING_SEED
from merbench.results.spec import run_id

CLOSE = 1e-9
"""Numbers may differ by so much, relatively: other builds of numpy add in another order."""
READS = ["train", "valid", "trained", "test"]
"""The order of events that ``Record.reads`` must tell: the test rows are read once, after training has ended."""


@dataclass(frozen=True)
class Failure:
    """What does not hold, and the file in which it stands."""

    file: Path
    sentence: str


@dataclass(frozen=True)
class Truth:
    """The user's own data for a track. ``content(streams)``: the hash of ids, targets, splits and these streams."""

    corpus: Corpus
    task: str
    protocol: str
    content: Callable[[tuple[str, ...]], str]
    optimum: Mapping[str, Mapping[str, float]]

    @property
    def splits(self) -> dict[int | None, Split]:
        return {split.fold: split for split in self.corpus.protocols[self.protocol].splits}

    def rows(self, fold: int | None, part: str) -> np.ndarray:
        """Row numbers of a split whose target is known (multilabel and joint: all)."""
        rows: np.ndarray = getattr(self.splits[fold], part)
        known = self.corpus.offered[self.task].known
        return rows if known is None or known.ndim > 1 else rows[known[rows]]

    def labelled(self, folder: Folder) -> Labelled:
        task = self.corpus.offered[self.task]
        target = task.target
        if task.known is not None and target.ndim > 1:
            target = np.where(task.known, target, np.nan)
        ids = self.corpus.ids.tolist()
        return Labelled(folder, dict(zip(ids, target, strict=True)), dict(zip(ids, self.corpus.videos.tolist(), strict=True)))


def rescored(folder: Folder, truth: Truth, floors: Collection[str]) -> BoardScores:
    """``scores.json`` anew. KeyError for a row that the data do not have."""
    (board,) = collect(folder.records, floors)
    return score(board, truth.labelled(folder), Cache(None), truth.optimum)


def verify(folder: Folder, truth: Truth) -> list[Failure]:
    """All that does not hold."""
    board = folder.board
    scores_file = folder.path / "scores.json"
    if truth.content(()) != board.track.revision:
        told = (
            f"your {board.track.dataset} is not the one these runs were scored on: ids, labels or splits differ from the recorded content"
        )
        return [Failure(scores_file, f"{told} {board.track.revision[:12]}"), *_runs(folder, None)]
    failures = [*_runs(folder, truth), *_rows(folder, board, truth)]
    if folder.scores is None:
        return [*failures, Failure(scores_file, "there is no scores.json")]
    if not any(f.file.parent.name == "predictions" for f in failures):
        told = json.loads(folder.scores.model_dump_json())
        again = json.loads(rescored(folder, truth, folder.scores.floors).model_dump_json())
        failures += [Failure(scores_file, sentence) for sentence in _differences(told, again)]
    try:
        drawn = site([folder])
    except DataError as error:
        return [*failures, Failure(scores_file, str(error))]
    for name, content in drawn.items():
        path = folder.path.parent / name
        # Another matplotlib draws the same picture with other bytes.
        if path.suffix != ".svg" and path.parent == folder.path and (not path.is_file() or path.read_bytes() != content):
            failures.append(Failure(path, "it is not what its records and scores give; merbench leaderboard render draws it again"))
    return failures


# --- runs


def _runs(folder: Folder, truth: Truth | None) -> Iterator[Failure]:
    seen: set[str] = set()
    for record in folder.records:
        file = folder.files[record.run_id]

        def fail(sentence: str, file: Path = file, record: Record = record) -> Failure:
            return Failure(file, f"run {record.run_id} (seed {record.seed}): {sentence}")

        if record.run_id in seen:
            yield fail("it is there twice")
        seen.add(record.run_id)
        if record.run_id != run_id(record.spec, record.contents, record.seed, record.fold):
            yield fail("its id is not that of its spec, contents, seed and fold")
        if record.status != "done":
            continue
        if sentence := selection(record):
            yield fail(sentence)
        if record.reads != READS:
            told = " -> ".join(record.reads) or "nothing"
            yield fail(f"it read its splits in the order {told}, not {' -> '.join(READS)}: test rows may have been read before the end")
        if record.tuned_by and FIRST_TUNING_SEED <= record.seed < FIRST_TUNING_SEED + record.tuned_by.get("seeds_per_trial", 1):
            yield fail("its seed is one of those that its settings were tuned with")
        if truth is not None:
            yield from (fail(sentence) for sentence in _against_data(record, truth))
            predictions = folder.path / "predictions" / file.with_suffix(".safetensors").name
            yield from (Failure(predictions, f"run {record.run_id}: {s}") for s in _scored(record, folder, truth))
    for name in sorted(folder.predicted.keys() - seen):
        yield Failure(folder.path / "predictions", f"there are predictions of run {name} and no record of it")


def _against_data(record: Record, truth: Truth) -> Iterator[str]:
    if record.fold not in truth.splits:
        yield f"the protocol has no fold {record.fold}"
        return
    if record.contents.get("data") != truth.content(tuple(record.spec.streams.values())):
        yield "the content of the streams it names is not the recorded one"
    pretrained = {k: v for k, v in record.contents.items() if k != "data"}
    if not pretrained.items() <= record.track.pretrained.items():
        yield "it starts from pretrained material that its track does not name"
    counts = {part: len(truth.rows(record.fold, part)) for part in ("train", "valid", "test")}
    if record.counts != counts:
        yield f"its splits have the sizes {record.counts}, and the data's are {counts}"


def _scored(record: Record, folder: Folder, truth: Truth) -> Iterator[str]:
    """The predictions are of exactly the test rows, and give the recorded metrics."""
    made = folder.predicted.get(record.run_id)
    if made is None:
        yield "it has no predictions"
        return
    if record.fold not in truth.splits:
        return
    rows = truth.rows(record.fold, "test")
    ids = list(folder.ids.get("" if record.fold is None else str(record.fold), ()))
    if len(made) != len(rows) or ids != truth.corpus.ids[rows].tolist():
        yield f"it has predictions of {len(made)} rows, and the test split has {len(rows)}; or their ids differ"
        return
    task = truth.corpus.offered[truth.task]
    # As the run scored them: in single precision.
    target = task.target[rows] if task.target.dtype.kind in "iu" else task.target[rows].astype(np.float32)
    known = task.known[rows] if task.known is not None and task.known.ndim > 1 else None
    try:
        again = evaluate(space_of(record), target, made, record.thresholds, known)
    except ValueError as error:
        yield str(error)
        return
    told = record.metrics.test if record.metrics else {}
    if wrong := [name for name in told.keys() | again.keys() if not _close(told.get(name), again.get(name))]:
        name = sorted(wrong)[0]
        yield f"its predictions give {name} = {again.get(name)}, and its record says {told.get(name)}"


def selection(record: Record) -> str:
    """Why ``best_epoch`` is not the best validation epoch of the last stage that selects; empty where it is."""
    settings = {stage.get("name", "main"): stage for stage in record.spec.stages} or {"main": {}}
    best: tuple[float, int] | None = None
    for name, stage in settings.items():
        mine = [e for e in record.history if e.get("stage", "main") == name]
        if not mine or not stage.get("selects", True):
            continue
        metric = stage.get("settings", {}).get("select") or record.spec.train.select or default_metric(record.space["kind"])
        sign = 1 if METRICS[metric].higher_is_better else -1
        best = None
        for entry in mine:
            value = entry.get(metric)
            better = -math.inf if value is None else sign * value
            if best is None or better > best[0]:
                best = better, entry["epoch"]
    expected = best[1] if best else None
    return "" if record.best_epoch == expected else f"best_epoch is {record.best_epoch}, and the best validation epoch is {expected}"


# --- rows


def _rows(folder: Folder, board: Board, truth: Truth) -> Iterator[Failure]:
    """Seeds: every fold of each, and the same seeds for all models and variants that were trained."""
    folds = set(truth.splits)
    seeds: dict[str, frozenset[int]] = {}
    for entry in board.entries:
        file = folder.files[entry.first.run_id]
        for seed in sorted({r.seed for r in entry.records}):
            there = {r.fold for r in entry.done if r.seed == seed}
            if there != folds:
                yield Failure(file, f"{entry.name}: seed {seed} lacks {len(folds - there)} of {len(folds)} finished folds")
        if not entry.floor:
            seeds[entry.name] = frozenset(r.seed for r in entry.records)
    usual = max(seeds.values(), key=lambda s: sum(s == other for other in seeds.values()), default=frozenset())
    for entry in board.entries:
        if seeds.get(entry.name, usual) != usual:
            found = ", ".join(map(str, sorted(seeds[entry.name])))
            yield Failure(
                folder.files[entry.first.run_id], f"{entry.name}: its seeds are {found}, and those of the other rows {_list(usual)}"
            )


def _list(seeds: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))


# --- numbers


def _close(a: Any, b: Any) -> bool:
    if isinstance(a, float | int) and isinstance(b, float | int):
        return math.isclose(a, b, rel_tol=CLOSE, abs_tol=CLOSE)
    return bool(a == b)


def _differences(told: Any, again: Any, at: str = "") -> Iterator[str]:
    """One sentence for each number of scores.json that comes out otherwise."""
    if isinstance(told, dict) and isinstance(again, dict):
        for key in dict.fromkeys((*told, *again)):
            yield from _differences(told.get(key), again.get(key), f"{at}.{key}".strip("."))
    elif isinstance(told, list) and isinstance(again, list) and len(told) == len(again):
        for number, (one, other) in enumerate(zip(told, again, strict=True)):
            yield from _differences(one, other, f"{at}[{number}]")
    elif not _close(told, again):
        yield f"{at} is {told}, and comes out as {again}"

"""Whether a folder of runs is what it says: every number again from predictions and the user's labels, every rule of the protocol."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api.corpus import Corpus, Split
from merbench.api.errors import DataError, RequestError
from merbench.report.cache import Cache
from merbench.report.entries import Board, Entry
from merbench.report.folder import Folder, Labelled
from merbench.report.plots import CREATOR, DRAWN_BY
from merbench.report.scores import BoardScores, score
from merbench.report.site import index, site
from merbench.report.summary import space_of
from merbench.results.metrics import GRID, METRICS, choose_thresholds, default_metric, evaluate
from merbench.results.record import Record, told_space
from merbench.results.seeds import FIRST_TUNING_SEED
from merbench.results.spec import run_id

CLOSE = 1e-9
"""Numbers may differ by so much, relatively: other builds of numpy add in another order."""
SELECTED = 1e-4
"""So much may a validation score differ between its epoch and the end: of seeds trained together, the two are computed in other shapes."""
READS = ["train", "valid", "trained", "test"]
"""The order of events that ``Record.reads`` must tell: the test rows are read once, after training has ended."""


@dataclass(frozen=True)
class Failure:
    """What does not hold, and the file in which it stands."""

    file: Path
    sentence: str


@dataclass(frozen=True)
class Truth:
    """The user's own data for a track, and what the catalogue says of models.

    ``content(streams)``: the hash of ids, targets, splits and these streams. ``floors``, ``closed``: models that are floors, and those that
    are fitted in closed form.
    """

    corpus: Corpus
    task: str
    protocol: str
    content: Callable[[tuple[str, ...]], str]
    optimum: Mapping[str, Mapping[str, float]]
    floors: Collection[str] = ()
    closed: Collection[str] = ()

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


def rescored(folder: Folder, truth: Truth) -> BoardScores:
    """``scores.json`` anew. DataError for records of several tracks, and where predictions, labels or rows are not there."""
    try:
        return score(folder.by(truth.floors), truth.labelled(folder), Cache(None), truth.optimum)
    except KeyError as error:
        raise DataError(
            f"{folder.path} has no predictions of the run, or your {truth.corpus.name} no row, {error}; copy records and predictions "
            "together, and bring the data set that the runs were made on"
        ) from error


def verify(folder: Folder, truth: Truth) -> list[Failure]:
    """All that does not hold."""
    board = folder.by(truth.floors)
    scores_file = folder.path / "scores.json"
    if truth.content(()) != board.track.revision:
        told = (
            f"your {board.track.dataset} is not the one these runs were scored on: ids, labels or splits differ from the recorded content"
        )
        return [Failure(scores_file, f"{told} {board.track.revision[:12]}"), *_runs(folder, None)]
    space = told_space(truth.corpus.offered[truth.task].space)
    if other := [r for r in folder.records if r.space != space]:
        # Without the task's own labels nothing of a run can be scored.
        return [Failure(folder.files[r.run_id], f"run {r.run_id} (seed {r.seed}): its label space is not that of the task") for r in other]
    failures = [*_runs(folder, truth), *_rows(folder, board, truth)]
    if folder.scores is None:
        return [*failures, Failure(scores_file, "there is no scores.json")]
    if not any(f.file.parent.name == "predictions" for f in failures):
        failures += verify_scores(folder, truth)
    try:
        drawn = site([folder])
    except DataError as error:
        return [*failures, Failure(scores_file, str(error))]
    except KeyError as error:
        return [*failures, Failure(scores_file, f"it names {error}, and no records give a row of that name")]
    return failures + [f for name, content in drawn.items() if "/" in name for f in _drawn(folder.path.parent / name, content)]


def verify_scores(folder: Folder, truth: Truth) -> list[Failure]:
    """Each number of ``scores.json`` that comes out otherwise."""
    file = folder.path / "scores.json"
    told = json.loads(folder.scores.model_dump_json()) if folder.scores else None
    try:
        again = json.loads(rescored(folder, truth).model_dump_json())
    except (DataError, ValueError) as error:
        return [Failure(file, f"it cannot be computed from the records ({error})")]
    return [Failure(file, sentence) for sentence in _differences(told, again)]


def verify_index(root: Path, folders: Sequence[Folder]) -> list[Failure]:
    """The list of all boards; nothing where a board has no scores, which ``verify`` tells."""
    if any(folder.scores is None for folder in folders):
        return []
    return list(_drawn(root / "index.html", index(folders)))


def _drawn(path: Path, content: bytes) -> Iterator[Failure]:
    kept = path.read_bytes() if path.is_file() else b""
    # Another matplotlib draws the same picture with other bytes.
    by_another = path.suffix == ".svg" and DRAWN_BY.encode() in kept and CREATOR.encode() not in kept
    if kept != content and not by_another:
        yield Failure(path, "it is not what its records and scores give; merbench leaderboard render draws it again")


# --- runs


def _runs(folder: Folder, truth: Truth | None) -> Iterator[Failure]:
    for record in folder.records:
        file = folder.files[record.run_id]

        def fail(sentence: str, file: Path = file, record: Record = record) -> Failure:
            return Failure(file, f"run {record.run_id} (seed {record.seed}): {sentence}")

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
    for name in sorted(folder.predicted.keys() - folder.files.keys()):
        yield Failure(folder.path / "predictions", f"there are predictions of run {name} and no record of it")


def _against_data(record: Record, truth: Truth) -> Iterator[str]:
    if record.fold not in truth.splits:
        yield f"the protocol has no fold {record.fold}"
        return
    streams = tuple(record.spec.streams.values())
    if lacking := [name for name in streams if name not in truth.corpus.streams]:
        yield f"it reads {lacking[0]}, which your {record.track.dataset} does not have"
    elif record.contents.get("data") != truth.content(streams):
        yield "the content of the streams it names is not the recorded one"
    pretrained = {k: v for k, v in record.contents.items() if k != "data"}
    if not pretrained.items() <= record.track.pretrained.items():
        yield "it starts from pretrained material that its track does not name"
    if strange := sorted(set(streams) - set(record.track.streams)):
        yield f"it reads {strange[0]}, which its track does not offer"
    if record.spec.allow_leak != bool(record.track.leaks):
        yield f"its spec says allow_leak={record.spec.allow_leak}, and its track names {len(record.track.leaks)} leaks"
    if sentence := cuts_of(record):
        yield sentence
    counts = {part: len(truth.rows(record.fold, part)) for part in ("train", "valid", "test")}
    if record.counts != counts:
        yield f"its splits have the sizes {record.counts}, and the data's are {counts}"


def cuts_of(record: Record) -> str:
    """Why the thresholds are none that the spec's policy chooses; empty where they may be."""
    decided = next((part for part in space_of(record).single if part.kind == "multilabel"), None)
    policy, cuts = record.spec.thresholds, record.thresholds
    if decided is None or cuts is None:
        return "" if decided is None and cuts is None else f"its thresholds are {cuts}, and its task is one of {record.space['kind']}"
    try:
        allowed = choose_thresholds(policy, np.zeros((1, 1)), np.zeros((1, 1)))
    except RequestError as error:
        return str(error)
    # Validation predictions are not kept, so of tuned thresholds no more is known than the grid on which they lie.
    allowed = allowed if policy.startswith("fixed:") else GRID
    whole = len(cuts) == len(decided.words) and set(cuts) <= set(allowed.tolist()) and (policy != "tuned_on_valid" or len(set(cuts)) == 1)
    return "" if whole else f"its thresholds {cuts} are none that {policy} chooses"


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
    """Why ``best_epoch`` is not the best validation epoch of the last stage that selects, or not the one scored; empty where it is."""
    settings = {stage.get("name", "main"): stage for stage in record.spec.stages} or {"main": {}}
    metric, top = "", -math.inf
    best: dict[str, Any] | None = None
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
            if best is None or better > top:
                top, best = better, entry
    expected = best["epoch"] if best else None
    if record.best_epoch != expected:
        return f"best_epoch is {record.best_epoch}, and the best validation epoch is {expected}"
    # A later stage that selects nothing trains on.
    if best is None or record.metrics is None or record.history[-1].get("stage") != best.get("stage"):
        return ""
    told, then = record.metrics.valid.get(metric), best.get(metric)
    return "" if _close(told, then, SELECTED) else f"its validation {metric} is {told}, and its best epoch had {then}"


# --- rows


def _rows(folder: Folder, board: Board, truth: Truth) -> Iterator[Failure]:
    """Seeds: every fold of each; 0 to N-1 and the same for all that was trained, 0 alone for what is the same for every seed."""
    folds = set(truth.splits)
    seeds: dict[str, list[int]] = {}
    for entry in board.entries:
        file = folder.files[entry.first.run_id]
        mine = sorted({r.seed for r in entry.records})
        for seed in mine:
            there = {r.fold for r in entry.done if r.seed == seed}
            if there != folds:
                yield Failure(file, f"{entry.name}: seed {seed} lacks {len(folds - there)} of {len(folds)} finished folds")
        alone = entry.floor or entry.first.spec.model in truth.closed
        if mine != list(range(1 if alone else len(mine))):
            needed = "0 alone, being the same for every seed" if alone else "all from 0 on"
            yield Failure(file, f"{entry.name}: its seeds are {_list(mine)}, and must be {needed}")
        if not alone:
            seeds[entry.name] = mine
            yield from (Failure(file, f"{entry.name}: {sentence}") for sentence in _repeated(entry, folder))
    usual = max(seeds.values(), key=lambda s: sum(s == other for other in seeds.values()), default=[])
    for entry in board.entries:
        if (mine := seeds.get(entry.name, usual)) != usual:
            sentence = f"{entry.name}: its seeds are {_list(mine)}, and those of the other rows {_list(usual)}"
            yield Failure(folder.files[entry.first.run_id], sentence)


def _repeated(entry: Entry, folder: Folder) -> Iterator[str]:
    """What was trained from another seed predicts something else."""
    seen: dict[tuple[int | None, bytes], int] = {}
    for record in entry.done:
        if (made := folder.predicted.get(record.run_id)) is not None:
            first = seen.setdefault((record.fold, made.tobytes()), record.seed)
            if first != record.seed:
                yield f"the predictions of seed {record.seed} are those of seed {first}"


def _list(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))


# --- numbers


def _close(a: Any, b: Any, by: float = CLOSE) -> bool:
    if isinstance(a, float | int) and isinstance(b, float | int):
        return math.isclose(a, b, rel_tol=by, abs_tol=by)
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

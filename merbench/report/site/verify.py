"""Whether a folder of runs is what it says: every number again from predictions and the user's
labels, every rule of the protocol.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api.config import TrainConfig
from merbench.api.corpus import Corpus, Split
from merbench.api.errors import DataError, RequestError
from merbench.report.pictures.plots import CREATOR, DRAWN_BY
from merbench.report.scores.board_scores import BoardScores, score
from merbench.report.scores.cache import Cache
from merbench.report.scores.entries import Board, Entry
from merbench.report.site.folder import Folder, Labelled, fold_name
from merbench.report.site.site import index, site
from merbench.results.metrics import BUILT_IN, GRID, Registry, choose_thresholds
from merbench.results.record import SCHEMA, Record, RecordedSpace
from merbench.results.seeds import FIRST_TUNING_SEED
from merbench.results.spec import run_id

CLOSE = 1e-9
"""Numbers may differ by so much, relatively: other builds of numpy add in another order."""
SCORED = 1e-12
"""The same of the metrics of one run, which are plain sums over its rows: one prediction that
differs in its last bit is seen, unless it is under about .01."""
SELECTED = 1e-4
"""So much may a validation score differ between its epoch and the end: of seeds trained together,
the two are computed in other shapes.
"""
NOTHING = "nothing"
"""Where one side has a number, or says that it is undefined, and the other does not name it."""
READS = ["train", "valid", "trained", "test"]
"""The order of events that ``Record.reads`` must tell: the test rows are read once, after training
has ended.
"""


@dataclass(frozen=True)
class Failure:
    """What does not hold, and the file in which it stands."""

    file: Path
    sentence: str


@dataclass(frozen=True)
class Truth:
    """The user's own data for a track, and what the catalogue says of models.

    ``content(streams)``: the hash of ids, targets, splits and these streams. ``floors``,
    ``closed``: models that are floors, and those that are fitted in closed form. ``registry``: the
    metrics there are.
    """

    corpus: Corpus
    task: str
    protocol: str
    content: Callable[[tuple[str, ...]], str]
    optimum: Mapping[str, Mapping[str, float]]
    floors: Collection[str] = ()
    closed: Collection[str] = ()
    registry: Registry = BUILT_IN

    @property
    def splits(self) -> dict[int | None, Split]:
        return {split.fold: split for split in self.corpus.protocols[self.protocol].splits}

    def rows(self, fold: int | None, part: str) -> np.ndarray:
        """Row numbers of a split whose target is known (multilabel and joint: all)."""
        rows: np.ndarray = getattr(self.splits[fold], part)
        known = self.corpus.offered[self.task].known
        return rows if known is None or known.ndim > 1 else rows[known[rows]]

    def leaks(self, stream: str) -> bool:
        """Whether a stream was fitted on labels of rows that choose or score."""
        fitted = self.corpus.streams[stream].fitted_on
        return fitted is not None and any(
            fitted[rows].any()
            for split in self.splits.values()
            for rows in (split.valid, split.test)
        )

    def labelled(self, folder: Folder) -> Labelled:
        task = self.corpus.offered[self.task]
        target = task.target
        if task.known is not None and target.ndim > 1:
            target = np.where(task.known, target, np.nan)
        ids = self.corpus.ids.tolist()
        return Labelled(
            folder,
            dict(zip(ids, target, strict=True)),
            dict(zip(ids, self.corpus.videos.tolist(), strict=True)),
        )


def rescored(folder: Folder, truth: Truth) -> BoardScores:
    """``scores.json`` anew. DataError for records of several tracks, and where predictions, labels
    or rows are not there.
    """
    try:
        return score(
            folder.by(truth.floors, truth.registry),
            truth.labelled(folder),
            Cache(None),
            truth.optimum,
        )
    except KeyError as error:
        raise DataError(
            f"{folder.path} has no predictions of the run, or your {truth.corpus.name} no row, "
            f"{error}; copy records and predictions "
            "together, and bring the data set that the runs were made on"
        ) from error


def verify(folder: Folder, truth: Truth) -> list[Failure]:
    """All that does not hold."""
    board = folder.by(truth.floors, truth.registry)
    scores_file = folder.path / "scores.json"
    if truth.content(()) != board.track.revision:
        told = (
            f"your {board.track.dataset} is not the one these runs were scored on: ids, labels or "
            "splits differ from the recorded content"
        )
        return [Failure(scores_file, f"{told} {board.track.revision[:12]}"), *_runs(folder, None)]
    space = RecordedSpace.of(truth.corpus.offered[truth.task])
    if other := [r for r in folder.records if not r.space.same_task(space)]:
        # Without the task's own labels nothing of a run can be scored.
        return [
            Failure(
                folder.files[r.run_id],
                f"run {r.run_id} (seed {r.seed}): its label space is not that of the task",
            )
            for r in other
        ]
    failures = [*_runs(folder, truth), *_rows(folder, board, truth), *_extras(folder, board)]
    if folder.scores is None:
        return [*failures, Failure(scores_file, "there is no scores.json")]
    if not any(f.file.parent.name == "predictions" for f in failures):
        failures += verify_scores(folder, truth)
    try:
        drawn = {
            folder.path.parent / name: content
            for name, content in site([folder]).items()
            if "/" in name
        }
    except DataError as error:
        return [*failures, Failure(scores_file, str(error))]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        return [
            *failures,
            Failure(
                folder.path,
                "nothing can be drawn of it, "
                f"because scores.json and records do not fit ({reason})",
            ),
        ]
    failures += [f for path, content in drawn.items() for f in _drawn(path, content)]
    mine = {
        *drawn,
        *folder.files.values(),
        *(_beside(f) for f in folder.files.values()),
        folder.path / "rows.json",
        scores_file,
    }
    mine |= {folder.path / f"{name}.json" for name in folder.extras}
    strange = (
        p
        for p in sorted(folder.path.rglob("*"))
        if not p.is_dir() and p not in mine and not p.name.startswith(".")
    )
    return failures + [Failure(path, "it is no file of a board; remove it") for path in strange]


def verify_scores(folder: Folder, truth: Truth) -> list[Failure]:
    """Each number of ``scores.json`` that comes out otherwise. Metrics that came later, and those
    of plugins that are not here, are not compared.
    """
    file = folder.path / "scores.json"
    if folder.scores is None:
        return []
    try:
        again = rescored(folder, truth)
    except (DataError, ValueError) as error:
        return [Failure(file, f"it cannot be computed from the records ({error})")]
    if again.metric != folder.scores.metric:
        ranked = f"it ranks by {folder.scores.metric}, and your data set by {again.metric}"
        return [Failure(file, f"{ranked}, or the plugin that brings the first is not installed")]
    names = folder.scores.metrics.keys() & again.metrics.keys()
    stated, computed = (
        json.loads(_only(names, scores).model_dump_json()) for scores in (folder.scores, again)
    )
    return [Failure(file, sentence) for sentence in _differences(stated, computed)]


def _only(names: Collection[str], scores: BoardScores) -> BoardScores:
    """With these metrics alone."""

    def chosen(of_metric: Mapping[str, Any]) -> dict[str, Any]:
        return {m: value for m, value in of_metric.items() if m.partition(".")[0] in names}

    rows = {
        name: row.model_copy(
            update={
                "seeds": {seed: chosen(values) for seed, values in row.seeds.items()},
                "intervals": chosen(row.intervals),
            }
        )
        for name, row in scores.rows.items()
    }
    return scores.model_copy(update={"rows": rows, "metrics": chosen(scores.metrics)})


def verify_index(root: Path, folders: Sequence[Folder]) -> list[Failure]:
    """The list of all boards; nothing where a board has no scores, which ``verify`` tells."""
    if any(folder.scores is None for folder in folders):
        return []
    return list(_drawn(root / "index.html", index(folders)))


def _drawn(path: Path, content: bytes) -> Iterator[Failure]:
    kept = path.read_bytes() if path.is_file() else b""
    # Another matplotlib draws the same picture with other bytes.
    by_another = (
        path.suffix == ".svg" and DRAWN_BY.encode() in kept and CREATOR.encode() not in kept
    )
    if kept != content and not by_another:
        yield Failure(
            path,
            "it is not what its records and scores give; "
            "merbench leaderboard render draws it again",
        )


# --- runs


def _runs(folder: Folder, truth: Truth | None) -> Iterator[Failure]:
    for record in folder.records:
        file = folder.files[record.run_id]

        def fail(sentence: str, file: Path = file, record: Record = record) -> Failure:
            return Failure(file, f"run {record.run_id} (seed {record.seed}): {sentence}")

        if record.run_id != run_id(record.spec, record.contents, record.seed, record.fold):
            yield fail("its id is not that of its spec, contents, seed and fold")
        if record.schema_number != SCHEMA:
            yield fail(f"its schema is {record.schema_number}, and this merbench reads {SCHEMA}")
        for what in ("dataset", "task", "protocol"):
            if (mine := getattr(record.spec, what)) != (named := getattr(record.track, what)):
                yield fail(f"its spec names the {what} {mine}, and its track {named}")
        if record.status != "done":
            continue
        try:
            sentence = selection(record, truth.registry if truth else BUILT_IN)
        except (KeyError, TypeError, ValueError, AttributeError, RequestError) as error:
            sentence = (
                "its stages or history are none that training leaves "
                f"({type(error).__name__}: {error})"
            )
        if sentence:
            yield fail(sentence)
        if record.error or record.cost is None:
            yield fail(
                "it is done, and has an error" if record.error else "it is done, and has no cost"
            )
        if record.reads != READS:
            told = " -> ".join(record.reads) or "nothing"
            yield fail(
                f"it read its splits in the order {told}, not {' -> '.join(READS)}: "
                "test rows may have been read before the end"
            )
        if record.seed >= FIRST_TUNING_SEED:
            yield fail("its seed is one of those that settings are tuned with")
        if truth is not None:
            yield from (fail(sentence) for sentence in _against_data(record, truth))
            yield from (
                Failure(_beside(file), f"run {record.run_id}: {s}")
                for s in _scored(record, folder, truth)
            )
    for name in sorted(folder.predicted.keys() - folder.files.keys()):
        yield Failure(
            folder.path / "predictions", f"there are predictions of run {name} and no record of it"
        )


def _beside(record: Path) -> Path:
    """The predictions of the runs in a file of records."""
    return record.parent.parent / "predictions" / record.with_suffix(".safetensors").name


def _against_data(record: Record, truth: Truth) -> Iterator[str]:
    if record.fold not in truth.splits:
        yield f"the protocol has no fold {record.fold}"
        return
    streams = tuple(record.spec.streams.values())
    if lacking := [name for name in streams if name not in truth.corpus.streams]:
        yield f"it reads {lacking[0]}, which your {record.track.dataset} does not have"
    elif record.contents.get("data") != truth.content(streams):
        yield "the content of the streams it names is not the recorded one"
    if record.metrics and record.metrics.valid.keys() != record.metrics.test.keys():
        yield "its metrics of validation and of test rows are not the same"
    pretrained = {k: v for k, v in record.contents.items() if k != "data"}
    begun = {record.spec.init_from} - {""}
    if not (
        pretrained.items() <= record.track.pretrained.items()
        and begun <= set(record.track.pretrained.values())
    ):
        yield "it starts from pretrained material that its track does not name"
    if strange := sorted(set(streams) - set(record.track.streams)):
        yield f"it reads {strange[0]}, which its track does not offer"
    seen = {name for name in streams if name in truth.corpus.streams and truth.leaks(name)}
    if lost := sorted(seen - set(record.track.leaks)):
        yield (
            f"it reads {lost[0]}, which was fitted on labels of rows that are scored, "
            "and its track does not say so"
        )
    if record.spec.allow_leak != bool(record.track.leaks):
        yield (
            f"its spec says allow_leak={record.spec.allow_leak}, "
            f"and its track names {len(record.track.leaks)} leaks"
        )
    if sentence := cuts_of(record):
        yield sentence
    counts = {part: len(truth.rows(record.fold, part)) for part in ("train", "valid", "test")}
    if record.counts != counts:
        yield f"its splits have the sizes {record.counts}, and the data's are {counts}"


def cuts_of(record: Record) -> str:
    """Why the thresholds are none that the spec's policy chooses; empty where they may be."""
    decided = next(
        (part for part in record.space.label_space().tasks if part.kind == "multilabel"), None
    )
    policy, cuts = record.spec.thresholds, record.thresholds
    try:
        allowed = choose_thresholds(policy, np.zeros((1, 1)), np.zeros((1, 1)))
    except RequestError as error:
        return str(error)
    if decided is None or cuts is None:
        return (
            ""
            if decided is None and cuts is None
            else f"its thresholds are {cuts}, and its task is one of {record.space.kind}"
        )
    # Validation predictions are not kept, so of tuned thresholds no more is known than the grid on
    # which they lie.
    allowed = allowed if policy.startswith("fixed:") else GRID
    whole = (
        len(cuts) == len(decided.words)
        and set(cuts) <= set(allowed.tolist())
        and (policy != "tuned_on_valid" or len(set(cuts)) == 1)
    )
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
    ids = list(folder.ids.get(fold_name(record), ()))
    if len(made) != len(rows) or ids != truth.corpus.ids[rows].tolist():
        yield (
            f"it has predictions of {len(made)} rows, and the test split has {len(rows)}; "
            "or their ids differ"
        )
        return
    task = truth.corpus.offered[truth.task]
    # As the run scored them: in single precision.
    target = (
        task.target[rows]
        if task.target.dtype.kind in "iu"
        else task.target[rows].astype(np.float32)
    )
    known = task.known[rows] if task.known is not None and task.known.ndim > 1 else None
    told: Mapping[str, Any] = record.metrics.test if record.metrics else {}
    metrics = truth.registry.of(record.space.label_space(), every_span=True)
    # Metrics that came later, and those of plugins that are not here, are not compared.
    names = [name for name in told if name in metrics]
    try:
        again = metrics.evaluate(target, made, record.thresholds, known, names)
    except (ValueError, RequestError) as error:
        yield str(error)
        return
    if not names:
        yield "its record has no metric that can be computed from its predictions"
    if wrong := [n for n in names if not _close(told[n], again[n], SCORED)]:
        name = sorted(wrong)[0]
        yield f"its predictions give {name} = {again[name]}, and its record says {told[name]}"


def selection(record: Record, registry: Registry = BUILT_IN) -> str:
    """Why the history is none that the spec's training leaves, or ``best_epoch`` not the best
    validation epoch of the last stage that selects, or not the one scored; empty where all is so.
    """
    stages = {stage.get("name", "main"): stage for stage in record.spec.stages} or {"main": {}}
    if strange := [e for e in record.history if e.get("stage", "main") not in stages]:
        return f"its history has the stage {strange[0]['stage']!r}, and its spec does not"
    metric = ""
    metrics = registry.of(record.space.label_space(), every_span=True)
    best: dict[str, Any] | None = None
    for name, stage in stages.items():
        mine = [e for e in record.history if e.get("stage", "main") == name]
        if not mine:
            continue
        train = TrainConfig(**{**record.spec.train.model_dump(), **stage.get("settings", {})})
        most = train.epochs if stage.get("epochs") is None else stage["epochs"]
        watched = metrics.selecting(train.select)
        sign = 1 if metrics[watched].higher_is_better else -1
        top, waited, kept = -math.inf, 0, mine[0]
        for epoch, entry in enumerate(mine):
            if entry.keys() != {"stage", "epoch", "loss", watched}:
                return (
                    f"an epoch of its history tells of {', '.join(entry)}, and not of stage, "
                    f"epoch, loss, {watched}"
                )
            if entry["epoch"] != epoch or epoch >= most or waited >= train.patience:
                return (
                    f"epoch {entry['epoch']} of stage {name} is none that its spec trains: "
                    f"{most} at most, patience {train.patience}"
                )
            value = entry.get(watched)
            better = -math.inf if value is None else sign * value
            waited += 1
            if better > top or epoch == 0 or not stage.get("selects", True):
                top, waited, kept = better, 0, entry
        if len(mine) < most and waited < train.patience:
            return (
                f"its history of stage {name} ends after {len(mine)} epochs, "
                f"and its spec trains on: {most}, patience {train.patience}"
            )
        if stage.get("selects", True):
            metric, best = watched, kept
    expected = best["epoch"] if best else None
    if record.best_epoch != expected:
        return f"best_epoch is {record.best_epoch}, and the best validation epoch is {expected}"
    # A later stage that selects nothing trains on.
    if (
        best is None
        or record.metrics is None
        or record.history[-1].get("stage") != best.get("stage")
    ):
        return ""
    told, then = record.metrics.valid.get(metric), best.get(metric)
    return (
        ""
        if _close(told, then, SELECTED)
        else f"its validation {metric} is {told}, and its best epoch had {then}"
    )


# --- rows


def _extras(folder: Folder, board: Board) -> Iterator[Failure]:
    """What lies beside the records is of their track, and of folds that there are."""
    track = board.track.model_dump(mode="json")
    for name, told in folder.extras.items():
        if not isinstance(told, dict) or told.get("track") != track:
            yield Failure(
                folder.path / f"{name}.json", "it is of another track than the records, or of none"
            )
    if strange := sorted(folder.ids.keys() - {fold_name(r) for r in folder.records}):
        yield Failure(
            folder.path / "rows.json",
            f"it has rows of fold {strange[0]!r}, and no run has that fold",
        )


def _rows(folder: Folder, board: Board, truth: Truth) -> Iterator[Failure]:
    """Seeds: every fold of each; 0 to N-1 and the same for all that was trained, 0 alone for what
    is the same for every seed.
    """
    folds = set(truth.splits)
    seeds: dict[str, list[int]] = {}
    for entry in board.entries:
        file = folder.files[entry.first.run_id]
        mine = sorted({r.seed for r in entry.records})
        for seed in mine:
            there = {r.fold for r in entry.done if r.seed == seed}
            if there != folds:
                yield Failure(
                    file,
                    f"{entry.name}: seed {seed} lacks {len(folds - there)} of {len(folds)} "
                    "finished folds",
                )
        if any(r.tuned_by != entry.first.tuned_by for r in entry.done):
            yield Failure(
                file, f"{entry.name}: its runs tell of more than one search for their settings"
            )
        alone = entry.floor or entry.first.spec.model in truth.closed
        if mine != list(range(1 if alone else len(mine))):
            needed = "0 alone, being the same for every seed" if alone else "all from 0 on"
            yield Failure(file, f"{entry.name}: its seeds are {_list(mine)}, and must be {needed}")
        if not alone:
            seeds[entry.name] = mine
            if any(r.spec.train.epochs and not r.history for r in entry.done):
                yield Failure(file, f"{entry.name}: it was trained, and a run of it has no history")
            yield from (
                Failure(file, f"{entry.name}: {sentence}") for sentence in _repeated(entry, folder)
            )
    usual = max(
        seeds.values(), key=lambda s: sum(s == other for other in seeds.values()), default=[]
    )
    for entry in board.entries:
        if (mine := seeds.get(entry.name, usual)) != usual:
            sentence = (
                f"{entry.name}: its seeds are {_list(mine)}, "
                f"and those of the other rows {_list(usual)}"
            )
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
            yield from _differences(
                told.get(key, NOTHING), again.get(key, NOTHING), f"{at}.{key}".strip(".")
            )
    elif isinstance(told, list) and isinstance(again, list) and len(told) == len(again):
        for number, (one, other) in enumerate(zip(told, again, strict=True)):
            yield from _differences(one, other, f"{at}[{number}]")
    elif not _close(told, again):
        yield f"{at} is {told}, and comes out as {again}"

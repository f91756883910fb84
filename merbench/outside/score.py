"""Files of predictions -> records of kind ``outside``: checked, scored, and kept as a whole or not
at all.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np

from merbench.api.declarations.train_settings_and_ranges import TrainConfig
from merbench.api.errors import RequestError
from merbench.api.material.corpus import Corpus, Split, Task
from merbench.outside.answers import as_wrong_as_can_be
from merbench.outside.rows import order_of, require_known
from merbench.outside.table import read
from merbench.outside.values import predictions
from merbench.results.metrics import TaskMetrics, choose_thresholds, thresholds_of
from merbench.results.metrics.thresholds import canonical
from merbench.results.records.outside import About, Outside, digest
from merbench.results.records.predictions import Predictions
from merbench.results.records.record import Metrics, Record, RecordedSpace, Track
from merbench.results.spec import PartSpec, RunSpec, run_id
from merbench.results.store.store import Store
from merbench.version import VERSION

Scored = list[tuple[Record, Predictions]]
PARTS = {"train": "training", "valid": "validation", "test": "test"}


@dataclass(frozen=True)
class Goal:
    """What is predicted, and under which name and statement it is kept."""

    name: str
    about: About
    corpus: Corpus
    track: Track
    metrics: TaskMetrics
    thresholds: str = "fixed:0.5"

    @property
    def task(self) -> Task:
        return self.corpus.offered[self.track.task]

    @property
    def splits(self) -> tuple[Split, ...]:
        return self.corpus.protocols[self.track.protocol].splits

    @property
    def spec(self) -> RunSpec:
        """Other inputs are another run, so that one name can be on several tracks."""
        inputs = {"streams": self.about.streams, "pretrained": self.track.pretrained}
        return RunSpec(
            model=self.name,
            dataset=self.corpus.name,
            task=self.track.task,
            protocol=self.track.protocol,
            streams={},
            parts={"predictions": PartSpec(name="outside", config=inputs)},
            train=TrainConfig(epochs=0),
            thresholds=canonical(self.thresholds),
            allow_leak=bool(self.track.leaks),
        )


@dataclass(frozen=True)
class SeedFiles:
    """One seed: the file of its test predictions, and of its validation predictions if any."""

    seed: int
    test: Path
    valid: Path | None = None


def score(goal: Goal, files: Sequence[SeedFiles]) -> Scored:
    """One record a seed and fold. RequestError or DataError, in one sentence, for the first thing
    that is wrong.
    """
    _check(goal, files)
    scored: Scored = []
    seed_by_digest: dict[str, int] = {}
    for of_seed in files:
        records = list(_of_seed(goal, of_seed))
        content = "".join(r.outside.predictions_sha256 for r, _ in records if r.outside)
        if content in seed_by_digest:
            raise RequestError(
                f"{of_seed.test} has the predictions of seed {seed_by_digest[content]} again; "
                "give one file a seed, each from a training of its own"
            )
        seed_by_digest[content] = of_seed.seed
        scored += records
    return scored


def keep(scored: Scored, store: Store, force: bool = False) -> list[Record]:
    """All of them into the store. RequestError, and nothing is kept, where a seed is there already
    with other predictions or thresholds and not ``force``. What was said of equal predictions
    before, and is not said now, stays.
    """
    records = []
    for record, rows in scored:
        existing = store.get(record.run_id)
        if existing is None or force:
            records.append(record)
            continue
        same = np.array_equal(store.predictions(record.run_id).prediction, rows.prediction)
        if not same or record.thresholds != existing.thresholds:
            raise RequestError(
                f"{record.spec.model} seed {record.seed} is in the store {store.root} already, "
                f"with other {'thresholds' if same else 'predictions'}; give another --name or "
                "--seed, or replace it with --force"
            )
        records.append(_as_known(record, existing))
    for record, (_, rows) in zip(records, scored, strict=True):
        store.put(record, rows)
    return records


def _as_known(record: Record, earlier: Record) -> Record:
    """With what only the ``earlier`` record of the same predictions has."""
    assert record.outside and earlier.outside and record.metrics and earlier.metrics
    now = record.outside.about
    stated = {name: getattr(now, name) for name in now.model_fields_set}
    about = earlier.outside.about.model_copy(update=stated)
    outside = record.outside.model_copy(update={"about": about})
    valid = record.metrics.valid or earlier.metrics.valid
    metrics = record.metrics.model_copy(update={"valid": valid})
    changes = {"outside": outside, "caveat": outside.sentence, "metrics": metrics}
    return record.model_copy(update=changes)


def _check(goal: Goal, files: Sequence[SeedFiles]) -> None:
    choose_thresholds(goal.thresholds, np.zeros((1, 1)), np.zeros((1, 1)))
    labels = any(part.kind == "multilabel" for part in goal.task.space.tasks)
    fixed = goal.thresholds.startswith("fixed:")
    if not labels and canonical(goal.thresholds) != Goal.thresholds:
        raise RequestError(
            f"--thresholds {goal.thresholds} has no effect on task {goal.track.task}, "
            "which is no multilabel one; leave it out"
        )
    if not fixed and any(of_seed.valid is None for of_seed in files):
        raise RequestError(
            f"--thresholds {goal.thresholds} are chosen on predictions of the validation rows; "
            "give them with --valid FILE, one for each file of test predictions"
        )
    if len(goal.splits) > 1 and any(of_seed.valid for of_seed in files):
        raise RequestError(
            f"protocol {goal.track.protocol} has a validation split in each of its "
            f"{len(goal.splits)} folds, and --valid is one file; leave it out"
        )
    rows = np.concatenate([split.test for split in goal.splits])
    if len(np.unique(rows)) != len(rows):
        raise RequestError(
            f"protocol {goal.track.protocol} of {goal.corpus.name} tests a row in several folds, "
            "and a file has one prediction of it; choose another --protocol"
        )


def _of_seed(goal: Goal, files: SeedFiles) -> Iterator[tuple[Record, Predictions]]:
    of_test = _by_row(goal, files.test, "test")
    of_valid = _by_row(goal, files.valid, "valid") if files.valid else {}
    for split in goal.splits:
        yield _of_split(goal, files, split, of_test, of_valid)


def _by_row(goal: Goal, path: Path, part: str) -> dict[int, np.ndarray]:
    """Row number of the data set -> its prediction, of all rows of a part over the folds; nan where
    an answer could not be parsed.
    """
    corpus, task, table = goal.corpus, goal.task, read(path)
    require_known(corpus, goal.track.task, goal.track.protocol, part)
    all_rows = np.concatenate([getattr(split, part) for split in goal.splits])
    rows = task.known_rows(all_rows)
    scored, unscored = corpus.ids[rows].tolist(), set(corpus.ids[all_rows].tolist())
    kind_of_other_rows = {
        name: kind for name, kind in _split_of(goal).items() if name not in unscored
    }
    order = order_of(table, scored, f"{PARTS[part]} rows", unscored, kind_of_other_rows)
    values = predictions(table, order, task.space, goal.track.task)
    return dict(zip(rows.tolist(), values, strict=True))


def _split_of(goal: Goal) -> dict[str, str]:
    """Id -> the split that it is in; of folds, the last one."""
    kinds = dict.fromkeys(goal.corpus.ids.tolist(), "unused")
    for split in goal.splits:
        for part, word in PARTS.items():
            kinds |= dict.fromkeys(goal.corpus.ids[getattr(split, part)].tolist(), word)
    return kinds


def _of_split(
    goal: Goal,
    files: SeedFiles,
    split: Split,
    of_test: Mapping[int, np.ndarray],
    of_valid: Mapping[int, np.ndarray],
) -> tuple[Record, Predictions]:
    task, spec, track = goal.task, goal.spec, goal.track
    rows = {part: task.known_rows(getattr(split, part)) for part in PARTS}
    predicted, unparsed = _filled(goal, split, rows["test"], of_test)
    cuts, on_valid = _chosen_on_valid(goal, split, rows["valid"], of_valid)
    on_test = goal.metrics.evaluate(*_targets(task, rows["test"], predicted, cuts))
    stored = Predictions.of(goal.corpus, track.protocol, task, rows["test"], predicted)
    contents = {"data": track.revision}
    outside = Outside(
        about=goal.about,
        file_sha256=sha256(files.test.read_bytes()).hexdigest(),
        predictions_sha256=digest(stored.ids, predicted),
        unparsed=unparsed,
    )
    record = Record(
        run_id=run_id(spec, contents, files.seed, split.fold),
        status="done",
        started=datetime.now(UTC).isoformat(timespec="microseconds"),
        spec=spec,
        track=track,
        seed=files.seed,
        fold=split.fold,
        folds=len(goal.splits),
        space=RecordedSpace.of(task),
        counts={part: len(of_part) for part, of_part in rows.items()},
        metrics=Metrics(valid=on_valid, test=on_test),
        thresholds=None if cuts is None else cuts.tolist(),
        contents=contents,
        source_digest="outside",
        caveat=outside.sentence,
        provenance={"merbench": VERSION, "python": platform.python_version()},
        outside=outside,
    )
    return record, stored


def _chosen_on_valid(
    goal: Goal, split: Split, rows: np.ndarray, of_valid: Mapping[int, np.ndarray]
) -> tuple[np.ndarray | None, dict[str, float | None]]:
    """Thresholds of labels (None = the task has none), and the metrics of the validation rows."""
    task, space = goal.task, goal.task.space
    if not of_valid:
        none = np.zeros((1, space.logit_count))
        return thresholds_of(space, goal.thresholds, none, none), {}
    predicted, _ = _filled(goal, split, rows, of_valid)
    target, _, _, known = _targets(task, rows, predicted, None)
    cuts = thresholds_of(space, goal.thresholds, target, predicted, known)
    return cuts, goal.metrics.evaluate(target, predicted, cuts, known)


def _filled(
    goal: Goal, split: Split, rows: np.ndarray, by_row: Mapping[int, np.ndarray]
) -> tuple[np.ndarray, int]:
    """Predictions of ``rows``, and how many of them count as wrong because no answer was parsed."""
    task = goal.task
    predicted = np.stack([by_row[row] for row in rows.tolist()])
    unparsed = np.isnan(predicted.reshape(len(rows), -1)).any(axis=1)
    if unparsed.any():
        train = task.target[task.known_rows(split.train)]
        is_class = task.space.kind == "class"
        common = np.bincount(train, minlength=len(task.space.words)) if is_class else train[:0]
        for index in np.flatnonzero(unparsed):
            wrong = as_wrong_as_can_be(task.target[rows[index]], task.space, common)
            predicted[index] = wrong if predicted.ndim > 1 else wrong[0]
    return predicted, int(unparsed.sum())


def _targets(
    task: Task, rows: np.ndarray, predicted: np.ndarray, cuts: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """What ``evaluate`` takes; a score in single precision, as trained runs are scored."""
    target = task.target[rows]
    if target.dtype.kind not in "iu":
        target = target.astype(np.float32)
    return target, predicted, cuts, task.known_cells(rows)

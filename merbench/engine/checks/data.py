"""The data set offers what the run needs: a task of that kind, targets in every split, streams that
were not fitted on evaluated rows, and a metric that is defined on validation rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from merbench.api import (
    Corpus,
    Modality,
    Protocol,
    RequestError,
    Stage,
    Stream,
    Task,
    TrainConfig,
)
from merbench.api.material.types import SpaceKind
from merbench.data.leaking_streams import leak_sentence, leaking_rows
from merbench.results.metrics import TaskMetrics


def check_space(asker: str, spaces: Sequence[SpaceKind], corpus: Corpus, task: str) -> None:
    """``asker`` is for the task's kind."""
    kind = corpus.offered[task].space.kind
    if not spaces or kind in spaces:
        return
    fitting = [name for name, other in corpus.offered.items() if other.space.kind in spaces]
    advice = f"choose --task {' or '.join(fitting)}" if fitting else "choose another model"
    raise RequestError(
        f"{asker} is for a {' or '.join(spaces)} task, "
        f"and {task} of {corpus.name} is a {kind} task; {advice}"
    )


def check_known(
    corpus: Corpus, name: str, task: Task, protocol_name: str, protocol: Protocol
) -> None:
    """Every split has rows to learn from or to score: of two tasks at once, rows of each."""
    for split in protocol.splits:
        for mode in ("train", "valid", "test"):
            known = task.is_known(getattr(split, mode))
            parts = zip(task.space.tasks, task.space.split_targets(known), strict=True)
            if lacking := [part.kind for part, part_known in parts if not part_known.any()]:
                joint = bool(task.space.parts)
                target = f"{lacking[0]} target" if joint else "target"
                other = "the other task alone" if joint else "another --task"
                raise RequestError(
                    f"task {name}: no {mode} row of protocol "
                    f"{_with_fold(protocol_name, split.fold)} of {corpus.name} has a known "
                    f"{target}; choose another --protocol, or {other}"
                )


def check_selecting(
    stages: Sequence[tuple[Stage, TrainConfig]],
    task: Task,
    metrics: TaskMetrics,
    name: str,
    protocol: Protocol,
) -> None:
    """What chooses epochs, and settings, is a number: of equal epochs that have none the first
    would be taken, and nobody would know.
    """
    chosen = {
        metrics.selecting(settings.select)
        for stage, settings in stages
        if stage.selects and not stage.within
    }
    for split in protocol.splits:
        rows = task.known_rows(split.valid)
        for metric in sorted(chosen) if len(rows) else ():
            if not metrics.definable(metric, task.target[rows], task.known_cells(rows)):
                raise RequestError(
                    f"{metric} cannot choose epochs: whatever a model predicts, it is undefined on "
                    f"the validation rows of protocol {_with_fold(name, split.fold)} (as where all "
                    "their targets are of one class); "
                    "choose another metric with --set train.select=NAME"
                )


def leaking_streams(
    corpus: Corpus, name: str, protocol: Protocol, streams: Mapping[Modality, Stream], allowed: bool
) -> list[str]:
    """Names of streams that were fitted on labels of evaluated rows, where that is allowed."""
    leaks = set()
    for stream in streams.values():
        for split in protocol.splits:
            if any(leaking_rows(stream, rows) for rows in (split.valid, split.test)):
                if not allowed:
                    raise RequestError(leak_sentence(stream, corpus, name, split))
                leaks.add(stream.name)
    return sorted(leaks)


def _with_fold(protocol: str, fold: int | None) -> str:
    return protocol if fold is None else f"{protocol}, fold {fold}"

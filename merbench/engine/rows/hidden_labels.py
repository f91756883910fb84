"""``--labels``: a share of the train labels is hidden, the same for every method with the same
seed.

Valid and test keep theirs: what is compared is how well methods learn from fewer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from merbench.api import RequestError, Task
from merbench.host.catalog import unknown
from merbench.results.seeds import derive

FORMS = "keep:SHARE, single-positive, or shots:WORD=N (several: shots:fear=5,sad=10)"
Hide = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Known cells [n, C] (of a score or class [n, 1]) and a generator -> those that stay known."""


def check(policy: str, task: Task) -> None:
    """RequestError where it is none, or does not fit the task."""
    if policy:
        _hiding(policy, task, np.arange(0))


def canonical(policy: str) -> str:
    """The same for equal policies, however they are written: rows are drawn by this text, and runs
    are known by it. One that ``check`` refuses stays as it is.
    """
    kind, _, argument = policy.partition(":")
    try:
        if kind == "keep":
            return f"keep:{float(argument)!r}"
        if kind == "shots":
            shots = [part.partition("=")[::2] for part in argument.split(",")]
            return f"shots:{','.join(f'{word}={int(count)}' for word, count in sorted(shots))}"
    except ValueError:
        pass
    return policy


def hide(policy: str, task: Task, train_rows: np.ndarray, seed: int, fold: int | None) -> Task:
    """The task as it is known to a run with this ``seed``: other rows than ``train_rows`` keep what
    they have.

    ``keep:0.3``: each known label (of a score or class: each row's target) stays with this
    probability. ``single-positive``: of each row one positive label stays, drawn among them, and
    nothing else (Cole et al. 2021, 2106.09708). ``shots:fear=5``: of the rows with this label only
    so many are known to have it; where a row does not have it stays known.
    """
    known = task.is_known().copy()
    by_cell = known.reshape(len(known), -1)
    draw = np.random.default_rng(derive(seed, "labels", fold, policy))
    hiding = _hiding(policy, task, train_rows)
    by_cell[train_rows] = hiding(by_cell[train_rows], draw)
    return dataclasses.replace(task, known=by_cell.reshape(known.shape))


def _hiding(policy: str, task: Task, rows: np.ndarray) -> Hide:
    kind, _, argument = policy.partition(":")
    if kind == "keep":
        return _keep(_share(argument, policy))
    if policy == "single-positive":
        if task.space.kind != "multilabel":
            raise RequestError(
                "--labels single-positive is for a multilabel task, in which a row has several "
                f"labels, and this is a {task.space.kind} task; use keep:SHARE"
            )
        return _single_positive(task.target[rows] > 0.5)
    if kind == "shots":
        shots = _shots(argument, policy, task)
        if task.space.kind == "multilabel":
            return _of_labels(task.target[rows] > 0.5, shots)
        return _of_classes(task.target[rows], shots)
    raise RequestError(f"--labels {policy!r} is none of: {FORMS}")


def _keep(share: float) -> Hide:
    return lambda known_NC, draw: known_NC & (draw.random(known_NC.shape) < share)


def _single_positive(positive_NC: np.ndarray) -> Hide:
    def hide(known_NC: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        luck_NC = np.where(known_NC & positive_NC, draw.random(known_NC.shape), -1.0)
        highest_N1 = luck_NC.max(axis=1, keepdims=True)
        return np.asarray((luck_NC == highest_N1) & (highest_N1 >= 0))

    return hide


def _of_labels(positive_NC: np.ndarray, shots: Mapping[int, int]) -> Hide:
    def hide(known_NC: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        stays_NC = known_NC.copy()
        for label, count in shots.items():
            having = np.flatnonzero(known_NC[:, label] & positive_NC[:, label])
            stays_NC[draw.permutation(having)[count:], label] = False
        return stays_NC

    return hide


def _of_classes(target_N: np.ndarray, shots: Mapping[int, int]) -> Hide:
    def hide(known_N1: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        stays_N1 = known_N1.copy()
        for number, count in shots.items():
            having = np.flatnonzero(known_N1[:, 0] & (target_N == number))
            stays_N1[draw.permutation(having)[count:]] = False
        return stays_N1

    return hide


def _share(argument: str, policy: str) -> float:
    try:
        share = float(argument)
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        raise RequestError(
            f"--labels {policy!r}: SHARE is a number between 0 and 1, as in keep:0.3"
        )
    return share


def _shots(argument: str, policy: str, task: Task) -> dict[int, int]:
    """Number of the label or class -> how many rows may be known to have it."""
    if task.space.kind not in ("multilabel", "class"):
        raise RequestError(
            f"--labels {policy} is for labels or classes, and this is a {task.space.kind} task; "
            "use keep:SHARE"
        )
    shots = {}
    for part in argument.split(","):
        word, _, count = part.partition("=")
        if word not in task.space.words:
            raise RequestError(unknown("label", word, list(task.space.words), f"--labels {policy}"))
        if not count.isdecimal() or len(count) > 9:
            raise RequestError(f"--labels {policy!r}: {part!r} is not of the form WORD=N")
        if task.space.words.index(word) in shots:
            raise RequestError(f"--labels {policy}: {word} is named twice; give it one number")
        shots[task.space.words.index(word)] = int(count)
    return shots

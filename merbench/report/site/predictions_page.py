"""Every model's predictions on the test rows, to browse. Targets are not shipped: a reader who has
the labels opens his own file in the page, which then shows targets and the worst rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from merbench.report.folder.folder import Folder, fold_name
from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board, Entry
from merbench.report.site.packed_numbers import packed
from merbench.report.site.template import render, script_data
from merbench.report.site.titles import readable

SHOWN = 30
"""Of a board with more models and floors, the best ones alone."""
STEP = 0.01
"""To which predictions are rounded."""


def predictions_page(folder: Folder, board: Board, scores: BoardScores) -> str:
    folds = sorted(folder.ids)
    entries = board.by_name
    names = [n for n in scores.rows if n in entries and not entries[n].ablation][:SHOWN]
    models = {}
    for name in names:
        if (values := _values(entries[name], folder, folds)) is not None:
            models[name] = values
    data = {
        "ids": [row for fold in folds for row in folder.ids[fold]],
        "kind": board.kind,
        "columns": _columns(board, models),
        "task": board.track.task,
        "models": models,
    }
    return render(
        "predictions.html",
        "../",
        title=f"Predictions · {readable(board.title)}",
        board=readable(board.title),
        titles={name: entries[name].title for name in models},
        live="",
        models=list(models),
        left_out=sum(not e.ablation for e in board.entries) - len(models),
        data=script_data(data),
    )


def _values(entry: Entry, folder: Folder, folds: Sequence[str]) -> dict[str, Any] | None:
    """Mean and sd over seeds, every fold after another, column by column; ``sd`` is left out of a
    single seed. None where a fold has no whole predictions.
    """
    means, spreads, seeds = [], [], 0
    for fold in folds:
        runs = [r for r in entry.done if fold_name(r) == fold and r.run_id in folder.predicted]
        predicted = [folder.predicted[r.run_id] for r in runs]
        if not predicted or any(len(p) != len(folder.ids[fold]) for p in predicted):
            return None
        p_SNC = np.stack([p.reshape(len(p), -1) for p in predicted])
        means.append(p_SNC.mean(axis=0))
        single = np.full(p_SNC.shape[1:], np.nan)
        spreads.append(p_SNC.std(axis=0, ddof=1) if len(p_SNC) > 1 else single)
        seeds = len(p_SNC)
    values: dict[str, Any] = {"seeds": seeds, "mean": _packed(np.concatenate(means))}
    spread_NC = np.concatenate(spreads)
    if not np.isnan(spread_NC).all():
        values["sd"] = _packed(spread_NC)
    return values


def _packed(x_NC: np.ndarray) -> list[dict[str, Any]]:
    return [packed(x_N.tolist(), STEP) for x_N in x_NC.T]


def _columns(board: Board, models: dict[str, Any]) -> list[str]:
    """A title for each column of a prediction."""
    width = max((len(m["mean"]) for m in models.values()), default=1)
    space = board.metrics.space
    if board.kind == "score":
        return ["prediction"]
    words = [w for part in (space.parts or (space,)) for w in _words(part)]
    return words if len(words) == width else [f"output {i + 1}" for i in range(width)]


def _words(space: Any) -> list[str]:
    return ["score"] if space.kind == "score" else list(space.words)

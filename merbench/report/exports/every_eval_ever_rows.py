"""Single rows for Every Eval Ever: its schema of instances, 0.2.2. Transcripts are not in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

import numpy as np

from merbench.api.errors import RequestError
from merbench.report.exports.rows import ExportedRow
from merbench.report.scores.rows.entries import Board
from merbench.report.scores.rows.pooled_seeds import by_seed
from merbench.report.scores.runs_of_a_store import Source

VERSION = "instance_level_eval_0.2.2"
METRICS = {"score": "mae", "class": "accuracy"}
"""Kind of task -> the metric that is the mean of what a single row gets."""


def samples(
    content: Mapping[str, Any], board: Board, row: ExportedRow, source: Source
) -> Iterator[dict[str, Any]]:
    """``content``: the record of the whole row. RequestError for tasks of several labels, whose
    metrics are no means over rows.
    """
    if board.kind not in METRICS:
        raise RequestError(
            f"{board.title}: single rows are exported of scores and classes alone; "
            "choose with --track, or leave --rows out"
        )
    metric = METRICS[board.kind]
    for seed, scored in by_seed(row.entry.records, source, board.metrics, board.folds).items():
        rows = scored.rows
        for place, name in enumerate(rows.ids):
            answer, target, score, right = _judged(
                board, rows.prediction[place], rows.target[place]
            )
            raw = f"row {name} of {board.track.dataset}"
            yield {
                "schema_version": VERSION,
                "evaluation_id": content["evaluation_id"],
                "model_id": content["model_info"]["id"],
                "evaluation_name": f"{board.track.dataset} {board.track.task} {metric}",
                "sample_id": name,
                "sample_hash": sha256(f"{raw}{target}".encode()).hexdigest(),
                "interaction_type": "single_turn",
                "input": {"raw": raw, "reference": [target]},
                "output": {"raw": [answer]},
                "answer_attribution": [
                    {
                        "turn_idx": 0,
                        "source": "output.raw",
                        "extracted_value": answer,
                        "extraction_method": "exact_match",
                        "is_terminal": True,
                    }
                ],
                "evaluation": {"score": score, "is_correct": right},
                "metadata": {"seed": str(seed), "group": rows.videos[place]},
            }


def _judged(
    board: Board, prediction: np.ndarray, target: np.ndarray
) -> tuple[str, str, float, bool]:
    """Prediction and target as text, the row's part of the metric, and whether it is right: of a
    score, whether both are nearest to the same anchor.
    """
    space = board.metrics.space
    if board.kind == "class":
        answer, truth = space.words[int(prediction.argmax())], space.words[int(target)]
        return answer, truth, float(answer == truth), answer == truth
    anchors = np.array(space.anchors)
    nearest = [int(np.abs(anchors - value).argmin()) for value in (prediction, target)]
    score = abs(float(prediction) - float(target))
    return f"{prediction:.6g}", f"{target:.6g}", score, nearest[0] == nearest[1]

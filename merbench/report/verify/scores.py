"""``scores.json`` is recomputed from predictions and the user's labels."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from merbench.api.errors import DataError
from merbench.report.folder.folder import Folder
from merbench.report.scores.board.board_scores import BoardScores, score, with_origins
from merbench.report.scores.board.row_scores import RowScores
from merbench.report.scores.cache import Cache
from merbench.report.verify.failure import Failure
from merbench.report.verify.numbers import differences
from merbench.report.verify.truth import Truth


def rescored(folder: Folder, truth: Truth) -> BoardScores:
    """DataError for records of several tracks, and where predictions or rows are missing."""
    try:
        board = folder.by(truth.floors, truth.registry)
        scores = score(board, truth.labelled(folder), Cache(None), truth.optimum)
        return with_origins(scores, board, truth.origins)
    except KeyError as error:
        raise DataError(
            f"{folder.path} has no predictions of the run, or your {truth.corpus.name} no row, "
            f"{error}; copy records and predictions "
            "together, and bring the data set that the runs were made on"
        ) from error


def verify_scores(folder: Folder, truth: Truth) -> list[Failure]:
    """Each number of ``scores.json`` that comes out otherwise. Metrics that came later, and those
    of plugins that are not here, are not compared.
    """
    file = folder.path / "scores.json"
    if folder.scores is None:
        return []
    try:
        recomputed = rescored(folder, truth)
    except (DataError, ValueError) as error:
        return [Failure(file, f"it cannot be computed from the records ({error})")]
    if recomputed.metric != folder.scores.metric:
        ranked = f"it ranks by {folder.scores.metric}, and your data set by {recomputed.metric}"
        return [Failure(file, f"{ranked}, or the plugin that brings the first is not installed")]
    if not folder.scores.pairs:  # from before they were kept
        recomputed = recomputed.model_copy(update={"pairs": {}})
    names = folder.scores.metrics.keys() & recomputed.metrics.keys()
    stated, computed = (
        json.loads(_only(names, scores).model_dump_json()) for scores in (folder.scores, recomputed)
    )
    return [Failure(file, sentence) for sentence in differences(stated, computed)]


def _only(names: Collection[str], scores: BoardScores) -> BoardScores:
    """With these metrics alone, and without origins, which depend on the installed plugins."""

    def chosen(of_metric: Mapping[str, Any]) -> dict[str, Any]:
        return {m: value for m, value in of_metric.items() if m.partition(".")[0] in names}

    def of_rows(rows: Mapping[str, RowScores]) -> dict[str, RowScores]:
        return {
            name: row.model_copy(
                update={
                    "seeds": {seed: chosen(values) for seed, values in row.seeds.items()},
                    "intervals": chosen(row.intervals),
                }
            )
            for name, row in rows.items()
        }

    rows, superseded = of_rows(scores.rows), of_rows(scores.superseded)
    shown = {"rows": rows, "superseded": superseded, "metrics": chosen(scores.metrics)}
    shown |= {"papers": {}, "codes": {}, "licences": {}}
    return scores.model_copy(update=shown)

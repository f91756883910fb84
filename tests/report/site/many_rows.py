"""A board of many rows of ten seeds with 20 epochs each, which nobody trained."""

from __future__ import annotations

from merbench.report.scores.board.board_scores import BoardScores, facts
from merbench.report.scores.board.ranks import Standing
from merbench.report.scores.board.row_scores import RowScores
from merbench.report.scores.rows.entries import Board, Entry
from merbench.results.metrics import BUILT_IN
from tests.report.made import record, spec

SEEDS, EPOCHS = 10, 20


def many_rows(rows: int, seeds: int = SEEDS) -> tuple[Board, BoardScores]:
    one = record(0, 0.5, spec())[0]
    history = [{"stage": "main", "epoch": e, "loss": {}, "mae": 1 + e / 97} for e in range(EPOCHS)]
    entries, scores, standings = [], {}, {}
    for row in range(rows):
        name = f"model{row:03d}"
        changed = one.spec.model_copy(update={"model": name})
        runs = [
            {"spec": changed, "seed": s, "run_id": f"{row:08x}{s:08x}", "history": history}
            for s in range(seeds)
        ]
        entries.append(Entry(tuple(one.model_copy(update=run) for run in runs)))
        test = {metric: value + row / 1000 for metric, value in one.metrics.test.items()}
        scores[name] = RowScores(
            seeds={s: {m: v + s / 1e4 for m, v in test.items()} for s in range(seeds)},
            intervals={"mae": (0.9, 1.1)},
            rows=686,
        )
        standings[name] = Standing(rank=1)
    board = Board(one.track, BUILT_IN.of(one.space.label_space()), tuple(entries))
    return board, BoardScores(
        metric="mae", metrics=facts(board.metrics), rows=scores, floors=[], standings=standings
    )

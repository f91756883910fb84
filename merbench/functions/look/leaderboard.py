"""``merbench.leaderboard`` and ``merbench.compare``: finished runs of a store, track by track."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from merbench.api.errors import RequestError
from merbench.bench.boards import open_boards
from merbench.bench.python_function import python_function
from merbench.bench.python_session import catalog

if TYPE_CHECKING:
    import pandas as pd

    from merbench.report.scores.board.board_scores import BoardScores
    from merbench.report.scores.paired_differences import Difference
    from merbench.report.scores.rows.entries import Board


@dataclass(frozen=True)
class Leaderboard:
    """``boards``: each track with its scores."""

    boards: list[tuple[Board, BoardScores]]

    def to_pandas(self) -> pd.DataFrame:
        """One row a model and track, ablations and floors too: track, model, settings, group, rank,
        tied_with_best, seeds, each metric's mean over seeds with its ``_sd``, ``_low`` and
        ``_high`` (95 %), parameters, training_seconds, tuning_trials, tuning_seconds.
        """
        import pandas as pd

        from merbench.report.tables.board_sheet import sheet
        from merbench.report.tables.tidy import tidy

        pages = [
            (board, scores, sheet(board, scores, ablations=True, superseded=True))
            for board, scores in self.boards
        ]
        return pd.DataFrame(tidy(pages))


@python_function
def leaderboard(
    store: str | Path = "runs", *, dataset: str | None = None, track: str | None = None
) -> Leaderboard:
    """The finished runs of ``store``; models are compared inside a track only.

    ``dataset`` and ``track``: only these; ``track`` is part of a title. RequestError where there is
    no finished run of that kind.
    """
    from merbench.bench.score_cache import score_cache
    from merbench.report.scores.board.board_scores import score
    from merbench.report.scores.missing_runs import no_run

    source, boards = open_boards(catalog(), store, dataset, track)
    cache = score_cache(Path(store))
    scored = [(board, score(board, source, cache)) for board in boards]
    with_rows = [(board, scores) for board, scores in scored if scores.rows]
    if not with_rows:
        raise RequestError(no_run(source.records(), store, dataset, track))
    return Leaderboard(with_rows)


@dataclass(frozen=True)
class Compared:
    """``a`` minus ``b`` in ``track``, seeds in pairs. ``differences``: metric -> the difference,
    with a bootstrap interval over seeds and videos and an exact sign-flip p over seeds.
    """

    track: str
    a: str
    b: str
    differences: dict[str, Difference]

    def to_pandas(self) -> pd.DataFrame:
        """One row a metric: difference, low, high (95 %), p, p_adjusted, significant."""
        import pandas as pd

        return pd.DataFrame(
            {
                "metric": metric,
                "difference": d.mean,
                "low": d.low,
                "high": d.high,
                "p": d.p,
                "p_adjusted": d.p_adjusted,
                "significant": d.significant,
            }
            for metric, d in self.differences.items()
        )


@python_function
def compare(
    a: str,
    b: str,
    store: str | Path = "runs",
    *,
    dataset: str | None = None,
    track: str | None = None,
) -> Compared:
    """The paired difference ``a`` minus ``b`` of two rows of one track, over its headline metrics.

    ``a`` and ``b``: rows as ``leaderboard`` names them, or runs with commas between: ids, or files
    of theirs in the store.
    RequestError where a row is missing, or several tracks are left.
    """
    from merbench.report.scores.compare import nothing_in_common, sides_of_one_track, together
    from merbench.report.scores.paired_differences import correct, differences
    from merbench.results.store.run_names import as_run_ids

    source, boards = open_boards(catalog(), store, dataset, track)
    names = as_run_ids(source.store, a), as_run_ids(source.store, b)
    board, first_side, second_side = sides_of_one_track(
        boards, source, names, "dataset= and track="
    )
    first_rows, second_rows = together(first_side, second_side)
    if not first_rows:
        raise RequestError(nothing_in_common({a: first_side, b: second_side}, board.folds))
    tests = correct({a: differences(second_rows, first_rows, board.metrics.headline)})
    return Compared(board.title, a, b, dict(tests[a]))

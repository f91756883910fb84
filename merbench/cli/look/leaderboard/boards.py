"""What every leaderboard command starts from: boards with their scores, from a store or from a
folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from merbench.api.declarations.config import Config
from merbench.api.errors import RequestError
from merbench.bench.boards import boards_of
from merbench.bench.floors import origins
from merbench.bench.score_cache import score_cache
from merbench.cli.shared.best_predictors import of_track
from merbench.cli.shared.output import say
from merbench.cli.shared.session import Session
from merbench.report.folder.read import read_all
from merbench.report.scores.board.board_scores import BoardScores, score, with_origins
from merbench.report.scores.cache import Cache, version
from merbench.report.scores.missing_runs import no_run
from merbench.report.scores.rows.entries import Board, collect
from merbench.report.scores.rows.pooled_seeds import whole_seeds
from merbench.report.scores.runs_of_a_store import StoreSource
from merbench.results.dataset_name import ordered
from merbench.results.records.record import Record, Track
from merbench.results.records.titles import is_meant
from merbench.results.store.store import Store

Scored = list[tuple[Board, BoardScores]]


@dataclass(frozen=True)
class FromStore:
    """What a store held when it was read. ``scored``: the boards that were asked for."""

    source: StoreSource
    records: list[Record]
    scored: Scored

    @property
    def tracks(self) -> list[Track]:
        """Every track of the store."""
        return [board.track for board in collect(self.records, ())]


def from_store(
    session: Session,
    store: Path,
    dataset: str | None = None,
    track: str | None = None,
    report: Callable[[str], object] = say,
    brief: bool = False,
    whole_rows: bool = False,
) -> FromStore:
    """RequestError where the store has no finished run of that kind. Scores are kept in
    ``<store>/cache/scores``. ``report``: of what is left out. ``brief``: no intervals but
    those of the ranking metrics, and records without histories, which is what a table shows.
    ``whole_rows``: rows of which a seed has not finished are left out.
    """
    source = StoreSource(Store(store), histories=not brief)
    records = source.records()
    boards = boards_of(session.catalog, source, records, dataset, track)
    for warning in source.warnings:
        report(f"warning: {warning}")
    if whole_rows and (unfinished := _unfinished_rows(boards, report)):
        # Collected anew, because the names of rows depend on which others there are.
        whole = [record for record in records if record.run_id not in unfinished]
        boards = boards_of(session.catalog, source, whole, dataset, track)
    cache = score_cache(store)
    origins_by_model = origins(session.catalog)
    scored_boards = []
    for board in boards:
        optimum = best_possible(session, board, cache)
        scores = score(board, source, cache, optimum, every_interval=not brief)
        scored_boards.append((board, with_origins(scores, board, origins_by_model)))
    for board, scores in scored_boards:
        for entry in board.entries:
            if entry.done and entry.name not in scores.rows:
                report(
                    f"{board.title}: {entry.name} is left out: "
                    "no seed of it has finished all "
                    f"{board.folds} folds; the same run command continues with the rest"
                )
    scored_boards = [(board, scores) for board, scores in scored_boards if scores.rows]
    if not scored_boards:
        raise RequestError(no_run(records, store, dataset, track))
    return FromStore(source, records, scored_boards)


def _unfinished_rows(boards: Iterable[Board], report: Callable[[str], object]) -> set[str]:
    """The runs of rows of which a seed has not finished; it is reported which and why."""
    run_ids: set[str] = set()
    for board in boards:
        for entry in board.entries:
            whole = whole_seeds(entry.records, board.folds)
            unfinished = [r for r in entry.records if r.seed not in whole]
            if not unfinished:
                continue
            run_ids |= {r.run_id for r in entry.records}
            errors = [f" ({r.error})" for r in unfinished if r.error]
            report(
                f"left out: {board.title}: {entry.name}: seed {unfinished[0].seed} has not finished"
                f"{errors[0] if errors else ''}; the same run command makes what is missing"
            )
    return run_ids


def from_folder(root: Path, dataset: str | None = None, track: str | None = None) -> Scored:
    """The boards of a folder with the scores that stand in it."""
    scored_boards = []
    folders = read_all(root)
    names = [folder.title for folder in folders]
    for folder in folders:
        board = folder.board
        if not folder.scores:
            say(
                f"left out: {folder.path} has no scores.json; merbench leaderboard build or render "
                "--rescore writes it"
            )
        if (
            folder.scores
            and (not dataset or board.track.dataset in (dataset, ordered(dataset)))
            and (not track or is_meant(board.title, track, names))
        ):
            scored_boards.append((board, folder.scores))
    if not scored_boards:
        raise RequestError(f"no board of that kind in {root}")
    return scored_boards


class Best(Config):
    scored: dict[str, dict[str, float]]


def best_possible(session: Session, board: Board, cache: Cache) -> dict[str, dict[str, float]]:
    code = version(kept=cache.parsed_code)
    key = sha256(f"optimum {code} {board.track.model_dump_json()}".encode()).hexdigest()
    return cache.get(key, Best, lambda: Best(scored=of_track(session, board.track))).scored

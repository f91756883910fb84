"""What every leaderboard command starts from: the boards of a store, scored."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from merbench.api.config import Config
from merbench.api.errors import RequestError
from merbench.cli.optimum import of_track
from merbench.cli.session import Session, say
from merbench.report.cache import Cache, version
from merbench.report.entries import Board, collect
from merbench.report.scores import BoardScores, score
from merbench.report.source import StoreSource
from merbench.results.store import Store


def from_store(session: Session, store: Path, dataset: str | None, track: str | None) -> list[tuple[Board, BoardScores]]:
    """RequestError where the store has no finished run of that kind. Scores are kept in ``<store>/cache/scores``."""
    source = StoreSource(Store(store))
    boards = collect(source.records(), floors(session), dataset, track)
    for warning in source.warnings:
        say(f"warning: {warning}")
    cache = Cache(store / "cache" / "scores")
    made = [(board, score(board, source, cache, best_possible(session, board, cache))) for board in boards]
    if not any(scores.rows for _, scores in made):
        where = "".join(f" of {what}" for what in (dataset, track) if what)
        raise RequestError(
            f"no finished run{where} in the store {store}; "
            f"merbench run --model merclip{f' --dataset {dataset}' if dataset else ''} makes some"
        )
    return [(board, scores) for board, scores in made if scores.rows]


class Best(Config):
    scored: dict[str, dict[str, float]]


def best_possible(session: Session, board: Board, cache: Cache) -> dict[str, dict[str, float]]:
    key = sha256(f"optimum {version()} {board.track.model_dump_json()}".encode()).hexdigest()
    return cache.get(key, Best, lambda: Best(scored=of_track(session, board.track))).scored


def floors(session: Session) -> set[str]:
    catalog = session.catalog
    alone = (name for name in catalog.names("recipe") if len(catalog.providers("recipe", name)) == 1)
    return {name for name in alone if catalog.recipe(name).floor}

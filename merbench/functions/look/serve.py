"""``merbench.serve``: a store in the browser while a study runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from merbench.api.errors import RequestError
from merbench.bench.boards import boards_of
from merbench.bench.python_function import endless_function
from merbench.bench.python_session import catalog
from merbench.terminal.messages import say

if TYPE_CHECKING:
    from merbench.host.catalog import Catalog
    from merbench.report.live.server import LiveServer
    from merbench.report.scores.board.board_scores import BoardScores
    from merbench.report.scores.rows.entries import Board

PORT = 8321


@endless_function
def serve(
    store: str | Path = "runs",
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    allow_host: Collection[str] = (),
    dataset: str | None = None,
    track: str | None = None,
) -> None:
    """The boards of ``store``, and how far its running runs are, at http://HOST:PORT until it is
    interrupted. Nothing is written to the store.

    ``host``: where to listen; others than loopback let other machines read. ``allow_host``: further
    names by which the page may be asked for. RequestError where nothing can be served.
    """
    with opened(catalog(), Path(store), host, port, allow_host, dataset, track) as server:
        say(f"{server.url} shows {store}; Ctrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("ended")


def opened(
    catalog: Catalog,
    store: Path,
    host: str,
    port: int,
    allow_host: Collection[str] = (),
    dataset: str | None = None,
    track: str | None = None,
) -> LiveServer:
    """The server, listening; ``serve_forever`` answers."""
    from merbench.report.live.pages import LivePages
    from merbench.report.live.server import LiveServer

    if not store.is_dir():
        raise RequestError(
            f"there is no store {store}; name the folder that is --store of the runs"
        )
    return LiveServer(
        LivePages(store, _scored_boards(catalog, store, dataset, track)), host, port, allow_host
    )


def _scored_boards(
    catalog: Catalog, store: Path, dataset: str | None, track: str | None
) -> Callable[[], Sequence[tuple[Board, BoardScores]]]:
    """A function that gives the scored boards of the store as it is when it is called. What was
    scored once is kept beside, not in the store.
    """
    from merbench.bench.score_cache import cache_in
    from merbench.report.scores.board.board_scores import score
    from merbench.report.scores.runs_of_a_store import StoreSource
    from merbench.results.store.store import Store

    folder = TemporaryDirectory(prefix="merbench-serve-")

    def scored() -> Sequence[tuple[Board, BoardScores]]:
        cache = cache_in(Path(folder.name))
        source = StoreSource(Store(store))
        boards = boards_of(catalog, source, source.records(), dataset, track)
        all_scored = [(board, score(board, source, cache)) for board in boards]
        scored_boards = [(board, scores) for board, scores in all_scored if scores.rows]
        if not scored_boards:
            raise RequestError("No run of that kind has finished yet.")
        return scored_boards

    return scored

"""The pages of a store while it grows: scored anew when a record was added."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

from merbench.api.errors import MerbenchError
from merbench.report.folder.names import folder_names
from merbench.report.live.progress import progress, stamp
from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board
from merbench.report.site.about import SiteAbout
from merbench.report.site.board_page.page import board_page
from merbench.report.site.index_page import index_page
from merbench.results.store.store import Store

HTML, JSON = "text/html; charset=utf-8", "application/json"
Scored = Sequence[tuple[Board, BoardScores]]


class LivePages:
    """``scored``: the boards of the store as it is now; it may raise MerbenchError, which the page
    shows. Nothing of a path leads to a file.
    """

    def __init__(self, root: Path, scored: Callable[[], Scored]) -> None:
        self.store, self._scored = Store(root), scored
        self._lock = Lock()
        self._stamp = ""
        self._pages: dict[str, str] = {}

    def get(self, path: str) -> tuple[bytes, str] | None:
        """Content and its type; None where there is no such page."""
        if path == "/status.json":
            return json.dumps(progress(self.store)).encode(), JSON
        page = self._current().get("/index.html" if path == "/" else path)
        # The name of a store may hold bytes that are no text.
        return None if page is None else (page.encode(errors="replace"), HTML)

    def _current(self) -> dict[str, str]:
        with self._lock:
            now = stamp(self.store)
            if now != self._stamp:
                self._pages = self._drawn(now)
                self._stamp = now
            return self._pages

    def _drawn(self, stamp_now: str) -> dict[str, str]:
        about = SiteAbout(
            title=f"Runs in {self.store.root.name}",
            purpose="Boards of a store that may still grow; this page refreshes itself.",
        )
        try:
            boards = self._scored()
        except MerbenchError as error:
            empty = about.model_copy(update={"purpose": str(error)})
            return {"/index.html": index_page([], empty, stamp_now)}
        names = folder_names([board.track for board, _ in boards])
        named = [(name, *pair) for name, pair in zip(names, boards, strict=True)]
        pages = {
            f"/{name}/index.html": board_page(
                board, scores, {}, home="../index.html", live=stamp_now
            )
            for name, board, scores in named
        }
        return pages | {"/index.html": index_page(named, about, stamp_now)}

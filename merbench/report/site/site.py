"""All that is drawn from folders of runs: tables, pictures, pages. Equal folders give equal bytes,
and no labels are needed.
"""

from __future__ import annotations

from collections.abc import Sequence

from merbench.api.errors import DataError
from merbench.report.pictures.board import pictures
from merbench.report.site.folder import Folder
from merbench.report.site.page import index_page, track_page
from merbench.report.tables.latex import to_latex
from merbench.report.tables.sheet import sheet
from merbench.report.tables.table import to_csv, to_markdown


def site(folders: Sequence[Folder]) -> dict[str, bytes]:
    """Path below the common root -> content: ``index.html``, and each track's tables, pictures and
    page.
    """
    made: dict[str, bytes] = {}
    for folder in folders:
        if folder.scores is None:
            raise DataError(
                f"{folder.path} has no scores.json; "
                "merbench leaderboard render --rescore computes it from the predictions"
            )
        board, scores, name = folder.board, folder.scores, folder.path.name
        if strange := sorted(scores.rows.keys() - {e.name for e in board.entries}):
            raise DataError(
                f"{folder.path / 'scores.json'} scores {strange[0]!r}, "
                "and no records give a row of that name"
            )
        short, full = (
            sheet(board, scores, variants=True),
            sheet(board, scores, every_metric=True, variants=True, intervals=True),
        )
        drawn = pictures(board, scores, folder.extras)
        tables = {
            "table.md": to_markdown(short.title, short.columns, short.rows, notes=short.notes),
            "table.csv": to_csv(full.columns, full.rows),
            "table.tex": to_latex(short.title, short.columns, short.rows, notes=short.notes),
        }
        page = track_page(
            board,
            scores,
            {n: words for n, (_, words) in drawn.items()},
            [*tables, "scores.json"],
            "../index.html",
        )
        made |= {f"{name}/{n}": text.encode() for n, text in tables.items()}
        made |= {f"{name}/{n}": data for n, (data, _) in drawn.items()}
        made[f"{name}/index.html"] = page.encode()
    made["index.html"] = index(folders)
    return made


def index(folders: Sequence[Folder]) -> bytes:
    """``index.html`` of folders with scores."""
    return index_page(
        [(folder.path.name, folder.board, folder.scores) for folder in folders if folder.scores]
    ).encode()

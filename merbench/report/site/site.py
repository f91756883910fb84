"""All that is drawn from folders of runs: tables, pictures, pages. Equal folders give equal bytes,
and no labels are needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from merbench.api.control_characters import printable
from merbench.api.errors import DataError
from merbench.report.folder.folder import Folder
from merbench.report.pictures.board import pictures
from merbench.report.pictures.picture_cache import KeptPictures
from merbench.report.site.about import SiteAbout, read_site_about
from merbench.report.site.board_page.page import Image, board_page
from merbench.report.site.index_page import index_page
from merbench.report.site.predictions_page import predictions_page
from merbench.report.site.template import shared_files
from merbench.report.tables.board_sheet import sheet
from merbench.report.tables.latex import to_latex
from merbench.report.tables.table import to_markdown
from merbench.report.tables.tidy import tidy, to_csv

FILES = {
    "CSV": "table.csv",
    "JSON": "scores.json",
    "Markdown": "table.md",
    "LaTeX": "table.tex",
    "predictions": "predictions.html",
}


def site(folders: Sequence[Folder], kept: KeptPictures | None = None) -> dict[str, bytes]:
    """Path below the common root -> content: ``common``, and each track's tables, pictures and
    page. ``kept``: pictures that were drawn before.
    """
    content: dict[str, bytes] = {}
    for folder in folders:
        content |= {f"{folder.path.name}/{n}": data for n, data in _of_track(folder, kept).items()}
    return content | common(folders)


def common(folders: Sequence[Folder]) -> dict[str, bytes]:
    """What lies beside the folders: the list of boards, and the files that all pages share."""
    return {"index.html": index(folders), **shared_files()}


def _of_track(folder: Folder, kept: KeptPictures | None) -> dict[str, bytes]:
    board, scores = folder.board, folder.scores
    if scores is None:
        raise DataError(
            f"{folder.path} has no scores.json; "
            "merbench leaderboard render --rescore computes it from the predictions"
        )
    if unknown := sorted(scores.all_rows.keys() - board.by_name.keys()):
        raise DataError(
            f"{folder.path / 'scores.json'} scores {unknown[0]!r}, "
            "and no records give a row of that name"
        )
    short = sheet(board, scores, ablations=True)
    full = sheet(board, scores, ablations=True, claims=True, superseded=True)
    drawn = pictures(board, scores, folder.extras, kept)
    page = board_page(board, scores, images(drawn), FILES, home="../index.html", shared="../")
    texts = {
        "table.md": to_markdown(short.title, short.columns, short.rows, notes=short.notes),
        "table.csv": to_csv(tidy([(board, scores, full)])),
        "table.tex": to_latex(short.title, short.columns, short.rows, notes=short.notes),
        "index.html": page,
        "predictions.html": predictions_page(folder, board, scores),
    }
    return {name: printable(text).encode() for name, text in texts.items()} | {
        name: data for name, (data, _) in drawn.items()
    }


def images(drawn: Mapping[str, tuple[bytes, str]]) -> dict[str, Image]:
    """With the sizes that the pictures themselves state."""
    images_by_file = {}
    for name, (data, words) in drawn.items():
        size = re.search(rb'<svg[^>]* width="([\d.]+)pt" height="([\d.]+)pt"', data)
        size = size or re.search(rb'<svg[^>]* height="([\d.]+)pt"[^>]* width="([\d.]+)pt"', data)
        width, height = (
            (round(float(number) * 4 / 3) for number in size.groups()) if size else (0, 0)
        )
        images_by_file[name] = Image(words, width, height)
    return images_by_file


def index(folders: Sequence[Folder]) -> bytes:
    """``index.html`` of folders with scores."""
    root = folders[0].path.parent if folders else Path()
    boards = [(f.path.name, f.board, f.scores) for f in folders if f.scores]
    page = index_page(boards, read_site_about(root) if folders else SiteAbout(), shared="")
    return printable(page).encode()

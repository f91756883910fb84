"""A board as one web page: no network, no build step, readable without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board
from merbench.report.site.board_page.corrections import correction_of
from merbench.report.site.board_page.details import compact, detail
from merbench.report.site.board_page.glossary import glossary
from merbench.report.site.board_page.matrix import pair_matrix
from merbench.report.site.board_page.methods import methods
from merbench.report.site.board_page.rows import table_columns, table_rows
from merbench.report.site.board_page.scatter import points
from merbench.report.site.run_facts import facts_of_runs, finding, split
from merbench.report.site.template import render, script_data
from merbench.report.site.titles import headline, readable
from merbench.report.tables.board_sheet import ABLATIONS, CLAIMS, SUPERSEDED, sheet

FOLDED = (ABLATIONS, SUPERSEDED, CLAIMS)
"""Groups of rows that the page shows when asked, or under their model."""
IN_SCRIPT = ("cost.svg", "parameters.svg")
"""Pictures that the interactive figure replaces where scripts run."""


@dataclass(frozen=True)
class Image:
    """A picture beside the page: what it shows in words, and its size in CSS pixels."""

    words: str
    width: int
    height: int


def board_page(
    board: Board,
    scores: BoardScores,
    images: Mapping[str, Image],
    files: Mapping[str, str] | None = None,
    home: str = "",
    live: str = "",
    shared: str | None = None,
) -> str:
    """``images``: file name -> picture; ``files``: title -> further file beside the page;
    ``home``: address of the list of boards; ``live``: the stamp of the served store;
    ``shared`` as in ``render``.
    """
    full = sheet(board, scores, every_metric=True, ablations=True, claims=True, superseded=True)
    columns = table_columns(scores)
    rows = table_rows(board, scores, full, columns)
    groups = list(dict.fromkeys(row.group for row in rows))
    details = {
        name: detail(entry, board, scores)
        for name in scores.all_rows
        if (entry := board.by_name.get(name))
    }
    marks = points(rows, scores, board)
    dataset, further = headline(board.title)
    return render(
        "board.html",
        shared,
        title=readable(board.title),
        dataset=dataset,
        further=further,
        track=board.track,
        home=home,
        live=live,
        finding=finding(board, scores),
        made=facts_of_runs([r for e in board.entries for r in e.records]),
        columns=columns,
        split=split(board, scores),
        words=glossary(board, scores, groups, columns),
        rows=rows,
        groups=[(group, not group.startswith(FOLDED)) for group in groups],
        methods=methods(board, scores),
        corrections=[correction_of(e, board, scores) for e in board.superseded],
        metric=scores.ranks_by,
        pairs=pair_matrix(scores, board),
        notes=full.notes,
        images={name: image for name, image in images.items() if name not in IN_SCRIPT},
        without_script={name: images[name] for name in IN_SCRIPT if name in images},
        files=files or {},
        has_costs=bool(marks),
        points=script_data(marks),
        details=script_data(compact(details)),
    )

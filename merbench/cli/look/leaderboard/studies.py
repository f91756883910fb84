"""Rows that a study file names and its board lacks; the board alone does not show what was left
out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from merbench.cli.shared.output import say
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.api.material.corpus import Corpus
    from merbench.report.scores.rows.entries import Board
    from merbench.report.verify.failure import Failure
    from merbench.results.store.store import Store
    from merbench.study.file import StudyFile
    from merbench.study.layout import Cell


def left_out(
    session: Session,
    files: Sequence[Path],
    data: Path | None,
    named_boards: Sequence[tuple[str, Board]],
    corpora: Sequence[Corpus] = (),
) -> Iterator[Failure]:
    """``files``: of studies. What names other data than the boards', or data that are not here, is
    not checked, and reported. ``corpora``: data sets that are open already.
    """
    from merbench.api.errors import MerbenchError
    from merbench.report.verify.failure import Failure
    from merbench.results.store.store import Store
    from merbench.study.file import read_study

    for file in files:
        try:
            study = read_study(file)
            cells = _cells(session, study, Store(file.parent), data, corpora)
        except MerbenchError as error:
            say(f"{file}: not checked: {error}")
            continue
        for cell in cells:
            name, board = next(
                ((n, b) for n, b in named_boards if b.track == cell.plan.track), ("", None)
            )
            if board is None:
                say(
                    f"{file}: {cell.label} is not checked: "
                    f"no board is of the track {cell.track} with your data and word vectors"
                )
                continue
            recipe = cell.plan.recipe
            tuned = study.tune is not None and not (recipe.floor or recipe.closed_form)
            finished_seeds = _finished_seeds(board, cell, tuned)
            lacking = [str(seed) for seed in cell.seeds if seed not in finished_seeds]
            if lacking:
                missing = f"{cell.label}{' tuned' if tuned else ''}, seeds {', '.join(lacking)}"
                yield Failure(file, f"the board {name} lacks {missing}, which this study names")


def _cells(
    session: Session,
    study: StudyFile,
    store: Store,
    data: Path | None,
    corpora: Sequence[Corpus],
) -> list[Cell]:
    """The study laid out without its search, for which its store would be needed: what is tuned
    has other settings and the same name.
    """
    from merbench.runs.workspace import Sources, Workspace
    from merbench.study.layout import lay_out

    sources = Sources(session.disabled, tuple(session.homes(data)), tuple(study.vectors))
    workspace = Workspace(sources, session.catalog, corpora)
    without_search = study.model_copy(update={"tune": None})
    return lay_out(without_search, workspace, store, lambda sentence: None)


def _finished_seeds(board: Board, cell: Cell, tuned: bool) -> set[int]:
    spec = cell.plan.spec
    rows = [
        e for e in board.entries if (e.first.spec.model, e.ablation) == (spec.model, spec.ablation)
    ]
    return {r.seed for e in rows for r in e.done if tuned == (r.tuned_by is not None)}

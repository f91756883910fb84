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
    from merbench.runs.workspace import Sources, Workspace
    from merbench.study.file import read_study
    from merbench.study.layout import lay_out

    for file in files:
        try:
            study = read_study(file)
            workspace = Workspace(
                Sources(session.disabled, tuple(session.homes(data)), tuple(study.vectors)),
                session.catalog,
                corpora,
            )
            # Laid out without its search, for which a store would be needed: what is tuned has
            # other settings and the same name.
            cells = lay_out(
                study.model_copy(update={"tune": None}),
                workspace,
                Store(file.parent),
                lambda sentence: None,
            )
        except MerbenchError as error:
            say(f"{file}: not checked: {error}")
            continue
        for cell in cells:
            recipe, spec = cell.plan.recipe, cell.plan.spec
            tuned = study.tune is not None and not (recipe.floor or recipe.closed_form)
            name, board = next(
                ((n, b) for n, b in named_boards if b.track == cell.plan.track), ("", None)
            )
            if board is None:
                say(
                    f"{file}: {cell.label} is not checked: "
                    f"no board is of the track {cell.track} with your data and word vectors"
                )
                continue
            rows = [
                e
                for e in board.entries
                if (e.first.spec.model, e.ablation) == (spec.model, spec.ablation)
            ]
            finished_seeds = {
                r.seed for e in rows for r in e.done if tuned == (r.tuned_by is not None)
            }
            if lacking := [seed for seed in cell.seeds if seed not in finished_seeds]:
                missing = (
                    f"{cell.label}{' tuned' if tuned else ''}, seeds {', '.join(map(str, lacking))}"
                )
                yield Failure(file, f"the board {name} lacks {missing}, which this study names")

"""``merbench.export``: boards in the forms that other collections of results take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from merbench.api.errors import RequestError

if TYPE_CHECKING:
    from merbench.report.scores.board_scores import BoardScores
    from merbench.report.scores.entries import Board

Form = Literal["hf", "every-eval-ever", "bibtex"]
FORMS: tuple[Form, ...] = get_args(Form)


def export(
    form: Form,
    out: str | Path,
    store: str | Path = "runs",
    *,
    dataset: str | None = None,
    track: str | None = None,
    hub_dataset: str = "",
) -> list[Path]:
    """Write the boards of ``store`` to the folder ``out``, and return the files.

    ``form``: ``"hf"`` (model-index, and ``.eval_results`` with ``hub_dataset="OWNER/NAME"``),
    ``"every-eval-ever"`` or ``"bibtex"``. RequestError where there is no finished run of that kind.
    """
    from merbench.functions.leaderboard import leaderboard

    boards = leaderboard(store, dataset=dataset, track=track).boards
    return exported(boards, form, Path(out), hub_dataset)


def exported(
    boards: Sequence[tuple[Board, BoardScores]], form: Form, out: Path, hub_dataset: str = ""
) -> list[Path]:
    """What the function and the command share."""
    from merbench.report.exports.bibtex import bibtex
    from merbench.report.exports.every_eval_ever import every_eval_ever
    from merbench.report.exports.hub import hub
    from merbench.report.folder.folder import folder_names
    from merbench.results.files import write_together

    if form not in FORMS:
        raise RequestError(f"there is no export {form!r}; there are {', '.join(FORMS)}")
    if hub_dataset and form != "hf":
        raise RequestError(f"a hub data set changes nothing of the export {form}; leave it out")
    folders = folder_names([board.track for board, _ in boards])
    contents: dict[str, bytes] = {}
    entries: list[str] = []
    for folder, (board, scores) in zip(folders, boards, strict=True):
        if form == "hf":
            contents |= hub(board, scores, folder, hub_dataset)
        elif form == "every-eval-ever":
            contents |= every_eval_ever(board, scores)
        else:
            entries += bibtex(board, scores, folder)
    if entries:
        contents["merbench.bib"] = "\n".join(entries).encode()
    write_together(out, contents)
    return [out / name for name in contents]

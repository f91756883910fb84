"""``merbench.export``: boards in the forms that other collections of results take."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from merbench.api.errors import RequestError
from merbench.bench.python_function import python_function

if TYPE_CHECKING:
    from merbench.report.scores.board.board_scores import BoardScores
    from merbench.report.scores.rows.entries import Board
    from merbench.report.scores.runs_of_a_store import Source
    from merbench.results.records.record import Track

Form = Literal["hf", "every-eval-ever", "bibtex"]
FORMS: tuple[Form, ...] = get_args(Form)


@python_function
def export(
    form: Form,
    out: str | Path,
    store: str | Path = "runs",
    *,
    dataset: str | None = None,
    track: str | None = None,
    hub_dataset: str = "",
    rows: bool = False,
) -> list[Path]:
    """Write the boards of ``store`` to the folder ``out``, and return the files.

    ``form``: ``"hf"`` (model-index, and ``.eval_results`` with ``hub_dataset="OWNER/NAME"``),
    ``"every-eval-ever"`` or ``"bibtex"``. ``rows``: of Every Eval Ever each row's prediction,
    target and error too. RequestError where there is no finished run of that kind.
    """
    from merbench.functions.look.leaderboard import leaderboard
    from merbench.report.scores.rows.entries import collect
    from merbench.report.scores.runs_of_a_store import StoreSource
    from merbench.results.store.store import Store

    boards = leaderboard(store, dataset=dataset, track=track).boards
    source = StoreSource(Store(Path(store)))
    tracks = [board.track for board in collect(source.records(), ())]
    return exported(boards, tracks, form, Path(out), hub_dataset, source if rows else None)


def exported(
    boards: Sequence[tuple[Board, BoardScores]],
    tracks: Sequence[Track],
    form: Form,
    out: Path,
    hub_dataset: str = "",
    source: Source | None = None,
) -> list[Path]:
    """What the function and the command share. ``tracks``: all that stand beside these boards, so
    that a board exported by itself has the name that no other has. ``source``: of single rows,
    where they are asked for.
    """
    from merbench.report.exports.bibtex import bibtex
    from merbench.report.exports.every_eval_ever import every_eval_ever
    from merbench.report.exports.hub import hub
    from merbench.report.folder.names import folder_of_tracks
    from merbench.report.folder.written_files import replace_written

    if hub_dataset:
        _check_hub_dataset(hub_dataset, form, sorted({board.track.dataset for board, _ in boards}))
    if source and form != "every-eval-ever":
        raise RequestError(f"single rows are no part of the export {form}; leave them out")
    folder_of = folder_of_tracks(tracks)
    contents: dict[str, bytes] = {}
    for board, scores in boards:
        folder = folder_of(board.track)
        if form == "hf":
            contents |= hub(board, scores, folder, hub_dataset)
        elif form == "every-eval-ever":
            contents |= every_eval_ever(board, scores, source)
        else:
            contents |= bibtex(board, scores, folder)
    replace_written(out, contents, keeps=lambda name: True)
    return [out / name for name in contents]


def _check_hub_dataset(hub_dataset: str, form: Form, datasets: Sequence[str]) -> None:
    """``datasets``: of the boards, whose scores go to the one data set on the hub."""
    if form != "hf":
        raise RequestError(f"a hub data set has no effect on the export {form}; leave it out")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", hub_dataset, re.ASCII):
        raise RequestError(f"{hub_dataset!r} is no data set of the hub; name it OWNER/NAME")
    if len(datasets) > 1:
        raise RequestError(
            f"{hub_dataset} is one data set, and these boards are of {', '.join(datasets)}; "
            "choose the one that it is with --dataset"
        )

"""What ``merbench leaderboard verify`` would reject is not built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from merbench.api.plural import count_of
from merbench.cli.shared.output import say
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.report.folder.folder import Folder
    from merbench.report.scores.rows.entries import Board
    from merbench.report.verify.failure import Failure
    from merbench.results.records.record import Record

SHOWN = 5


def refuse_rejected(session: Session, planned: Iterable[tuple[Folder, Board]]) -> None:
    """RequestError for the first board with runs or rows that break a rule. ``planned``: boards and
    what is to be written of them.
    """
    from merbench.api.errors import RequestError

    for folder, board in planned:
        failures = _failures(session, folder, board)
        for failure in failures[:SHOWN]:
            say(f"{board.title}: {failure.sentence}")
        if failures:
            n_failures = count_of(len(failures), "failure")
            raise RequestError(
                f"merbench leaderboard verify would reject {folder.path} ({n_failures}); "
                "run what is missing, build from a store without these runs, or give --unchecked"
            )


def refuse_unexplained(folder: Folder) -> None:
    """RequestError where a run that is published where ``folder`` is to be written predicts
    something else now and no correction says why, or is not in it at all.
    """
    import numpy as np

    from merbench.api.errors import DataError, RequestError
    from merbench.data.first_few import first_few
    from merbench.report.folder.read import read
    from merbench.results.store.corrections import digest, original

    if not (folder.path / "rows.json").is_file():
        return
    try:
        published = read(folder.path, with_scores=False)
    except DataError:
        return  # it is written anew
    known = {(original(record.run_id), digest(record)) for record in folder.records}
    ids = {run for run, _ in known}
    now = {record.run_id: record for record in folder.records}

    def predicts_the_same(record: Record) -> bool:
        """Its metrics may have another last digit, added up by another version."""
        before = published.predicted.get(record.run_id)
        after = folder.predicted.get(record.run_id)  # none of a run that failed
        return (
            before is not None
            and after is not None
            and now[record.run_id].thresholds == record.thresholds
            and np.array_equal(before, after, equal_nan=True)
        )

    for record in published.records:
        run = original(record.run_id)
        if record.status != "done" or run not in ids or (run, digest(record)) in known:
            continue
        if not predicts_the_same(record):
            raise RequestError(
                f"{folder.path} publishes run {run} of {record.spec.model} with other results "
                "than this store has; say why they changed "
                "(merbench leaderboard supersede ROW --reason), "
                "or build into another folder"
            )
    gone = [r for r in published.records if r.status == "done" and original(r.run_id) not in ids]
    if gone:
        files = sorted({published.files[record.run_id].name for record in gone})
        raise RequestError(
            f"{folder.path} publishes {count_of(len(gone), 'run')} that this store does not have "
            f"in a finished row ({first_few(files, 8)} in its records/); bring them into it "
            f"(merbench leaderboard pull {folder.path.parent}), run what is missing, "
            "remove these files, or build into another folder"
        )


def _failures(session: Session, folder: Folder, board: Board) -> list[Failure]:
    """Where the data set is not here, of the rules that need no data."""
    from merbench.api.errors import MerbenchError
    from merbench.bench.floors import closed_forms
    from merbench.bench.own_labels import corpus_of, truth_of
    from merbench.report.verify.board import check_rows
    from merbench.report.verify.run import check_runs
    from merbench.report.verify.seeds import check_seeds

    try:
        corpus = corpus_of(lambda name: session.dataset(name, None), board.track)
        truth = truth_of(session.catalog, corpus, board.track, with_optimum=False)
    except MerbenchError as error:
        say(f"{board.title}: checked without its data ({error})")
        seeds = check_seeds(folder, board, closed_forms(session.catalog), board.fold_numbers)
        return [*check_runs(folder, None), *seeds]
    return check_rows(folder, board, truth)[0]

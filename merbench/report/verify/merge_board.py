"""The runs of a board, verified and put into a store with the user's own labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from merbench.report.folder.folder import Folder
from merbench.report.verify.predictions import against_predictions
from merbench.report.verify.run import run_failures
from merbench.report.verify.truth import Truth
from merbench.results.records.predictions import Predictions
from merbench.results.records.reading import UnreadableError
from merbench.results.records.record import Record, RecordedSpace
from merbench.results.store.corrections import Correction
from merbench.results.store.history import carry_over, read_corrections
from merbench.results.store.merge import Merged, difference, superseded_by, unite, united
from merbench.results.store.store import Store


def merge_board(folder: Folder, truth: Truth, into: Store) -> Iterator[Merged]:
    """Each run, in the order of run ids: refused where a rule does not hold, else copied where
    ``into`` lacks it. What ``into`` has done stays as it is.
    """
    space = RecordedSpace.of(truth.corpus.offered[truth.task])
    revision = truth.content(())
    labelled = truth.labelled(folder)
    known = [*folder.corrections, *read_corrections(into.root)]

    def of_this_data(record: Record) -> bool:
        return record.track.revision == revision and record.space.same_task(space)

    wrong = against_predictions(filter(of_this_data, folder.records), folder, truth)
    for record in folder.records:
        name = record.run_id
        if not of_this_data(record):
            why = f"your {record.track.dataset} has other ids, labels or splits than its own"
            yield Merged(name, "refused", why)
            continue
        if failures := run_failures(record, folder, truth, wrong):
            yield Merged(name, "refused", failures[0].sentence)
            continue
        theirs = labelled.predictions(name) if record.status == "done" else None
        yield _merged(record, theirs, into, folder.corrections, known)
    carry_over(folder.corrections, into)


def _merged(
    record: Record,
    theirs: Predictions | None,
    into: Store,
    its_corrections: Sequence[Correction],
    known: Sequence[Correction],
) -> Merged:
    """One run of a board, whose predictions are ``theirs`` if it is done. ``known``: corrections of
    the board and of ``into``.
    """
    name, done = record.run_id, theirs is not None
    try:
        ours = into.get(name)
    except UnreadableError as error:
        return Merged(name, "refused", str(error))
    if ours is None or (ours.status == "failed" and done):
        into.put(united(record, ours) if ours else record, theirs)
        return Merged(name, "copied")
    why = ""
    if theirs is not None and ours.status == "done":
        why = difference(_single(theirs), _single(into.predictions(name)), record, ours)
    if not why:
        unite(ours, record, into)
        return Merged(name, "there")
    if superseded_by(ours, its_corrections):
        into.put(united(record, ours), theirs)
        return Merged(name, "copied", f"supersedes the one here: {why}")
    if superseded_by(record, known):
        unite(ours, record, into)
        return Merged(name, "there", "the one here supersedes it")
    return Merged(name, "conflict", why)


def _single(predictions: Predictions) -> Predictions:
    """With targets in single precision, as runs kept them once."""
    if predictions.target.dtype.kind != "f":
        return predictions
    return replace(predictions, target=predictions.target.astype(np.float32))

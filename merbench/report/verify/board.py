"""Is a folder of runs what it says? Every number is recomputed from predictions and the user's
labels, every rule of the protocol is checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from merbench.api.errors import DataError
from merbench.report.folder.folder import Folder, fold_name
from merbench.report.folder.written_files import FILE as WRITTEN
from merbench.report.pictures.picture_cache import KeptPictures
from merbench.report.scores.rows.entries import Board
from merbench.report.site.site import site
from merbench.report.verify.corrections import corrections_hold
from merbench.report.verify.drawn_files import outdated
from merbench.report.verify.failure import Failure
from merbench.report.verify.run import check_runs, predictions_file
from merbench.report.verify.scores import verify_scores
from merbench.report.verify.seeds import check_seeds
from merbench.report.verify.truth import Truth
from merbench.results.records.record import RecordedSpace
from merbench.results.store.history import FOLDER as CORRECTIONS


def verify(folder: Folder, truth: Truth, kept: KeptPictures | None = None) -> list[Failure]:
    """Everything that does not hold. ``kept``: pictures that were drawn before."""
    board = folder.by(truth.floors, truth.registry)
    scores_file = folder.path / "scores.json"
    failures, same_data = check_rows(folder, board, truth)
    if not same_data:
        return failures
    failures += _extras(folder, board)
    if folder.scores is None:
        return [*failures, Failure(scores_file, "there is no scores.json")]
    if not any(f.file.parent.name == "predictions" for f in failures):
        failures += verify_scores(folder, truth)
    return failures + _drawn_files(folder, kept)


def check_rows(folder: Folder, board: Board, truth: Truth) -> tuple[list[Failure], bool]:
    """The rules that runs and rows obey, before anything is computed or drawn of them; and True if
    the user's data are those that they were scored on.
    """
    if truth.content(()) != board.track.revision:
        sentence = (
            f"your {board.track.dataset} is not the one these runs were scored on: ids, labels or "
            f"splits differ from the recorded content {board.track.revision[:12]}"
        )
        failure = Failure(folder.path / "scores.json", sentence)
        return [failure, *check_runs(folder, None)], False
    if failures := list(_other_tasks(folder, truth)):
        return failures, False
    seeds = check_seeds(folder, board, truth.closed_forms, set(truth.splits))
    failures = [*check_runs(folder, truth), *seeds]
    return [*failures, *corrections_hold(folder)], True


def _other_tasks(folder: Folder, truth: Truth) -> Iterator[Failure]:
    """Without the task's own labels nothing of a run can be scored."""
    space = RecordedSpace.of(truth.corpus.offered[truth.task])
    for record in folder.records:
        if not record.space.same_task(space):
            yield Failure(
                folder.files[record.run_id],
                f"run {record.run_id} (seed {record.seed}): its label space is not that of the "
                "task",
            )


def _extras(folder: Folder, board: Board) -> Iterator[Failure]:
    """What lies beside the records is of their track, and of folds that exist."""
    track = board.track.model_dump(mode="json")
    for name, content in folder.extras.items():
        if not isinstance(content, dict) or content.get("track") != track:
            yield Failure(
                folder.path / f"{name}.json", "it is of another track than the records, or of none"
            )
    if unknown_folds := sorted(folder.ids.keys() - {fold_name(r) for r in folder.records}):
        yield Failure(
            folder.path / "rows.json",
            f"it has rows of fold {unknown_folds[0]!r}, and no run has that fold",
        )


def _drawn_files(folder: Folder, kept: KeptPictures | None) -> list[Failure]:
    """Tables, pictures and pages are what records and scores give, and nothing else lies there."""
    try:
        content_by_name = site([folder], kept)
    except DataError as error:
        return [Failure(folder.path / "scores.json", str(error))]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        sentence = (
            "nothing can be drawn of it, because scores.json and records do not fit "
            f"({type(error).__name__}: {error})"
        )
        return [Failure(folder.path, sentence)]
    drawn = {
        folder.path.parent / name: content
        for name, content in content_by_name.items()
        if "/" in name
    }
    failures = [failure for path, content in drawn.items() for failure in outdated(path, content)]
    return failures + list(_strangers(folder, set(drawn)))


def _strangers(folder: Folder, drawn: set[Path]) -> Iterator[Failure]:
    records = set(folder.files.values())
    expected = {
        *drawn,
        *records,
        *map(predictions_file, records),
        *(folder.path / f"{name}.json" for name in ("rows", "scores", *folder.extras)),
        *(folder.path / CORRECTIONS / f"{correction.id}.json" for correction in folder.corrections),
        folder.path / WRITTEN,
    }
    for path in sorted(folder.path.rglob("*")):
        if not (path.is_dir() or path in expected or path.name.startswith(".")):
            yield Failure(path, "it is no file of a board; remove it")

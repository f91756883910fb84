"""Rows have whole seeds, the same ones, and no two seeds of a row predict the same."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from merbench.report.folder.folder import Folder
from merbench.report.scores.rows.entries import Board, Entry
from merbench.report.verify.failure import Failure


def check_seeds(
    folder: Folder, board: Board, closed_forms: Collection[str], folds: set[int | None]
) -> Iterator[Failure]:
    """Every fold of each seed; 0 to N-1 and the same for all rows, 0 alone for a closed form whose
    train rows are the same for every seed. Outside predictions have the seeds that their makers
    have.
    """
    seeds_by_row: dict[str, list[int]] = {}
    for entry in board.entries:
        file = folder.files[entry.first.run_id]
        spec = entry.first.spec
        closed_form = entry.floor or spec.model in closed_forms
        one_seed = closed_form and not spec.drawn_train_rows
        sentences = [*_one_row(entry, folds, one_seed)]
        if not one_seed and not entry.first.outside:
            seeds_by_row[entry.name] = _seeds(entry)
        if not closed_form or entry.first.outside:
            sentences += _trained(entry, folder)
        yield from (Failure(file, f"{entry.name}: {sentence}") for sentence in sentences)
    all_seeds = list(seeds_by_row.values())
    usual = max(all_seeds, key=all_seeds.count, default=[])
    for entry in board.entries:
        seeds = seeds_by_row.get(entry.name, usual)
        if seeds != usual:
            sentence = (
                f"{entry.name}: its seeds are {_listed(seeds)}, "
                f"and those of the other rows {_listed(usual)}"
            )
            yield Failure(folder.files[entry.first.run_id], sentence)


def unfinished_seeds(entry: Entry, folds: set[int | None]) -> Iterator[str]:
    """A sentence for each seed that has not finished all ``folds``."""
    for seed in _seeds(entry):
        finished = {r.fold for r in entry.done if r.seed == seed}
        if finished != folds:
            lacks = f"lacks {len(folds - finished)} of {len(folds)} finished folds"
            yield f"seed {seed} {'has not finished' if folds == {None} else lacks}"


def _one_row(entry: Entry, folds: set[int | None], one_seed: bool) -> Iterator[str]:
    seeds = _seeds(entry)
    yield from unfinished_seeds(entry, folds)
    if any(r.tuned_by != entry.first.tuned_by for r in entry.done):
        yield "its runs name more than one search for their settings"
    if entry.first.outside:
        return
    if seeds != list(range(1 if one_seed else len(seeds))):
        needed = "0 alone, being the same for every seed" if one_seed else "all from 0 on"
        yield f"its seeds are {_listed(seeds)}, and must be {needed}"


def _trained(entry: Entry, folder: Folder) -> Iterator[str]:
    """What was trained has a history, and predicts something else from another seed."""
    if any(r.spec.train.epochs and not r.history for r in entry.done):
        yield "it was trained, and a run of it has no history"
    first_seed: dict[tuple[int | None, bytes], int] = {}
    for record in entry.done:
        predicted = folder.predicted.get(record.run_id)
        if predicted is None:
            continue
        first = first_seed.setdefault((record.fold, predicted.tobytes()), record.seed)
        if first != record.seed:
            yield f"the predictions of seed {record.seed} are those of seed {first}"


def _seeds(entry: Entry) -> list[int]:
    return sorted({r.seed for r in entry.records})


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))

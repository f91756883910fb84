"""Finished runs of several specs whose predictions are averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from merbench.api.errors import RequestError
from merbench.report.scores.rows.pooled_seeds import Scored
from merbench.results.records.predictions import Predictions
from merbench.results.records.record import Record
from merbench.results.spec import series
from merbench.results.store.corrections import REPLACED

Seeds = Mapping[int, Scored]


def members(chosen: Sequence[Record], records: Sequence[Record]) -> dict[str, list[Record]]:
    """Model and first run id -> every finished run of the spec of each ``chosen`` run, by the same
    source; not those that were made again since. RequestError for two runs of one spec, or of other
    label spaces.
    """
    records_by_name: dict[str, list[Record]] = {}
    name_by_spec: dict[str, str] = {}
    for choice in chosen:
        name = f"{choice.spec.model} {choice.spec.ablation}".strip() + f" ({choice.run_id})"
        spec = series(choice.spec, choice.contents)
        if spec in name_by_spec:
            raise RequestError(
                f"{name_by_spec[spec]} and {name} are runs of one spec, all seeds of which are "
                "taken; name one of them"
            )
        if not choice.space.same_task(chosen[0].space):
            raise RequestError(
                f"{next(iter(records_by_name))} and {name} have other labels; "
                "only runs of one task can be averaged"
            )
        name_by_spec[spec] = name
        records_by_name[name] = [r for r in records if _is_of_row(r, choice, spec)]
    return records_by_name


def _is_of_row(record: Record, choice: Record, spec: str) -> bool:
    return (
        record.status == "done"
        and REPLACED not in record.run_id
        and record.source_digest == choice.source_digest
        and series(record.spec, record.contents) == spec
    )


def seed_by_seed(members: Mapping[str, Seeds]) -> dict[int, Scored]:
    """Seed -> the mean of what the members predict on it, where all have it. A member of one seed
    stands for every seed.

    RequestError where a member has no whole seed, or two have other test rows or other targets.
    """
    if empty := next((name for name, seeds in members.items() if not seeds), None):
        raise RequestError(f"{empty} lacks folds, or has failed ones; run it again first")
    many = [set(seeds) for seeds in members.values() if len(seeds) > 1]
    alone = [min(min(seeds) for seeds in members.values())]
    common = sorted(set.intersection(*many)) if many else alone
    if not common:
        raise RequestError(
            f"{' and '.join(members)} have no seed in common; run them on the same seeds"
        )
    first = next(iter(members))
    for name, seeds in members.items():
        _check(first, next(iter(members[first].values())), name, next(iter(seeds.values())))
    seeds_by_member = [
        dict.fromkeys(common, *seeds.values()) if len(seeds) == 1 else seeds
        for seeds in members.values()
    ]
    return {s: mean([seeds[s] for seeds in seeds_by_member]) for s in common}


def mean(parts: Sequence[Scored]) -> Scored:
    """Of predictions (scores, or probabilities of labels) on the same rows, in the first one's
    order; of thresholds too.
    """
    rows = parts[0].rows
    aligned = [_order(part.rows, rows.ids) for part in parts]
    averaged = np.mean(
        [part.rows.prediction[order] for part, order in zip(parts, aligned, strict=True)], axis=0
    )
    cuts = [
        part.cuts[order]
        for part, order in zip(parts, aligned, strict=True)
        if part.cuts is not None
    ]
    cut = np.mean(cuts, axis=0) if cuts else None
    known = ~np.isnan(rows.target) if rows.target.ndim > 1 else None
    return Scored(
        Predictions(rows.ids, rows.videos, rows.target, averaged),
        parts[0].task.evaluate(rows.target, averaged, cut, known),
        parts[0].task,
        cut,
    )


def _order(rows: Predictions, ids: Sequence[str]) -> np.ndarray:
    row_of_id = {name: i for i, name in enumerate(rows.ids)}
    return np.array([row_of_id[name] for name in ids])


def _check(first: str, a: Scored, name: str, b: Scored) -> None:
    if apart := set(a.rows.ids) ^ set(b.rows.ids):
        raise RequestError(
            f"{first} and {name} were scored on other test rows ({len(apart)} of them, "
            f"such as {min(apart)}, are those of one alone); "
            "only runs of one data set, task and protocol can be averaged"
        )
    target = b.rows.target[_order(b.rows, a.rows.ids)]
    if target.shape != a.rows.target.shape or not np.array_equal(
        target, a.rows.target, equal_nan=target.dtype.kind == "f"
    ):
        raise RequestError(
            f"{first} and {name} were scored on the same test rows with other targets; "
            "only runs of one task can be averaged"
        )

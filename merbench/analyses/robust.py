"""Robustness: trained models scored on damaged test rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from merbench.analyses.trained import Readings, trained
from merbench.api import MODALITIES, Corpus, RequestError
from merbench.engine.plan.plan import Plan
from merbench.engine.rows.corrupt import KINDS, Damage, damaged
from merbench.report.scores.paired_differences import Line
from merbench.report.scores.rows.pooled_seeds import by_seed, summary
from merbench.results.records.record import Record
from merbench.results.store.store import Store
from merbench.runs.machine import Machine

Case = tuple[Damage, ...]
"""Damages that are done together."""
CLEAN = "as it is"
MOST_CASES = 1000
"""Of one --corrupt."""


def parse(text: str) -> list[Case]:
    """``audio=drop``, ``text=mask:0.3``, ``video=noise:0:2:5`` (a curve: five strengths from 0 to
    2), or several joined by commas.
    """
    damages = [_parse(part.strip(), text) for part in text.split(",")]
    count = prod(len(strengths) for strengths in damages)
    if count > MOST_CASES:
        raise RequestError(
            f"--corrupt {text[:80]}: these are {count} cases, each of which is scored, and at most "
            f"{MOST_CASES} are; give fewer points"
        )
    return [case for case in product(*damages) if case]


def _parse(part: str, text: str) -> list[Damage]:
    form = (
        "MODALITY=drop, MODALITY=mask:SHARE, MODALITY=noise:STRENGTH or, for a curve, "
        "MODALITY=KIND:FROM:TO:POINTS"
    )
    modality, sign, kind_and_rates = part.partition("=")
    kind, *numbers = kind_and_rates.split(":")
    if not sign or modality not in MODALITIES or kind not in KINDS:
        raise RequestError(
            f"--corrupt {text}: {part!r} is not of the form {form}, "
            f"with a modality of {', '.join(MODALITIES)}"
        )
    try:
        values = [float(n) for n in numbers]
    except ValueError:
        values = [np.nan] * 4
    if not values and kind == "drop":
        strengths = [1.0]
    elif len(values) == 1:
        strengths = values
    elif len(values) == 3 and values[2] in range(2, 101):
        strengths = np.linspace(values[0], values[1], int(values[2])).tolist()
    else:
        raise RequestError(
            f"--corrupt {text}: {part!r} is not of the form {form}, with 2 to 100 points"
        )
    highest = np.inf if kind == "noise" else 1.0
    if not all(np.isfinite(s) and 0 <= s <= highest for s in strengths):
        raise RequestError(
            f"--corrupt {text}: the strength of {kind} is "
            f"{'0 or more' if kind == 'noise' else 'a share from 0 to 1'}"
        )
    return [Damage(modality, kind, s) for s in strengths]


def title(case: Case) -> str:
    return ", ".join(str(damage) for damage in case)


def require_a_fit(plans: Iterable[Plan], cases: Sequence[Case]) -> None:
    """RequestError where no case damages what any of the models reads: before they are trained."""
    reads = [plan.streams for plan in plans]
    if cases and not any(
        all(damage.modality in streams for damage in case) for case in cases for streams in reads
    ):
        every_stream = ", ".join(m for m in MODALITIES if any(m in streams for streams in reads))
        raise RequestError(
            f"{title(cases[0])}: what is run reads {every_stream or 'nothing'} and nothing else; "
            "damage that"
        )


def robust(
    plan: Plan,
    corpus: Corpus,
    records: Sequence[Record],
    store: Store,
    machine: Machine,
    cases: Sequence[Case],
    name: str = "",
) -> list[Line]:
    """The model on the test rows as they are (the stored predictions), then on each damaged version
    of them, compared with that.

    A case that does not fit the model's streams has no score, and the reason why. ``name`` goes
    before the names of the lines.
    """
    readings = {title(case): Readings(plan.metrics) for case in cases}
    reasons: dict[str, str] = {}
    finished: list[Record] = []  # one that was trained again has a new record
    for run in trained(plan, corpus, records, store, machine):
        finished.append(run.record)
        rows = run.fold.rows("test")
        for case in cases:
            try:
                streams = damaged(plan.streams, rows, run.fold.statistics, case, run.record.seed)
            except RequestError as error:
                reasons[title(case)] = str(error)
                continue
            data = run.fold.of(
                streams,
                plan.task,
                rows,
                run.problem.encoders,
                machine.device,
                run.fold.turns_N2,
            )
            readings[title(case)].add(
                run.record,
                corpus,
                plan.task,
                rows,
                run.predict(data, run.fold.space),
            )
    base = f"{name} {CLEAN}".strip()
    lines = [Line(base, by_seed(finished, store, plan.metrics))]
    for key in map(title, cases):
        full = f"{name} {key}".strip()
        lines.append(
            Line(full, reason=reasons[key])
            if key in reasons
            else Line(full, readings[key].scored(), against=base)
        )
    return lines


def curve_names(cases: Sequence[Case]) -> list[str]:
    """``audio=noise`` of each damage that is asked for alone at two strengths or more."""
    alone = {str(case[0]): _curve_name(case[0]) for case in cases if len(case) == 1}
    return [name for name, count in Counter(alone.values()).items() if count > 1]


def _curve_name(damage: Damage) -> str:
    return f"{damage.modality}={damage.kind}"


class Point(NamedTuple):
    """One strength of a curve: mean, sd (None for one seed) and n over seeds of the metric."""

    strength: float
    mean: float
    sd: float | None
    n: int


def points(lines: Mapping[float, Line], metric: str) -> list[Point]:
    """``lines``: by strength; those without the metric have no point."""
    summaries = {strength: summary(line.scored).get(metric) for strength, line in lines.items()}
    return [
        Point(strength, s.mean, s.sd if s.n > 1 else None, s.n)
        for strength, s in summaries.items()
        if s
    ]


def curves(cases: Sequence[Case], lines: Sequence[Line], metric: str) -> dict[str, list[Point]]:
    """``audio=noise`` -> its points by strength, the undamaged rows at 0, for each damage done
    alone at two strengths or more.

    ``lines``: what ``robust`` made of these ``cases``, in that order.
    """
    base, *damaged = lines
    by_damage: dict[str, dict[float, Line]] = {}
    for case, line in zip(cases, damaged, strict=True):
        if len(case) == 1 and line.scored:
            by_damage.setdefault(_curve_name(case[0]), {})[case[0].strength] = line
    return {
        damage: points(dict(sorted(({0.0: base} | by_strength).items())), metric)
        for damage, by_strength in by_damage.items()
        if len(by_strength) > 1
    }

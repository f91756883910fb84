"""How much an objective counts as training goes on: a factor on all its terms."""

from __future__ import annotations

from itertools import pairwise

from merbench.api.errors import RequestError

FORMS = (
    "constant, ramp:FROM:TO, warm-up:FROM or decay:FROM:TO, with shares of the stage from 0 to 1"
)


def factor_at(schedule: str, share: float) -> float:
    """The factor when ``share`` (0 to 1) of a stage's batches are over.

    ``constant``: 1. ``ramp:A:B``: 0 until A, then rising linearly to 1 at B. ``warm-up:A``: 0 until
    A, then 1. ``decay:A:B``: 1 until A, then falling linearly to 0 at B.
    """
    kind, start, end = parse(schedule)
    if kind == "constant" or (kind == "warm-up" and share >= start):
        return 1.0
    if kind == "warm-up":
        return 0.0
    risen = min(1.0, max(0.0, (share - start) / (end - start)))
    return risen if kind == "ramp" else 1.0 - risen


def parse(schedule: str) -> tuple[str, float, float]:
    """(kind, FROM, TO). RequestError for another form."""
    kind, *numbers = schedule.split(":")
    try:
        shares = [float(number) for number in numbers]
    except ValueError:
        shares = [-1.0]
    n_numbers = {"constant": 0, "warm-up": 1, "ramp": 2, "decay": 2}.get(kind)
    rising = all(a < b for a, b in pairwise(shares))
    if n_numbers != len(shares) or not rising or not all(0 <= share <= 1 for share in shares):
        raise RequestError(f"the schedule {schedule!r} of an objective is none of: {FORMS}")
    return kind, shares[0] if shares else 0.0, shares[-1] if shares else 0.0

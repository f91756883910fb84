"""Many numbers as a short text: of the digits of base 64, so many a number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def packed(values: Iterable[float | None], step: float) -> dict[str, Any]:
    """``{"low": int, "step": step, "digits": int, "text": str}``: each value as a multiple of
    ``step``, counted from 1 at ``low``; 0 is a value that is missing or not finite. ``unpack`` of
    ``numbers.js`` undoes it.

    >>> packed([0.5, None, 0.52], 0.01)
    {'low': 50, 'step': 0.01, 'digits': 1, 'text': 'BAD'}
    """
    x_N = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    known_N = np.isfinite(x_N)
    multiple_N = [round(float(x) / step) for x in x_N[known_N]]
    low = min(multiple_N, default=0)
    digits = 1
    while len(DIGITS) ** digits <= max(multiple_N, default=0) - low + 1:
        digits += 1
    counted = iter(multiple_N)
    texts = [_text(next(counted) - low + 1 if known else 0, digits) for known in known_N]
    return {"low": low, "step": step, "digits": digits, "text": "".join(texts)}


def _text(number: int, digits: int) -> str:
    """The most significant digit first."""
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, len(DIGITS))
        text = DIGITS[digit] + text
    return text

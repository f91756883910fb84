"""``--missing``: train rows lack modalities, or steps of them, the same rows for every method with
the same seed.

Valid and test stay as they are (``merbench robust`` damages those): what is compared is how well
methods learn from incomplete rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from merbench.api import MODALITIES, Modality, RequestError, Stream
from merbench.engine.rows.corrupt import drop_rows, mask_steps
from merbench.results.seeds import derive

FORM = (
    "MODALITY=RATE, MODALITY=LOW:HIGH, MODALITY=mask:RATE or MODALITY=mask:LOW:HIGH, "
    "with a modality of text, audio, video, any and rates between 0 and 1, the lower first"
)
ANY = "any"


@dataclass(frozen=True)
class Rate:
    """Between ``low`` and ``high``, drawn for each row. ``mask``: so large a share of a row's steps
    (words) is taken out; otherwise it is the probability that the row lacks the modality.
    """

    low: float
    high: float
    mask: bool = False

    def __str__(self) -> str:
        numbers = ":".join(map(_shortest, dict.fromkeys((self.low, self.high))))
        return f"mask:{numbers}" if self.mask else numbers


def parse(policy: str) -> dict[str, Rate]:
    """``"audio=0.5,text=0.2"`` -> a rate for each modality named (``any``: for those that are not).

    RequestError, one sentence, for what is not of the form.
    """
    rates: dict[str, Rate] = {}
    for part in filter(None, policy.split(",")):
        name, _, rate = part.strip().partition("=")
        if name in rates:
            raise RequestError(f"--missing {policy}: {name} is named twice; give it one rate")
        rates[name] = _rate(name, rate, part)
    return rates


def written(rates: Mapping[str, float | str]) -> str:
    """``{"audio": 0.5, "any": "0.1:0.9"}`` as ``--missing`` writes it."""
    return ",".join(f"{name}={rate}" for name, rate in rates.items())


def canonical(policy: str) -> str:
    """The same for equal policies, however they are written."""
    rates = parse(policy)
    return ",".join(f"{name}={rates[name]}" for name in (*MODALITIES, ANY) if name in rates)


def check(policy: str, offered: Mapping[Modality, Stream]) -> None:
    """RequestError where it names a modality that the track does not offer, or takes steps out of a
    stream that has none.
    """
    rates = parse(policy)
    for name, rate in rates.items():
        if name != ANY and name not in offered:
            raise RequestError(
                f"--missing {name}={rate}: these data offer no {name}, but {', '.join(offered)}"
            )
    for modality, stream in offered.items():
        rate_here = rates.get(modality, rates.get(ANY))
        if rate_here and rate_here.mask and stream.kind == "clip":
            raise RequestError(
                f"--missing {modality}={rate_here}: stream {stream.name} holds clips, of which no "
                f"step can be taken out; use {modality}={rate_here.low:g}"
            )


def takes_steps(policy: str) -> bool:
    """True if single steps are taken out: what an encoder makes of the others then changes."""
    return any(rate.mask for rate in parse(policy).values())


def incomplete(
    policy: str,
    streams: Mapping[Modality, Stream],
    rows: np.ndarray,
    seed: int,
    fold: int | None,
) -> dict[Modality, Stream]:
    """The streams as a run with ``seed`` may learn from them: ``rows`` (row numbers) incomplete,
    other rows as they are or empty.

    Where ``any`` has a range, a row's rate is the same for all its modalities. Modalities are
    missing independently of each other, so that a row may lack all of them.
    """
    rates = parse(policy)
    return {
        m: _incomplete(m, stream, rates[m if m in rates else ANY], rows, seed, fold)
        if m in rates or ANY in rates
        else stream
        for m, stream in streams.items()
    }


def missing_share(streams: Mapping[Modality, Stream], rows: np.ndarray) -> dict[Modality, float]:
    """Modality -> the share of ``rows`` without it."""
    return {m: float((stream.length[rows] == 0).mean()) for m, stream in streams.items()}


def _incomplete(
    modality: Modality, stream: Stream, rate: Rate, rows: np.ndarray, seed: int, fold: int | None
) -> Stream:
    level_N = np.random.default_rng(derive(seed, "missing rate", fold)).random(len(rows))
    rate_N = rate.low + (rate.high - rate.low) * level_N
    draw = np.random.default_rng(derive(seed, "missing", fold, modality))
    if rate.mask:
        return mask_steps(stream, rows, rate_N, draw)
    return drop_rows(stream, rows, rate_N, draw)


def _shortest(number: float) -> str:
    """Six digits, or as many as read back as the same number."""
    text = f"{number:g}"
    return text if float(text) == number else repr(number)


def _rate(name: str, text: str, part: str) -> Rate:
    kind, colon, rates_text = text.partition(":")
    mask = kind == "mask"
    numbers = (rates_text if mask and colon else text).split(":")
    try:
        values = [float(number) for number in numbers]
    except ValueError:
        values = []
    fits = len(values) in (1, 2) and all(0 <= value < 1 for value in values)
    if name not in (*MODALITIES, ANY) or not fits or values[-1] <= 0 or values[0] > values[-1]:
        raise RequestError(f"--missing {part.strip()!r} is not of the form {FORM}")
    return Rate(values[0], values[-1], mask)

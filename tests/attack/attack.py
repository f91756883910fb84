"""What an attack is: so many tries with one seed, each held or fell."""

from __future__ import annotations

import math
import os
import random
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where files of an attack lie: it waits for no disk."""
HANG = 300.0
"""CPU seconds after which a try that is not over ends the process: it may be in a library's code,
which nothing can interrupt."""

Draws = Iterator[random.Random]
"""The source of chance of each try. It is a try's own, so that one can be repeated without those
before it, and a long attack carried out in parts."""
Tries = Iterator[str]
"""One text a try: empty where merbench held, else the input and what happened."""


@dataclass(frozen=True)
class Attack:
    """``run(draws, work)``: one try a draw; ``work`` is an empty folder. ``small``: tries in the
    usual tests, ``large``: by hand.
    """

    name: str
    about: str
    run: Callable[[Draws, Path], Tries]
    small: int
    large: int


@dataclass
class Tally:
    """``seconds``: of CPU, child processes included."""

    tried: int = 0
    fell: list[str] = field(default_factory=list)
    seconds: float = 0.0


def carry_out(
    attack: Attack, seed: int, tries: int, start: int = 0, limit: float = math.inf
) -> Tally:
    """Tries ``start`` to ``start + tries`` of those that the seed draws, or fewer where they take
    more than ``limit`` CPU seconds.
    """
    tally, before = Tally(), _cpu_seconds()

    def draws() -> Draws:
        while tally.tried < tries and not (tally.tried and _cpu_seconds() - before > limit):
            yield random.Random(f"{seed} {attack.name} {start + tally.tried}")

    with tempfile.TemporaryDirectory(prefix="merbench-attack-", dir=MEMORY) as work:
        signal.setitimer(signal.ITIMER_PROF, HANG)
        for sentence in attack.run(draws(), Path(work)):
            signal.setitimer(signal.ITIMER_PROF, HANG)
            if sentence:
                tally.fell.append(f"try {start + tally.tried}: {sentence}")
            tally.tried += 1
        signal.setitimer(signal.ITIMER_PROF, 0)
    tally.seconds = _cpu_seconds() - before
    return tally


def _cpu_seconds() -> float:
    return sum(os.times()[:4])

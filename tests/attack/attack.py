"""What an attack is: so many tries with one seed, each held or fell."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where files of an attack lie: it waits for no disk."""

Tries = Iterator[str]
"""One text a try: empty where merbench held, else the input and what happened."""


@dataclass(frozen=True)
class Attack:
    """``run(draw, tries, work)``: ``work`` is an empty folder. ``small``: tries in the usual tests,
    ``large``: by hand.
    """

    name: str
    about: str
    run: Callable[[random.Random, int, Path], Tries]
    small: int
    large: int


@dataclass
class Tally:
    tried: int = 0
    fell: list[str] = field(default_factory=list)
    seconds: float = 0.0


def carry_out(attack: Attack, seed: int, tries: int) -> Tally:
    tally, clock = Tally(), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="merbench-attack-", dir=MEMORY) as work:
        for sentence in attack.run(random.Random(f"{seed} {attack.name}"), tries, Path(work)):
            tally.tried += 1
            if sentence:
                tally.fell.append(sentence)
    tally.seconds = time.perf_counter() - clock
    return tally

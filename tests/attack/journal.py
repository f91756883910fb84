"""A file that collects what parts of attacks came to, so that a long attack can be carried out in
many sittings: one line of JSON a part.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.attack.attack import Tally


@dataclass(frozen=True)
class Part:
    """``commit``: of the code that was attacked, with a plus sign where it had changes since."""

    attack: str
    seed: int
    start: int
    tried: int
    fell: list[str]
    seconds: float
    commit: str


class Journal:
    def __init__(self, path: Path) -> None:
        self.path = path

    def parts(self, attack: str, seed: int) -> list[Part]:
        if not self.path.exists():
            return []
        parts = [Part(**json.loads(line)) for line in self.path.read_text("utf-8").splitlines()]
        return [part for part in parts if (part.attack, part.seed) == (attack, seed)]

    def add(self, attack: str, seed: int, start: int, tally: Tally) -> None:
        part = Part(attack, seed, start, tally.tried, tally.fell, tally.seconds, commit())
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(part)) + "\n")


def total(parts: list[Part]) -> Tally:
    return Tally(
        sum(part.tried for part in parts),
        [sentence for part in parts for sentence in part.fell],
        sum(part.seconds for part in parts),
    )


def commit() -> str:
    words = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()

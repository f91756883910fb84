"""Processes of this machine, forked: what is in memory is shared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from merbench.api import Config, pool


class Local:
    """One process a call."""

    class Config(Config):
        pass

    def __init__(self, config: Config, jobs: int, folder: Path) -> None:
        self.jobs = jobs

    def __call__(
        self, work: Callable[[Any], object], tasks: Sequence[Any]
    ) -> Iterator[tuple[Any, str | None] | None]:
        return pool(work, tasks, self.jobs)

"""Boards verified side by side, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from merbench.api.errors import RunError
from merbench.api.processes import cores, pool
from merbench.report.verify.failure import Failure

Check = Callable[[], list[Failure]]


def side_by_side(checks: Mapping[Path, Check]) -> dict[Path, list[Failure]]:
    """What each check returns, on as many cores as there are; the checks start in this order.

    RunError where one breaks off.
    """
    jobs = min(cores(), len(checks))
    if jobs < 2:
        return {path: check() for path, check in checks.items()}
    failures: dict[Path, list[Failure]] = {}

    def work(path: Path, send: Callable[[list[Failure]], None]) -> None:
        send(checks[path]())

    for ended in pool(work, list(checks), jobs, failures.__setitem__):
        if ended is None:
            continue
        path, broke_off = ended
        if broke_off:
            raise RunError(f"{path} was not verified, because {broke_off}; try again")
    return failures

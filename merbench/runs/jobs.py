"""Runs side by side, in processes that share the data; each leaves its record in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from merbench.api import RunError, Split, pool
from merbench.engine.encode import fixed
from merbench.results.provenance import describe
from merbench.results.record import Record
from merbench.runs.one import Watch, Work

T = TypeVar("T")


def side_by_side(
    work: Work, runs: Sequence[tuple[int, Split]], jobs: int, watch: Watch
) -> Iterator[Record]:
    """The records, as they are done. A run whose process dies is recorded as failed; what a process
    raises is raised here.
    """
    warm()
    if work.machine.cache and fixed(work.plan):
        # In a process of its own, because one that has used a GPU cannot be forked.
        for _, error in _apart(work, lambda _, tell: work.encode(tell), [None], 1, watch):
            if error:
                raise RunError(
                    f"encoding broke off, because {error}; the same command goes on from there"
                )
        work.encode(lambda event, info: None)
    for _, split in runs:
        work.fold(split)  # made before the processes part, so that they share it
    failed: dict[str, Record] = {}

    def make(run: tuple[int, Split], tell: Watch) -> None:
        if (made := work.run(*run, tell)).status == "failed":
            tell(
                "failed", {"record": made}
            )  # which the store does not keep where it has a finished one

    def told(event: str, info: dict[str, Any]) -> None:
        if event == "failed":
            failed[info["record"].run_id] = info["record"]
        else:
            watch(event, info)

    for (seed, split), error in _apart(work, make, runs, jobs, told):
        name = work.name(seed, split)
        record = failed.get(name) or work.store.get(name)
        if record and (error is None or (record.status == "done" and not work.force)):
            yield record
        else:
            yield work.failed(seed, split, error or "its process left no record")


def warm() -> None:
    """Once here, and not in every process that is forked: provenance asks git."""
    describe("cpu", 1, "prefer")


def _apart(
    work: Work, call: Callable[[T, Watch], object], tasks: Sequence[T], jobs: int, watch: Watch
) -> Iterator[tuple[T, str | None]]:  # fmt: skip
    """``call(task, watch)`` in processes of their own: what is watched, warned of or raised there,
    is here.
    """

    def there(task: T, tell: Callable[[tuple[str, Any]], None]) -> None:
        work.machine.prepare()
        work.store.warnings.clear()
        try:
            call(task, lambda event, info: tell((event, info)))
        except Exception as error:
            tell(("raised", error))
        tell(("warnings", work.store.warnings))

    def here(task: T, told: tuple[str, Any]) -> None:
        event, info = told
        if event == "raised":
            raise info
        if event == "warnings":
            work.store.warnings += info
        else:
            watch(event, info)

    return (ended for ended in pool(there, tasks, jobs, here) if ended)

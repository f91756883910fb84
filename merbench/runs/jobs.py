"""Runs side by side, in processes that share the data; each leaves its record in the store."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from merbench.api import RunError, Split, pool
from merbench.api.events import Event, Watch, ignore
from merbench.engine.rows.encode import fixed
from merbench.results.records.provenance import describe
from merbench.results.records.record import Record
from merbench.results.store.claims import Claims
from merbench.runs.one_run import run_one
from merbench.runs.runs_of_a_plan import Work

T = TypeVar("T")


@dataclass(frozen=True)
class _Failed:
    """A failed record that the store does not keep, because it has a finished one."""

    record: Record


@dataclass(frozen=True)
class _Raised:
    error: Exception


@dataclass(frozen=True)
class _Warnings:
    sentences: tuple[str, ...]


_Message = Event | _Failed | _Raised | _Warnings
"""What a process sends to the one that started it."""


def side_by_side(
    work: Work, runs: Sequence[tuple[int, Split]], jobs: int, watch: Watch
) -> Iterator[Record]:
    """The records, as they are done. A run whose process dies is recorded as failed; what a process
    raises is raised here.
    """
    warm()
    work.store.require_same_folder()  # so that every process knows which one it is
    _encode_apart(work, watch)
    for _, split in runs:
        work.fold(split)  # made before the processes part, so that they share it
    failed: dict[str, Record] = {}

    def make(run: tuple[int, Split], send: Callable[[_Message], None]) -> None:
        record = run_one(work, *run, send)
        if record.status == "failed":
            send(_Failed(record))

    def receive(message: Event | _Failed) -> None:
        if isinstance(message, _Failed):
            failed[message.record.run_id] = message.record
        else:
            watch(message)

    outcomes = _apart(work, make, runs, jobs, receive)
    try:
        for (seed, split), error in outcomes:
            run_id = work.run_id(seed, split)
            record = failed.get(run_id) or work.store.get(run_id)
            if record and (error is None or work.finished(run_id)):
                yield record
            else:
                yield work.failed(seed, split, error or "its process left no record")
    finally:
        outcomes.close()
        claims = Claims(work.store.root)
        for seed, split in runs:
            claims.drop_dead(work.run_id(seed, split))


def warm() -> None:
    """Once here, and not in every process that is forked: provenance asks git."""
    describe("cpu", 1, "prefer")


def _encode_apart(work: Work, watch: Watch) -> None:
    """In a process of its own, because one that has used a GPU cannot be forked."""
    if not (work.machine.cache and fixed(work.plan)):
        return

    def receive(message: Event | _Failed) -> None:
        assert isinstance(message, Event)
        watch(message)

    for _, error in _apart(work, lambda _, send: work.encode(send), [None], 1, receive):
        if error:
            raise RunError(
                f"encoding broke off, because {error}; the same command continues from there"
            )
    work.encode(ignore)


def _apart(
    work: Work,
    call: Callable[[T, Callable[[_Message], None]], object],
    tasks: Sequence[T],
    jobs: int,
    receive: Callable[[Event | _Failed], None],
) -> Generator[tuple[T, str | None]]:
    """``call(task, send)`` in processes of their own: what is sent, warned of or raised there,
    arrives here.
    """

    def in_child(task: T, send: Callable[[_Message], None]) -> None:
        work.machine.prepare()
        work.store.warnings.clear()
        try:
            call(task, send)
        except Exception as error:
            send(_Raised(error))
        send(_Warnings(tuple(work.store.warnings)))

    def in_parent(task: T, message: _Message) -> None:
        if isinstance(message, _Raised):
            raise message.error
        if isinstance(message, _Warnings):
            work.store.warnings += message.sentences
        else:
            receive(message)

    for ended in pool(in_child, tasks, jobs, in_parent):
        if ended:
            yield ended

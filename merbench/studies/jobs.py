"""Runs side by side: forked processes that share the data, each writing its own records."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait

from merbench.api import RunError, Split
from merbench.results.record import Record
from merbench.studies.one import Watch, Work


def side_by_side(work: Work, runs: Sequence[tuple[int, Split]], jobs: int, watch: Watch) -> Iterator[Record]:
    """The records, as they are done.

    RunError at the end where a process died (the others go on), with what it was running; what a process raises is raised here.
    """
    for _, split in runs:
        work.fold(split)  # made before the processes part, so that they share it
    fork = multiprocessing.get_context("fork")
    waiting, running, processes = list(reversed(runs)), {}, []
    died: list[str] = []
    try:
        for _ in range(min(jobs, len(runs))):
            here, there = fork.Pipe()
            process = fork.Process(target=_serve, args=(work, there), daemon=True)
            process.start()
            there.close()  # so that its end is seen here
            processes.append(process)
            running[here] = waiting.pop()
            here.send(running[here])
        while running:
            for pipe in wait(list(running)):
                assert isinstance(pipe, Connection)
                seed, split = running[pipe]
                try:
                    event, info = pipe.recv()
                except (EOFError, ConnectionResetError):
                    died.append(f"seed {seed}" if split.fold is None else f"seed {seed} fold {split.fold}")
                    del running[pipe]
                    continue
                if event == "raised":
                    raise info
                if event != "over":
                    watch(event, info)
                    continue
                record, warnings = info
                work.store.warnings += warnings
                yield record
                del running[pipe]
                if waiting:
                    running[pipe] = waiting.pop()
                    pipe.send(running[pipe])
    finally:
        for process in processes:
            process.kill()
            process.join()
    if died or waiting:
        raise RunError(
            f"{len(died)} of {len(processes)} processes died (killed, or out of memory) while running {', '.join(died)}; "
            "what was finished is in the store, and the same command goes on"
        )


def _serve(work: Work, pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that started this one ends it
    work.machine.prepare()
    while True:
        seed, split = pipe.recv()
        work.store.warnings.clear()
        try:
            record = work.run(seed, split, lambda event, info: pipe.send((event, info)))
        except Exception as error:
            pipe.send(("raised", error))
            return
        pipe.send(("over", (record, list(work.store.warnings))))

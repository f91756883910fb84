"""SIGKILL while records, merges and boards are written: no file is half of one, none is lost."""

from __future__ import annotations

import multiprocessing
import time
from itertools import count
from pathlib import Path

from merbench.report.folder.written_files import FILE, replace_written, written
from merbench.results.store.store import Store
from tests.attack.attack import Attack, Draws, Tries
from tests.report.made import record, spec

LONGEST = 0.15
"""Seconds until the kill, at most."""


def attack(draws: Draws, work: Path) -> Tries:
    fork = multiprocessing.get_context("fork")
    runs = [record(seed, 0.5, spec()) for seed in range(4)]
    store, boards = Store(work / "store"), work / "boards"
    store.put(*runs[0])
    boards.mkdir()
    (boards / "mine.svg").write_bytes(b"mine")
    for number, draw in enumerate(draws):
        works = (_put, (store, runs)) if number % 2 else (_draw, (boards,))
        child = fork.Process(target=works[0], args=works[1])
        child.start()
        time.sleep(draw.uniform(0.0, LONGEST))
        child.kill()
        child.join()
        yield _judge(store, boards)


def _put(store: Store, runs: list) -> None:
    for number in count():
        run, rows = runs[number % len(runs)]
        store.put(run.model_copy(update={"started": f"2026-11-20T00:00:00.{number:06d}"}), rows)


def _draw(folder: Path) -> None:
    for number in count():
        files = {f"{name}.svg": bytes([number % 256]) * 5000 for name in "abc"[: 1 + number % 3]}
        replace_written(folder, files, keeps=lambda name: False)


def _judge(store: Store, boards: Path) -> str:
    store = Store(store.root)
    for run in store.records():
        if len(store.predictions(run.run_id).ids) != run.counts["test"]:
            return "a record has other predictions"
    if store.warnings:
        return store.warnings[0]
    if (boards / "mine.svg").read_bytes() != b"mine":
        return "a file that merbench did not write is gone"
    for path in boards.glob("*.svg"):
        content = path.read_bytes()
        if path.name != "mine.svg" and (len(content) != 5000 or len(set(content)) != 1):
            return f"{path.name} is half of one"
        if path.name != "mine.svg" and path.name not in written(boards):
            return f"{path.name} is not in {FILE}"
    return ""


KILLS = Attack("kills", "SIGKILL while runs are stored and boards are drawn", attack, 3, 200)

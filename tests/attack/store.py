"""Files of a store damaged: what is not damaged is there, and no other numbers come out."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest import mock

import numpy as np
from safetensors.numpy import save

from merbench.api.errors import MerbenchError
from merbench.report.scores.runs_of_a_store import StoreSource
from merbench.results.records.sealed import seal
from merbench.results.store.merge import merge
from merbench.results.store.store import DAMAGE, Store
from tests.attack.attack import Attack, Draws, Tries
from tests.report.made import record, spec

SEEDS = range(3)


def flip(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    bit = draw.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def cut(path: Path, draw: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: draw.randrange(path.stat().st_size)])


def overwrite(path: Path, draw: random.Random) -> None:
    path.write_bytes(draw.randbytes(draw.randrange(300)))


def remove(path: Path, draw: random.Random) -> None:
    path.unlink()


def make_pipe(path: Path, draw: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def make_folder(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.mkdir()


def link_to_itself(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.name)


def swap(path: Path, draw: random.Random) -> None:
    """With the file of another run."""
    other = draw.choice([p for p in path.parent.glob(f"*{path.suffix}") if p != path])
    content = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(content)


HARMS: tuple[Callable[[Path, random.Random], None], ...] = (
    flip, flip, flip, cut, overwrite, remove, make_pipe, make_folder, link_to_itself, swap,
)  # fmt: skip


def attack(draws: Draws, work: Path) -> Tries:
    whole = Store(work / "whole")
    for seed in SEEDS:
        run, rows = record(seed, 0.5, spec(), weights_sha256="x")
        weights = {"w": np.arange(5.0) + seed}
        file = seal(lambda metadata, w=weights: save(w, metadata=metadata), {"sha256": "x"})
        whole.put(run, rows, file)
    truth = {r.run_id: whole.predictions(r.run_id).prediction for r in whole.records()}
    with mock.patch("merbench.results.store.store.time.sleep"):
        yield from _harm_each(draws, work, whole, truth)


def _harm_each(draws: Draws, work: Path, whole: Store, truth: dict[str, np.ndarray]) -> Tries:
    """Nothing else writes here: a record and predictions that differ are not waited for."""
    for draw in draws:
        store = Store(work / "store")
        shutil.copytree(whole.root, store.root)
        path = draw.choice(sorted(p for p in store.root.rglob("*") if p.is_file()))
        harm = draw.choice(HARMS)
        harm(path, draw)
        what = f"{harm.__name__} {path.relative_to(store.root)}"
        harmed = set(truth) if harm is swap else {path.stem}
        yield _judge(store, work / "into", truth, harmed, what)
        shutil.rmtree(store.root)
        shutil.rmtree(work / "into", ignore_errors=True)


def _judge(
    store: Store, into: Path, truth: dict[str, np.ndarray], harmed: set[str], what: str
) -> str:
    try:
        source = StoreSource(store)
        for run in source.records():
            try:
                shown = source.predictions(run.run_id).prediction
            except (*DAMAGE, OSError):
                continue
            if not np.array_equal(shown, truth[run.run_id]):
                return f"{what}: other predictions were taken for a run's own"
        list(merge(store.root, Store(into)))
        for reader in (Store(into), store):
            ids = set()
            for run in reader.records():
                ids.add(run.run_id)
                if reader.has_weights(run.run_id):
                    with suppress(MerbenchError):
                        reader.weights(run.run_id)
            if not truth.keys() - harmed <= ids:
                return f"{what}: a run that was not harmed is gone"
    except MerbenchError as error:
        return f"{what}: one bad file stops the rest: {error}"
    except Exception as error:
        return f"{what}: {type(error).__name__}: {str(error)[:100]}"
    return ""


STORE = Attack("store", "a file of a store damaged, replaced or swapped", attack, 8, 1700)

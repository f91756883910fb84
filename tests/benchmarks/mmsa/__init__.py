"""Features of MOSI's real size in MMSA's form: added, then trained beside MMSA's own run, where it
is installed (``pip install --no-deps MMSA easydict nvidia_ml_py3``), and a bare torch loop. Whole
processes with one thread, in turn.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks.mmsa.pairs import PAIRS, Pair
from tests.benchmarks.mmsa.random_bert import save
from tests.benchmarks.mosi_size import SIZES, make
from tests.benchmarks.process import Spent, spent

EPOCHS = int(os.environ.get("MMSA_EPOCHS", "1"))
SCRIPTS = Path(__file__).parent


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    """``data add`` of both pickles, a bare loop, and a row or two a method. ``MMSA_METHODS=tfn,mfn``:
    these alone.
    """
    chosen = os.environ.get("MMSA_METHODS", ",".join(pair.ours for pair in PAIRS)).split(",")
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / "bert")
        for aligned in (True, False):
            pickle = _pickle(Path(folder), aligned, 1.0)
            added = _add(pickle)
            size = pickle.stat().st_size
            yield f"data add of {pickle.name}, {size / 2**20:.0f} MiB", str(added), ""
            yield "  peak memory over the file", f"{added.peak / size:.2f}", "at most 0.5"
        bare = spent(str(SCRIPTS / "bare.py"), f"{folder}/1.0/mosi", str(EPOCHS))
        yield f"bare torch loop of LF-DNN, epochs {EPOCHS}", str(bare), ""
        for pair in PAIRS:
            if pair.ours in chosen:
                yield from _compared(pair, Path(folder), min(3, repeats), bare)


def _compared(
    pair: Pair, folder: Path, repeats: int, bare: Spent
) -> Iterator[tuple[str, str, str]]:
    pickle = _pickle(folder, pair.aligned, pair.share)
    if not (pickle.parent / "mosi" / "streams").is_dir():
        _add(pickle)
    ours, theirs, fails = [], [], False
    for _ in range(repeats):
        ours.append(_ours(pair, pickle.parent))
        if find_spec("MMSA") and not fails:
            try:
                theirs.append(_theirs(pair, pickle))
            except subprocess.CalledProcessError:
                fails = True
    rows = "" if pair.share == 1 else f", {pair.share:.0%} of the rows"
    yield f"merbench run {pair.ours}, epochs {EPOCHS}{rows}", str(_median(ours)), ""
    if fails:
        yield f"  MMSA's {pair.theirs}", "ends with an error", ""
    if not theirs:
        yield "  over the bare loop", f"CPU {_median(ours).cpu / bare.cpu:.2f}", ""
        return
    yield f"  MMSA's {pair.theirs}", str(_median(theirs)), ""
    seconds, cpu, peak = (
        statistics.median(a / b for a, b in zip(ours_n, theirs_n, strict=True))
        for ours_n, theirs_n in zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True)
    )
    ratios = f"CPU {cpu:.2f}, clock {seconds:.2f}, memory {peak:.2f}"
    yield "  ours over theirs", ratios, "CPU at most 0.5"


def _median(runs: list[Spent]) -> Spent:
    return Spent(*(statistics.median(column) for column in zip(*runs, strict=True)))


def _pickle(folder: Path, aligned: bool, share: float) -> Path:
    """Beside it lies the data set that ``data add`` makes of it."""
    home = folder / str(share)
    home.mkdir(exist_ok=True)
    path = home / f"{'aligned' if aligned else 'unaligned'}.pkl"
    if not path.is_file():
        make(path, aligned, {mode: round(rows * share) for mode, rows in SIZES.items()})
    return path


def _add(pickle: Path) -> Spent:
    return spent(*f"-m merbench data add mosi {pickle} --data {pickle.parent}".split())


def _ours(pair: Pair, home: Path) -> Spent:
    """Its floors, which a first run of a data set makes along and MMSA has not, are there before."""
    kind = "aligned" if pair.aligned else "unaligned"
    text = "transcript" if pair.tower else kind
    streams = {"text": text, "audio": kind, "video": kind}
    words = f"-m merbench run --dataset mosi --data {home} --seeds 1 --threads 1 --json".split()
    for modality, stream in streams.items():
        words += ["--stream", f"{modality}={modality}.{stream}"]
    if pair.tower:
        words += ["--text-tower", f"{home.parent}/bert"]
    method = ["--model", pair.ours, "--epochs", str(EPOCHS)]
    for key, value in pair.settings.items():
        method += ["--set", f"{key}={value}"]
    with tempfile.TemporaryDirectory() as store:
        words += ["--store", store]
        spent(*words, "--model", "text-only", "--epochs", "1")
        return spent(*words, *method)


def _theirs(pair: Pair, pickle: Path) -> Spent:
    settings = {"epochs": EPOCHS}
    if pair.tower:
        settings["pretrained"] = f"{pickle.parent.parent}/bert"
    script = str(SCRIPTS / "theirs.py")
    with tempfile.TemporaryDirectory() as out:
        return spent(script, pair.theirs, str(pickle), out, json.dumps(settings))

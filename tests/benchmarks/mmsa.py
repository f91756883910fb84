"""Features of MOSI's real size in MMSA's form: added, then trained with MMSA's settings, beside
MMSA's own run, where it is installed (``pip install --no-deps MMSA easydict nvidia_ml_py3``), and a
bare torch loop.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks.mosi_size import make

MODELS = {  # its name in MMSA; MMSA's settings of it; aligned; the share of MMSA's time that ours may take
    "late-fusion-dnn": ("lf_dnn", (), False, 0.30),
    "lmf": ("lmf", (), False, 0.30),
    "tfn": ("tfn", ("fusion.hidden=128", "fusion.dropout=0.3"), False, 0.75),
    "early-fusion-lstm": (
        "ef_lstm",
        ("fusion.hidden=128", "fusion.layers=2", "fusion.dropout=0.4"),
        True,
        0.33,
    ),
}
_MMSA = """
import sys, torch
torch.set_num_threads(2)
torch.cuda.set_device = lambda device: None  # refused where there is no card, and MMSA asks always
import MMSA.run
from MMSA.trains import ATIO
getTrain = ATIO.getTrain
def of_three_epochs(self, args):
    trainer = getTrain(self, args)
    do_test, validations = trainer.do_test, []
    def counted(model, rows, mode="VAL", **more):
        validations.extend([mode] * (mode == "VAL"))
        trainer.args.early_stop = 0 if len(validations) == 3 else 100  # it has no other limit
        return do_test(model, rows, mode=mode, **more)
    trainer.do_test = counted
    return trainer
ATIO.getTrain = of_three_epochs
model, path, out = sys.argv[1:]
MMSA.run.MMSA_run(model, "mosi", config={"featurePath": path}, seeds=[1], gpu_ids=[], num_workers=0,
                  model_save_dir=out, res_save_dir=out, log_dir=out, verbose_level=0)
"""
_BARE = """
import resource, sys, time, torch
from safetensors.torch import load_file
torch.set_num_threads(int(sys.argv[2]))
held = [load_file(f"{sys.argv[1]}/streams/{m}.safetensors") for m in ("text.unaligned", "audio.unaligned", "video.unaligned")]
lstm = torch.nn.LSTM(768, 128, batch_first=True)
nets = torch.nn.ModuleList(torch.nn.Linear(w, 128) for w in (5, 20))
head = torch.nn.Sequential(torch.nn.Linear(3 * 128, 128), torch.nn.ReLU(), torch.nn.Linear(128, 1))
optimiser = torch.optim.Adam([*lstm.parameters(), *nets.parameters(), *head.parameters()], foreach=True)
def batch(rows):
    out = []
    for one in held:
        at = one["offset"]
        out.append(torch.nn.utils.rnn.pad_sequence([one["values"][at[r]:at[r + 1]] for r in rows], batch_first=True))
    return out
for epoch in range(3):
    for rows in torch.arange(1284).split(64):
        t, a, v = batch(rows.tolist())
        a = torch.nan_to_num(a, neginf=0.0)
        z = torch.cat([lstm(t)[0][:, -1], nets[0](a.mean(1)), nets[1](v.mean(1))], 1)
        loss = head(z).abs().mean()
        loss.backward(); optimiser.step(); optimiser.zero_grad()
    with torch.no_grad():
        for rows in torch.arange(1284, 1513).split(64):
            t, a, v = batch(rows.tolist())
            head(torch.cat([lstm(t)[0][:, -1], nets[0](a.mean(1)), nets[1](v.mean(1))], 1))
"""


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    """``data add`` of both pickles (seconds, peak memory over the file's size), then whole
    processes with two threads.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for aligned in (True, False):
            kind = "aligned" if aligned else "unaligned"
            path = home / f"{kind}.pkl"
            make(path, aligned)
            size = path.stat().st_size
            seconds, _, peak = _process(
                ["-m", "merbench", "data", "add", "mosi", str(path), "--data", folder]
            )
            yield f"data add of MMSA's {kind} MOSI, {size / 2**20:.0f} MiB", f"{seconds:.1f} s", ""
            yield (
                "  its peak memory, over the size of the file",
                f"{peak / size:.2f}",
                "at most 1.5",
            )
        bare = [_process(["-c", _BARE, f"{folder}/mosi", "2"]) for _ in range(min(3, repeats))]
        wall, cpu = statistics.median(b[0] for b in bare), statistics.median(b[1] for b in bare)
        yield (
            "bare torch loop of LF-DNN, whole process, 3 epochs",
            f"{wall:.1f} s, {cpu:.1f} s of CPU",
            "",
        )
        for model, (theirs, settings, aligned, share) in MODELS.items():
            yield from _beside_mmsa(model, theirs, settings, aligned, share, folder, repeats, wall)
        ours, _, peak = _run("mult", (), False, folder, epochs=1)
        yield (
            "merbench run mult, unaligned, whole process, 1 epoch",
            f"{ours:.0f} s",
            "",
        )
        yield "  its peak memory, mapped pages included", f"{peak / 1e9:.2f} GB", "under 3"


def _beside_mmsa(
    model: str,
    theirs: str,
    settings: tuple[str, ...],
    aligned: bool,
    share: float,
    home: str,
    repeats: int,
    bare: float,
) -> Iterator[tuple[str, str, str]]:
    """Pairs in turn, MMSA's and ours: whole processes on the same made-up features."""
    ours, others = [], []
    pickle = f"{home}/{'aligned' if aligned else 'unaligned'}.pkl"
    for _ in range(min(3, repeats)):
        ours.append(_run(model, settings, aligned, home))
        if find_spec("MMSA"):
            with tempfile.TemporaryDirectory() as out:
                others.append(_process(["-c", _MMSA, theirs, pickle, out]))
    seconds, spent, peak = (statistics.median(column) for column in zip(*ours, strict=True))
    beside = "MMSA is not installed"
    if others:
        ratios = [
            [a / b for a, b in zip(*pair, strict=True)] for pair in zip(ours, others, strict=True)
        ]
        wall, cpu, memory = (statistics.median(column) for column in zip(*ratios, strict=True))
        beside = f"{wall:.2f} of MMSA's (CPU {cpu:.2f}, memory {memory:.2f})"
    yield (
        f"merbench run {model}, whole process, 3 epochs",
        f"{beside}; {seconds / bare:.2f} of the bare loop; {seconds:.1f} s, {spent:.1f} s of CPU",
        f"at most {share} of MMSA's",
    )
    yield "  its peak memory, mapped pages included", f"{peak / 1e9:.2f} GB", "at most 1.2"


def _run(
    model: str, settings: tuple[str, ...], aligned: bool, home: str, epochs: int = 3
) -> tuple[float, float, float]:
    kind = "aligned" if aligned else "unaligned"
    streams = [word for m in ("text", "audio", "video") for word in ("--stream", f"{m}={m}.{kind}")]
    asked = [word for setting in settings for word in ("--set", setting)]
    words = [
        "--model",
        model,
        "--dataset",
        "mosi",
        "--data",
        home,
        "--seeds",
        "1",
        "--epochs",
        str(epochs),
        "--threads",
        "2",
        "--json",
    ]
    with tempfile.TemporaryDirectory() as store:
        return _process(["-m", "merbench", "run", *words, *streams, *asked, "--store", store])


def _process(words: list[str]) -> tuple[float, float, float]:
    """Seconds, seconds of CPU, and the largest resident set in bytes, of a whole Python process."""
    report = (
        "import json, resource, subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]], check=True, stdout=subprocess.DEVNULL,"
        "stderr=subprocess.DEVNULL); u = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(json.dumps([u.ru_utime + u.ru_stime, u.ru_maxrss]))"
    )
    start = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-c", report, *words], capture_output=True, text=True, check=True
    )
    cpu, peak = json.loads(result.stdout)
    return time.perf_counter() - start, cpu, peak * (1 if sys.platform == "darwin" else 1024)

"""``tox -e gpu``: what only a GPU shows, in one table with the card's name; under eight minutes.

Every recipe for two epochs, bf16, ten stacked seeds against one, a tuned MiniLM on MOSI (where
``MERBENCH_DATA`` has it), 2,000 clips through a ViT-B-32 of random weights against the bare tower.
A line that fails says why, and the rest continues.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

import merbench
from merbench.api import MerbenchError
from tests.gpu.clips import clips_against_the_tower

STACKED = ("merclip", "tfn", "lmf", "mult")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--models", help="these recipes alone, with commas")
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--out", type=Path, help="write the table here too")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("skipped: there is no GPU here")
        return
    card = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    lines = [f"# {card}, torch {torch.__version__}", "", "| what | measured | target |", "|-|-|-|"]
    print("\n".join(lines), flush=True)
    for what, measure, target in _measures(options):
        line = f"| {what} | {_said(measure)} | {target} |"
        print(line, flush=True)
        lines.append(line)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


Measure = Callable[[], str]


def _measures(options: argparse.Namespace) -> Iterator[tuple[str, Measure, str]]:
    device, chosen = options.device, options.models
    models = chosen.split(",") if chosen else list(merbench.list_models())
    for model in models:
        yield f"{model}, two epochs", lambda name=model: _run(name, device), "runs"
    yield "merclip, bf16", lambda: _run("merclip", device, **{"train.precision": "bf16"}), "runs"
    for model in STACKED if not chosen else []:
        yield (
            f"ten stacked seeds over one, {model}",
            lambda name=model: _stacked(name, device),
            "at most 2.5",
        )
    yield "MiniLM tuned on MOSI, four epochs", lambda: _minilm(device), "MAE near .78"
    yield (
        f"{options.clips} clips, encode over the bare tower",
        lambda: clips_against_the_tower(options.clips, torch.device(device)),
        "at least .8",
    )


def _said(measure: Measure) -> str:
    try:
        return measure()
    except MerbenchError as error:
        return f"refused: {error}"
    except Exception as error:
        return f"FAILED: {type(error).__name__}: {error}".replace("\n", " ")


def _run(model: str, device: str, dataset: str = "sample", **settings: object) -> str:
    """Seconds, peak of memory and MAE of one run."""
    with tempfile.TemporaryDirectory() as store:
        result = merbench.run(
            model, dataset, seeds=1, device=device, store=Path(store),
            settings={"train.epochs": 2, **settings},
        )  # fmt: skip
    (record, *_) = result.records
    if record.cost is None:
        return f"FAILED: {record.error}"
    mae = result.summary["mae"].mean
    return f"{record.cost.seconds:.1f} s, {record.cost.peak_bytes / 2**20:.0f} MiB, MAE {mae:.3f}"


def _stacked(model: str, device: str) -> str:
    seconds = {}
    for seeds in (1, 1, 10):  # the first warms up
        with tempfile.TemporaryDirectory() as store:
            start = time.perf_counter()
            merbench.run(
                model, "sample", seeds=seeds, device=device, store=Path(store),
                settings={"train.epochs": 2, "train.stack": seeds > 1},
            )  # fmt: skip
            seconds[seeds] = time.perf_counter() - start
    return f"{seconds[10] / seconds[1]:.2f}"


def _minilm(device: str) -> str:
    with tempfile.TemporaryDirectory() as store:
        result = merbench.run(
            "text-only", "mosi", seeds=1, device=device, store=Path(store), text_tower="minilm",
            settings={
                "encoder.text.tuned": True, "train.epochs": 4, "train.lr": 1e-3,
                "train.lr_factors": {"encoders.text.": 0.05},
            },
        )  # fmt: skip
    (record, *_) = result.records
    seconds = record.cost.seconds if record.cost else float("nan")
    return f"{seconds:.1f} s, MAE {result.summary['mae'].mean:.3f}"


if __name__ == "__main__":
    sys.exit(main())

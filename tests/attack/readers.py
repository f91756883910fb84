"""Every command that reads a store, with one odd record in it: it continues with the rest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.attack.attack import Attack, Draws, Tries
from tests.attack.program import at_home, call
from tests.attack.records import change

MODEL, OTHER = "late-fusion-dnn", "lmf"
TRAIN = ("--dataset", "tiny", "--data", "data", "--seeds", "2", "--epochs", "1", "--set", "train.batch_size=4")  # fmt: skip
SHOW = (
    ("leaderboard",),
    ("leaderboard", "--format", "csv"),
    ("leaderboard", "--format", "latex", "--all-metrics", "--intervals", "--ablations"),
    ("leaderboard", "--format", "json"),
    ("compare", "--all"),
)
"""These must show the other model, whatever the record of one is."""
COMMANDS = (
    *SHOW,
    *SHOW,
    ("compare", MODEL, OTHER, "--data", "data"),
    ("compare", OTHER, "ridge", "--data", "data"),
    ("ensemble", MODEL, OTHER, "--data", "data"),
    ("predict", "data/tiny", "--run", "BAD", "--data", "data"),
    ("predict", "data/tiny", "--run", "GOOD", "--data", "data"),
    ("run", "--model", MODEL, *TRAIN),
    ("leaderboard", "submit", OTHER, "--out", "out"),
    ("leaderboard", "submit", MODEL, "--out", "out"),
    ("leaderboard", "build", "--out", "out"),
    ("leaderboard", "export", "--format", "hf", "--out", "out"),
    ("leaderboard", "export", "--format", "every-eval-ever", "--out", "out"),
    ("leaderboard", "export", "--format", "bibtex", "--out", "out"),
    ("leaderboard", "pull", "runs", "--store", "other", "--data", "data"),
    ("store", "merge", "runs", "--into", "other"),
)


def attack(draws: Draws, work: Path) -> Tries:
    from tests.tiny_runs import write_home

    write_home(work)
    with at_home(work, work):
        for model in (MODEL, OTHER):
            called = call(("run", "--model", model, *TRAIN, "--store", "whole"))
            if called.code or called.fault:
                raise RuntimeError(f"nothing to damage: {called.fault}")
        names = {
            path: json.loads(path.read_bytes())["spec"]["model"]
            for path in sorted((work / "whole/runs").glob("*.json"))
        }
        bad = [path.name for path, model in names.items() if model == MODEL]
        good = next(path.stem for path, model in names.items() if model == OTHER)
        for draw in draws:
            shutil.copytree(work / "whole", work / "runs")
            path = work / "runs/runs" / draw.choice(bad)
            record = json.loads(path.read_bytes())
            what = change(draw, record)
            path.write_text(json.dumps(record))
            words = draw.choice(COMMANDS)
            given = [{"BAD": path.stem, "GOOD": good}.get(word, word) for word in words]
            fault = _judge(
                words,
                given if "--store" in given or given[0] == "store" else [*given, "--store", "runs"],
            )
            yield f"{what}, {' '.join(words)}: {fault}" if fault else ""
            for left in ("runs", "other", "out"):
                shutil.rmtree(work / left, ignore_errors=True)


def _judge(words: tuple[str, ...], given: list[str]) -> str:
    called = call(given)
    if called.fault:
        return called.fault
    if words in SHOW and (called.code or OTHER not in called.stdout):
        return f"exit code {called.code}, and the other model is not shown: {called.stderr[-200:]}"
    if "GOOD" in words and called.code:
        return f"a run that is whole cannot be asked: {called.stderr[-200:]}"
    return ""


READERS = Attack("readers", "commands over a store with an odd record", attack, 5, 1000)

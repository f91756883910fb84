"""Command lines of random options with hostile values: an exit code and one sentence."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import click

from tests.attack.attack import Attack, Draws, Tries
from tests.attack.program import at_home, call

HOSTILE = (
    "", " ", "\x1b[2J", "../../x", "/dev/full", "nan", "inf", "-1", "1e999", "1000000000000", "=", "x=", "={",
    "a.b=[", "*", "x" * 3000, "\udc80", "javascript:x", "0x10", "💥", "--", "train.lr=nan", "train.epochs=-5",
    ".", "folder", "no/such/file.csv", "file.txt", "file.txt/x", "mosi ", "MOSI", "merclipp", "1,2", "0.5.1", "ten", "½",
    "e\u0301", "a\nb", "\u202eabc", "~", "$HOME", "text=", "=text", "text=text=text", "[]", "{}", "none", "True",
    "pipe", "pipe/x", "loop", "odd.toml", "²", "1979-05-27", "audio=nan", "text=mask:nan", "any=0.9:0.1",
    "keep:1e-400", "shots:x=²", "tensorboard=file.txt/x", "tensorboard=new\nline", "train.seed=[[[]]]",
    "audio=noise:0:1:100,video=noise:0:1:100,text=noise:0:1:100", "new folder/with\nall", "a..b", "fixed:²",
)  # fmt: skip
COMMANDS = (
    ("run",), ("tune",), ("ablate",), ("predict",), ("ensemble",), ("robust",), ("transfer",), ("generalise",),
    ("compare",), ("leaderboard",), ("leaderboard", "build"), ("leaderboard", "render"),
    ("leaderboard", "verify"), ("leaderboard", "submit"), ("data", "show"), ("data", "audit"), ("data", "list"),
    ("data", "add"), ("data", "cache"), ("show",), ("list",), ("store", "merge"), ("score",), ("ask",), ("encode",),
    ("study", "run"), ("leaderboard", "export"), ("leaderboard", "pull"),
    ("leaderboard", "supersede"), ("study", "status"),
)  # fmt: skip
"""Those that go to the network, serve, or work for long whatever they are given are left out."""
TRAINS = {
    "run", "tune", "ablate", "predict", "ensemble", "robust", "transfer", "generalise", "score", "ask", "encode",
}  # fmt: skip


def attack(draws: Draws, work: Path) -> Tries:
    from merbench.cli.main import cli

    context = click.Context(cli)
    inner = work / "a/b/c"  # so that ../../x is ours too
    (inner / "folder").mkdir(parents=True)
    (inner / "file.txt").write_text("no table")
    (inner / "odd.toml").write_text("set = { train.lr = 1979-05-27 }\nseeds = [[1]]\n")
    (inner / "loop").symlink_to("loop")
    os.mkfifo(inner / "pipe")
    with at_home(work, inner):
        for draw in draws:
            words = _line(draw, cli, context)
            before = _files(work)
            called = call(words)
            fault, new = called.fault, _files(work) - before
            if not fault and called.code == 2 and new:
                fault = f"refused, and it wrote {sorted(new)[0]}"
            yield f"{' '.join(map(repr, words))[:300]}: {fault}" if fault else ""


def _files(work: Path) -> set[str]:
    """What is there but for caches, whose folders are hidden or called so."""
    names = (path.relative_to(work) for path in work.rglob("*"))
    return {
        str(name)
        for name in names
        if not {".cache", ".config", "merbench", "matplotlib"} & {*name.parts}
    }


def _line(draw: random.Random, cli: Any, context: click.Context) -> list[str]:
    words = list(draw.choice(COMMANDS))
    command: Any = cli
    for word in words:
        command = command.get_command(context, word)
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    for option in draw.sample(options, min(len(options), draw.randint(1, 4))):
        words.append(option.opts[0])
        if not option.is_flag:
            words.append(draw.choice(HOSTILE))
    if words[0] in TRAINS:
        # A data set that there is not, so that no line trains, whatever the rest makes of it.
        return [*words, "--dataset", draw.choice(HOSTILE) or "none"]
    return [*words, *draw.sample(HOSTILE, draw.randint(0, 2))]


OPTIONS = Attack("options", "command lines of hostile values", attack, 8, 3000)

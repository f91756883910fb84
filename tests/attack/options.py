"""Command lines of random options with hostile values: an exit code and one sentence."""

from __future__ import annotations

import contextlib
import io
import os
import random
import sys
from pathlib import Path
from typing import Any

import click

from tests.attack.attack import Attack, Tries

HOSTILE = (
    "", " ", "\x1b[2J", "../../x", "/dev/full", "nan", "inf", "-1", "1e999", "1000000000000", "=", "x=", "={",
    "a.b=[", "*", "x" * 3000, "\udc80", "javascript:x", "0x10", "💥", "--", "train.lr=nan", "train.epochs=-5",
)  # fmt: skip
COMMANDS = (
    ("run",), ("tune",), ("ablate",), ("predict",), ("ensemble",), ("robust",), ("transfer",), ("generalise",),
    ("compare",), ("leaderboard",), ("leaderboard", "build"), ("leaderboard", "render"),
    ("leaderboard", "verify"), ("leaderboard", "submit"), ("data", "show"), ("data", "audit"), ("data", "list"),
    ("data", "add"), ("show",), ("list",), ("store", "merge"),
)  # fmt: skip
"""Those that go to the network, serve, or work for long whatever they are given are left out."""
TRAINS = {"run", "tune", "ablate", "predict", "ensemble", "robust", "transfer", "generalise"}


def attack(draw: random.Random, tries: int, work: Path) -> Tries:
    from merbench.cli.main import cli

    context = click.Context(cli)
    folder, environ = Path.cwd(), dict(os.environ)
    for name in [n for n in os.environ if n.startswith("MERBENCH_")]:
        del os.environ[name]
    os.environ |= {"HOME": str(work), "XDG_DATA_HOME": str(work), "XDG_CACHE_HOME": str(work)}
    inner = work / "a/b/c"  # so that ../../x is ours too
    inner.mkdir(parents=True)
    try:
        os.chdir(inner)
        for _ in range(tries):
            words = _line(draw, cli, context)
            yield _judge(words)
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environ)


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


def _judge(words: list[str]) -> str:
    from merbench.cli.main import main

    out, err, argv = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["merbench", *words]
    fault = "it did not end with an exit code"
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as stop:
        text = out.getvalue() + err.getvalue()
        fault = "" if stop.code in (0, 1, 2, None) else f"exit code {stop.code}"
        if stop.code and not text.strip():
            fault = "not a word"
        if "\x1b" in text or "Traceback" in text:
            fault = "a control character or traceback in what it says"
    except BaseException as error:
        fault = f"{type(error).__name__}: {str(error)[:100]}"
    finally:
        sys.argv = argv
    return f"{' '.join(map(repr, words))[:300]}: {fault}" if fault else ""


OPTIONS = Attack("options", "command lines of hostile values", attack, 8, 3000)

"""The options that commands about runs share."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import click

from merbench.bench.keywords import MOST_JOBS, MOST_THREADS
from merbench.bench.options import PARTS
from merbench.cli.shared.completion import complete_dataset, complete_model
from merbench.cli.shared.named_path import NamedPath
from merbench.results.seeds import FIRST_TUNING_SEED, MOST_SEEDS


class FiniteRange(click.FloatRange):
    """Without inf, and without nan, which lies in every range that click compares it with."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class SeedNumber(click.IntRange):
    """One number a time, for who gives several."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, str) and "," in value:
            self.fail(f"{value} are several; name each, --seed 0 --seed 1", param, ctx)
        return int(super().convert(value, param, ctx))


REQUEST_OPTIONS = (
    click.option(
        "--model",
        default="merclip",
        show_default=True,
        shell_complete=complete_model,
        help="A model (merbench list models).",
    ),
    click.option(
        "--dataset",
        shell_complete=complete_dataset,
        help=(
            "A data set (merbench data list). Default: "
            "mosi where it is on the machine, else sample."
        ),
    ),
    click.option(
        "--task", help="What is predicted, such as sentiment, or sentiment+emotions at once."
    ),
    click.option("--protocol", help="How rows are split, such as standard or folds."),
    click.option(
        "--part",
        "parts",
        metavar="SLOT=NAME",
        multiple=True,
        help=f"Another part; SLOT is {', '.join(PARTS).replace('_', '-')}. NAME none = none.",
    ),
    click.option(
        "--set",
        "settings",
        metavar="PART.KEY=VALUE",
        multiple=True,
        help="A setting, such as train.lr=1e-3 or fusion.heads=4.",
    ),
    click.option(
        "--encoder",
        "encoders",
        metavar="MODALITY=NAME",
        multiple=True,
        help="Another encoder for a modality.",
    ),
    click.option(
        "--text-tower",
        metavar="NAME",
        default="",
        help="A pretrained text encoder for transcripts and label words, such as minilm.",
    ),
    click.option(
        "--stream",
        "streams",
        metavar="MODALITY=NAME",
        multiple=True,
        help="Another stream for a modality (merbench data show D).",
    ),
    click.option("--modalities", metavar="LIST", help="Only these, such as text,audio."),
    click.option(
        "--epochs", type=click.IntRange(1), help="At most this many epochs (train.epochs)."
    ),
    click.option(
        "--thresholds",
        default="fixed:0.5",
        show_default=True,
        help="Of labels: fixed:T, tuned_on_valid, tuned_on_valid_per_label.",
    ),
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
    ),
    click.option(
        "--threads",
        type=click.IntRange(1, MOST_THREADS),
        envvar="MERBENCH_THREADS",
        help="CPU threads of torch.  [default: at most 4]",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(1, MOST_JOBS),
        default=1,
        show_default=True,
        help="Number of runs side by side; they share the data.",
    ),
    click.option(
        "--determinism",
        type=click.Choice(["prefer", "strict", "off"]),
        default="prefer",
        show_default=True,
        help=(
            "Deterministic kernels: where there are any, always (else the run fails), "
            "or the fastest."
        ),
    ),
    click.option(
        "--data",
        type=NamedPath(),
        help="Folder of the data sets (also MERBENCH_DATA).",
    ),
    click.option(
        "--vectors",
        metavar="NAME|FILE",
        multiple=True,
        help="Word vectors, side by side.  [default: all in DATA/vectors]",
    ),
    click.option(
        "--store",
        type=NamedPath(),
        envvar="MERBENCH_STORE",
        default="runs",
        show_default=True,
        help="Where records go.",
    ),
    click.option(
        "--weights/--no-weights",
        default=True,
        help="Keep the trained weights in the store.  [default: keep]",
    ),
    click.option(
        "--labels",
        default="",
        metavar="POLICY",
        help="Hide train labels, by seed: keep:SHARE, single-positive, shots:WORD=N.",
    ),
    click.option(
        "--missing",
        multiple=True,
        metavar="MODALITY=RATE",
        help=(
            "Train rows lack it at this rate, by seed: audio=0.5, any=0.1:0.9 (drawn for each "
            "row), text=mask:0.3 (its steps). Repeatable."
        ),
    ),
    click.option(
        "--allow-leak",
        is_flag=True,
        help="Accept streams or weights fitted on evaluated rows; marks the runs permanently.",
    ),
    click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="One JSON object on stdout, and nothing else there.",
    ),
)
"""What is run, where, and where it goes."""

RUN_OPTIONS = (
    click.option(
        "--seeds",
        type=SeedNumber(1, MOST_SEEDS),
        help="Seeds 0 to N-1.  [default: 3]",
    ),
    click.option(
        "--seed",
        "seed_list",
        type=SeedNumber(0, FIRST_TUNING_SEED - 1),
        multiple=True,
        help="This seed (repeatable; in place of --seeds).",
    ),
    click.option(
        "--init-from",
        metavar="RUN",
        help=(
            "Start from the weights of a finished run, by its id or a file of it in the store (or "
            "of the series it is of), each seed from its own."
        ),
    ),
    click.option(
        "--log",
        "log",
        metavar="NAME=WHERE",
        multiple=True,
        help="Log runs while they train, such as tensorboard=FOLDER (merbench list loggers).",
    ),
    click.option("--force", is_flag=True, help="Run again what the store holds already."),
)
"""Which seeds, from where they start, and what is logged."""


def request_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds REQUEST_OPTIONS; the command receives them as keyword arguments for ``gather``."""
    return _with(function, REQUEST_OPTIONS)


def run_options(function: Callable[..., Any], without: Collection[str] = ()) -> Callable[..., Any]:
    """Adds RUN_OPTIONS and REQUEST_OPTIONS. ``without``: those that the command gives another
    meaning.
    """
    decorated: Any = request_options(_with(function, RUN_OPTIONS))
    decorated.__click_params__ = [p for p in decorated.__click_params__ if p.name not in without]
    return decorated  # type: ignore[no-any-return]


_OF_RUNS: dict[str, Any] = {
    "seeds": None, "seed_list": (), "force": False, "log": (),
    "epochs": None, "thresholds": "fixed:0.5", "jobs": 1, "determinism": "prefer",
    "store": Path("runs"), "weights": True,
}  # fmt: skip


def encode_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say what a model reads and through what, for ``gather`` as well."""
    decorated: Any = request_options(
        lambda *args, **parameters: function(*args, **_OF_RUNS, **parameters)
    )
    options = [option for option in decorated.__click_params__ if option.name not in _OF_RUNS]
    decorated.__click_params__ = options
    functools.update_wrapper(decorated, function, updated=())
    return decorated  # type: ignore[no-any-return]


def _with(
    function: Callable[..., Any], options: Sequence[Callable[..., Any]]
) -> Callable[..., Any]:
    for option in reversed(options):
        function = option(function)
    return function


def typed(ctx: click.Context) -> dict[str, str]:
    """Parameter -> option as it is written (``--store``), of those on the command line."""
    on_command_line = click.core.ParameterSource.COMMANDLINE
    return {
        p.name: p.opts[0]
        for p in ctx.command.params
        if p.name and ctx.get_parameter_source(p.name) is on_command_line
    }

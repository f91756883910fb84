"""The options that commands about runs share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import click

from merbench.bench.keywords import MOST_JOBS, MOST_THREADS
from merbench.bench.options import PARTS
from merbench.cli.shared.completion import complete_dataset, complete_model
from merbench.cli.shared.options import DATA, DEVICE, JSON, PROTOCOL, RECORDS_GO_TO, TASK
from merbench.results.seeds import FIRST_TUNING_SEED, MOST_SEEDS


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
    TASK,
    PROTOCOL,
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
    DEVICE,
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
    DATA,
    click.option(
        "--vectors",
        metavar="NAME|FILE",
        multiple=True,
        help="Word vectors, side by side.  [default: all in DATA/vectors]",
    ),
    RECORDS_GO_TO,
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
    JSON,
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


def request_options(
    function: Callable[..., Any], without: Collection[str] = ()
) -> Callable[..., Any]:
    """Adds REQUEST_OPTIONS; the command receives them as keyword arguments for ``gather``.
    ``without``: those that it does not have, or gives another meaning.
    """
    return _with(function, REQUEST_OPTIONS, without)


def run_options(function: Callable[..., Any], without: Collection[str] = ()) -> Callable[..., Any]:
    """As ``request_options``, with RUN_OPTIONS before them."""
    return _with(function, (*RUN_OPTIONS, *REQUEST_OPTIONS), without)


def _with(
    function: Callable[..., Any], options: Sequence[Callable[..., Any]], without: Collection[str]
) -> Callable[..., Any]:
    for option in reversed(options):
        function = option(function)
    decorated: Any = function
    decorated.__click_params__ = [p for p in decorated.__click_params__ if p.name not in without]
    return function

"""The options that commands about runs share, and the request they make."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import click

from merbench.api.errors import RequestError
from merbench.api.material.types import MODALITIES
from merbench.bench.options import RunOptions
from merbench.cli.shared.completion import complete_dataset, complete_model
from merbench.cli.shared.config_file import ConfigCommand
from merbench.results.seeds import FIRST_TUNING_SEED

PARTS = ("fusion", "head", "label-encoder", "objective")


class AblationCommand(ConfigCommand):
    """Takes ``--no-NAME`` for any NAME: which ablations a model has is known only when its plugin
    is. They arrive as ``ablations``.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {option for p in self.params for option in (*p.opts, *p.secondary_opts)}
        ablation_flags = [
            a for a in args if a.startswith("--no-") and a.partition("=")[0] not in known
        ]
        if valued := [a for a in ablation_flags if "=" in a]:
            raise click.UsageError(f"{valued[0]}: an ablation is a flag and takes no value")
        ctx.meta["ablations"] = tuple(a[2:] for a in ablation_flags)
        return super().parse_args(ctx, [a for a in args if a not in ablation_flags])


def run_options(function: Callable[..., Any], without: Collection[str] = ()) -> Callable[..., Any]:
    """Adds the options of a command that makes runs; the command receives them as keyword arguments
    for ``gather``. ``without``: those that the command gives another meaning.
    """
    options = [
        click.option(
            "--seeds",
            type=click.IntRange(1, FIRST_TUNING_SEED),
            help="Seeds 0 to N-1.  [default: 3]",
        ),
        click.option(
            "--seed",
            "seed_list",
            type=click.IntRange(0, FIRST_TUNING_SEED - 1),
            multiple=True,
            help="This seed (repeatable; in place of --seeds).",
        ),
        click.option(
            "--init-from",
            metavar="RUN",
            help=(
                "Start from the weights of a finished run (or of the series it is of), "
                "each seed from its own."
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
    ]
    decorated: Any = request_options(_with(function, options))
    decorated.__click_params__ = [p for p in decorated.__click_params__ if p.name not in without]
    return decorated  # type: ignore[no-any-return]


def request_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say what is run, where, and where it goes."""
    options = [
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
            help=f"Another part; SLOT is {', '.join(PARTS)}. NAME none = none.",
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
            "--epochs", type=click.IntRange(1), help="At most so many epochs (train.epochs)."
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
            type=click.IntRange(1, 4096),
            envvar="MERBENCH_THREADS",
            help="CPU threads of torch.  [default: at most 4]",
        ),
        click.option(
            "--jobs",
            type=click.IntRange(1),
            default=1,
            show_default=True,
            help="So many runs side by side, sharing the data.",
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
            type=click.Path(path_type=Path),
            help="Where data sets lie (also MERBENCH_DATA).",
        ),
        click.option(
            "--vectors",
            metavar="NAME|FILE",
            multiple=True,
            help="Word vectors, side by side.  [default: all in DATA/vectors]",
        ),
        click.option(
            "--store",
            type=click.Path(path_type=Path),
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
    ]
    return _with(function, options)


_OF_RUNS: dict[str, Any] = {
    "seeds": None, "seed_list": (), "force": False, "log": (),
    "epochs": None, "thresholds": "fixed:0.5", "jobs": 1, "determinism": "prefer",
    "store": Path("runs"), "weights": True,
}  # fmt: skip


def encode_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say what a model reads and through what, for ``gather`` as well."""
    decorated = request_options(lambda *args, **given: function(*args, **_OF_RUNS, **given))
    decorated.__click_params__ = [p for p in decorated.__click_params__ if p.name not in _OF_RUNS]  # type: ignore[attr-defined]
    return functools.update_wrapper(decorated, function, updated=())


def _with(
    function: Callable[..., Any], options: Sequence[Callable[..., Any]]
) -> Callable[..., Any]:
    for option in reversed(options):
        function = option(function)
    return function


def gather(ablations: tuple[str, ...], **given: Any) -> RunOptions:
    """Parsed options -> RunOptions. RequestError in one sentence for what is not of the form asked
    for.
    """
    from merbench.engine.plan.datasets import with_settings
    from merbench.engine.plan.plan import Request
    from merbench.results.spec import parse_settings

    settings: dict[str, Any] = {}
    for slot, name in parse_settings(given["parts"], "--part").items():
        if slot not in PARTS:
            raise RequestError(
                f"--part {slot}={name}: a part is one of {', '.join(PARTS)}; "
                "encoders are named with --encoder MODALITY=NAME"
            )
        settings[slot.replace("-", "_")] = name
    settings |= {
        f"encoder.{m}": name for m, name in _by_modality(given["encoders"], "--encoder").items()
    }
    settings |= {
        key.replace("label-encoder.", "label_encoder."): v
        for key, v in parse_settings(given["settings"], "--set").items()
    }
    if given["epochs"]:
        settings["train.epochs"] = given["epochs"]
    seeds = tuple(dict.fromkeys(given["seed_list"])) or tuple(range(given["seeds"] or 3))
    modalities = None
    if given["modalities"] is not None:
        modalities = tuple(m.strip() for m in given["modalities"].split(","))
        if wrong := [m for m in modalities if m not in MODALITIES]:
            raise RequestError(
                f"--modalities {given['modalities']}: unknown modality {wrong[0]!r}; "
                f"there are {', '.join(MODALITIES)}"
            )
    if given["seeds"] and given["seed_list"]:
        raise RequestError("--seeds N and --seed K exclude each other; give one of them")
    given["dataset"], settings = with_settings(given["dataset"], settings)
    request = Request(
        model=given["model"],
        task=given["task"],
        protocol=given["protocol"],
        settings=settings,
        streams=_by_modality(given["streams"], "--stream"),  # type: ignore[arg-type]
        modalities=modalities,
        ablations=ablations,
        thresholds=given["thresholds"],
        allow_leak=given["allow_leak"],
        text_tower=given["text_tower"],
        labels=given.get("labels", ""),
        missing=",".join(given.get("missing", ())),
    )
    same = {
        k: given[k]
        for k in (
            "model",
            "dataset",
            "device",
            "threads",
            "jobs",
            "determinism",
            "data",
            "vectors",
            "store",
            "force",
            "weights",
            "as_json",
        )
    }
    return RunOptions(
        request=request,
        seeds=seeds,
        init_from=given.get("init_from"),
        log=_log(given.get("log", ())),
        **same,
    )


def _log(pairs: tuple[str, ...]) -> dict[str, str]:
    where_by_logger = {}
    for pair in pairs:
        name, sign, where = pair.partition("=")
        if not sign or not name or not where:
            raise RequestError(
                f"--log {pair!r} is not of the form NAME=WHERE, such as tensorboard=FOLDER"
            )
        where_by_logger[name] = where
    return where_by_logger


def _by_modality(pairs: tuple[str, ...], option: str) -> dict[str, str]:
    named: dict[str, str] = {}
    for pair in pairs:
        modality, sign, name = pair.partition("=")
        if not sign or not name or modality not in MODALITIES:
            raise RequestError(
                f"{option} {pair!r} is not of the form MODALITY=NAME with a modality of "
                f"{', '.join(MODALITIES)}"
            )
        named[modality] = name
    return named


def typed(ctx: click.Context) -> dict[str, str]:
    """Parameter -> option as it is written (``--store``), of those on the command line."""
    on_command_line = click.core.ParameterSource.COMMANDLINE
    return {
        p.name: p.opts[0]
        for p in ctx.command.params
        if p.name and ctx.get_parameter_source(p.name) is on_command_line
    }

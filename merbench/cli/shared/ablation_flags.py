"""``--ablation NAME``, and ``--no-NAME`` for the ablations whose name begins so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from merbench.api.did_you_mean import did_you_mean
from merbench.api.errors import RequestError
from merbench.cli.shared.config_file import ConfigCommand
from merbench.cli.shared.session import Session


class AblationCommand(ConfigCommand):
    """Takes ``--no-NAME`` as ``--ablation no-NAME``, for any NAME: which ablations a model has is
    known only when its plugin is loaded.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = {option for p in self.params for option in (*p.opts, *p.secondary_opts)}
        words: list[str] = []
        for word in args:
            flag, has_value, _ = word.partition("=")
            if flag.startswith("--no-") and flag not in options:
                if has_value:
                    raise click.UsageError(f"{word}: an ablation is a flag and takes no value")
                words += ["--ablation", flag.removeprefix("--")]
            else:
                words.append(word)
        return super().parse_args(ctx, words)


def ablation_option(which: str) -> Callable[..., Any]:
    """``which``: of the ablations may be named, for its help."""
    return click.option(
        "--ablation",
        "ablations",
        metavar="NAME",
        multiple=True,
        help=f"{which}; --no-X is short for --ablation no-X.",
    )


def require_declared(session: Session, models: str, ablations: Sequence[str]) -> None:
    """RequestError for one that none of ``models`` declares, with those that they do as they are
    typed. ``all`` is left to the command.
    """
    recipes = [session.catalog.recipe(name.strip()) for name in models.split(",")]
    declared = sorted({ablation.name for recipe in recipes for ablation in recipe.ablations})
    params = click.get_current_context().command.params
    switches = [switch.removeprefix("--") for p in params for switch in p.secondary_opts]
    for name in ablations:
        if name in (*declared, "all"):
            continue
        those_declared = f"there are: {', '.join(map(_typed, declared)) or 'none'}"
        advice = did_you_mean(name, [*declared, *switches], those_declared, 3, written=_typed)
        raise RequestError(
            f"unknown ablation {name!r} of {models}; {advice} "
            f"(merbench show {recipes[0].name} lists them)"
        )


def _typed(name: str) -> str:
    return f"--{name}" if name.startswith("no-") else f"--ablation {name}"

"""``--no-NAME``: the ablations that a model declares, as flags."""

from __future__ import annotations

from collections.abc import Sequence

import click

from merbench.api.errors import RequestError
from merbench.cli.shared.config_file import ConfigCommand
from merbench.cli.shared.session import Session


class AblationCommand(ConfigCommand):
    """Takes ``--no-NAME`` for any NAME: which ablations a model has is known only when its plugin
    is loaded. ``ctx.meta["ablations"]`` holds them, without the dashes.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = {option for p in self.params for option in (*p.opts, *p.secondary_opts)}
        flags = [a for a in args if a.startswith("--no-") and a.partition("=")[0] not in options]
        if valued := [flag for flag in flags if "=" in flag]:
            raise click.UsageError(f"{valued[0]}: an ablation is a flag and takes no value")
        ctx.meta["ablations"] = tuple(flag[2:] for flag in flags)
        return super().parse_args(ctx, [a for a in args if a not in flags])


def declared_ablations(session: Session, model: str, flags: Sequence[str]) -> tuple[str, ...]:
    """``flags``, each once. RequestError for one that ``model`` does not declare."""
    from merbench.host.catalog import unknown

    declared = [ablation.name for ablation in session.catalog.recipe(model).ablations]
    known_flags = [f"--{name}" for name in declared if name.startswith("no-")]
    for flag in flags:
        if flag not in declared:
            raise RequestError(unknown("option", f"--{flag}", known_flags, f"ablations of {model}"))
    return tuple(dict.fromkeys(flags))

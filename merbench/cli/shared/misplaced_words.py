"""Where a word belongs that was typed in another place: a setting as an option of its own, a model
as an argument.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from merbench.bench.options import PARTS


class GuidingCommand(click.Command):
    """Answers an option or an argument that it does not take with what was probably meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.allow_extra_args = True  # they are refused here
        try:
            extra = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            meant = _meant(self, error.option_name)
            if not meant:
                raise
            raise click.UsageError(
                f"No such option {error.option_name!r}; it is {meant}.", ctx
            ) from None
        if extra and not ctx.resilient_parsing:
            advice = next(_advice(ctx, extra[0]), "")
            raise click.UsageError(f"unexpected argument {extra[0]!r}{advice}", ctx)
        return extra


def _meant(command: click.Command, option: str) -> str:
    """How a setting of training or a part is named that was typed as an option of its own."""
    name = option.lstrip("-").replace("-", "_")
    if "settings" in _names(command) and name in _train_settings():
        return f"--set train.{name}=VALUE"
    if "parts" in _names(command) and name in PARTS:
        return f"--part {name.replace('_', '-')}=NAME"
    return ""


def _advice(ctx: click.Context, word: str) -> Iterator[str]:
    from merbench.cli.shared.groups import session_of

    for option in ctx.command.params:
        values = ctx.params.get(option.name or "") if takes_pairs(option) else ()
        if values and "=" not in values[-1]:
            yield f"; did you mean {option.opts[0]} {values[-1]}={word}?"
    catalog = session_of(ctx).catalog
    for name, kind in (("model", "recipe"), ("dataset", "dataset")):
        if name in _names(ctx.command) and word in catalog.names(kind):
            yield f"; it is named with --{name} {word}"


def takes_pairs(parameter: click.Parameter) -> bool:
    """True of an option KEY=VALUE that may be repeated."""
    is_option = isinstance(parameter, click.Option)
    return is_option and parameter.multiple and "=" in (parameter.metavar or "")


def _names(command: click.Command) -> set[str]:
    return {parameter.name for parameter in command.params if parameter.name}


def _train_settings() -> set[str]:
    from merbench.api.declarations.train_settings_and_ranges import TrainConfig

    return set(TrainConfig.model_fields)

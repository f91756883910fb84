"""``--config FILE.toml``: the options of a command as a file; ``--save-config FILE`` writes one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from merbench.api.errors import DataError, RunError
from merbench.cli.shared.misplaced_words import GuidingCommand, takes_pairs
from merbench.cli.shared.named_path import NamedPath
from merbench.results.files import require_output, write_output

OWN = ("config", "save_config", "help")
_DECIDES = {
    "settings": "{}",
    "parts": "{}",
    "encoders": "encoder.{}",
    "epochs": "train.epochs",
    "seeds": "seeds",
    "seed_list": "seeds",
}
"""Option -> what it decides, with ``{}`` for a key: several options may decide one thing."""


class ConfigCommand(GuidingCommand):
    """A command that takes its options from a file too. What stands on the command line, or in the
    environment, goes before the file, whichever option decides it (``--epochs 3`` before
    ``train.epochs`` of ``set``): each key of KEY=VALUE by itself, any other list as a whole.

    Keys are the options' names; a repeatable option takes a list, and one of the form KEY=VALUE a
    table: ``set = { "train.lr" = 1e-3 }``.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        file = NamedPath(dir_okay=False)
        self.params += [
            click.Option(
                ["--config"],
                type=file,
                is_eager=True,
                expose_value=False,
                callback=_read,
                help="Options from this TOML file; those of the command line override them, "
                "each KEY of KEY=VALUE by itself.",
            ),
            click.Option(
                ["--save-config"],
                type=file,
                expose_value=False,
                callback=_remember,
                help="Write the options of this call to a TOML file, unless it is refused.",
            ),
        ]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        _take_from_the_file(ctx)
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        path: Path | None = ctx.meta.get("save_config")
        if path is None:
            return super().invoke(ctx)
        require_output(path)
        text = _as_toml(ctx)
        try:
            result = super().invoke(ctx)
        except (SystemExit, KeyboardInterrupt, click.Abort, RunError):
            # A run that fails or is interrupted was asked for rightly.
            _save(path, text)
            raise
        _save(path, text)
        return result


def _take_from_the_file(ctx: click.Context) -> None:
    """What the file decides and the command line does not."""
    options = [option for option in _options(ctx).values() if option.name]
    typed = [o for o in options if ctx.get_parameter_source(o.name or "") == _TYPED]
    decided = {name for option in typed for name in _decided(option, ctx.params[option.name or ""])}
    for option in options:
        name = option.name or ""
        of_file = (ctx.default_map or {}).get(name)
        if of_file is None or (option in typed and not takes_pairs(option)):
            continue
        if takes_pairs(option):
            kept = tuple(pair for pair in of_file if decided.isdisjoint(_decided(option, [pair])))
            ctx.params[name] = (*kept, *(ctx.params[name] if option in typed else ()))
        elif not decided.isdisjoint(_decided(option, of_file)):
            ctx.params[name] = () if option.multiple else None
            ctx.set_parameter_source(name, click.core.ParameterSource.DEFAULT)


_TYPED = click.core.ParameterSource.COMMANDLINE


def _decided(option: click.Option, value: Any) -> set[str]:
    """Names of what an option decides: ``encoder.text`` of ``--encoder text=NAME``."""
    form = _DECIDES.get(option.name or "", f"{option.name}={{}}")
    if not takes_pairs(option):
        return {form}
    keys = (pair.partition("=")[0].replace("label-encoder", "label_encoder") for pair in value)
    return {form.format(key) for key in keys}


def _save(path: Path, text: str) -> None:
    write_output(path, text.encode())
    click.echo(f"wrote {path}; --config {path} gives the same options", err=True)


def _remember(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    ctx.meta["save_config"] = path


def _read(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    """DataError for a file that is no TOML, or has a key that is no option."""
    if path is None:
        return
    from merbench.api.did_you_mean import did_you_mean
    from merbench.data.folder.toml_section import read_toml

    options = _options(ctx)
    defaults: dict[str, Any] = {}
    for key, value in read_toml(path, "--config names a TOML file of options").items():
        option = options.get(key.replace("_", "-"))
        if option is None:
            raise DataError(f"{path}: {key!r} is no option; {did_you_mean(key, list(options))}")
        assert option.name
        defaults[option.name] = _value(path, key, option, value, ctx)
    ctx.default_map = {**(ctx.default_map or {}), **defaults}


def _options(ctx: click.Context) -> dict[str, click.Option]:
    """``label-encoder`` -> the option."""
    options = [p for p in ctx.command.params if isinstance(p, click.Option)]
    return {p.opts[0].lstrip("-"): p for p in options if p.name not in OWN}


def _value(path: Path, key: str, option: click.Option, value: Any, ctx: click.Context) -> Any:
    if option.multiple:
        if isinstance(value, Mapping):
            value = [f"{name}={_setting(path, key, v)}" for name, v in _flat(path, key, value)]
        elif isinstance(value, str):
            value = [value]
        if not isinstance(value, list):
            raise DataError(f"{path}: {key} takes a list, as --{key} may be repeated")
        return [_typed(path, key, option, item, ctx) for item in value]
    if isinstance(value, list | Mapping):
        raise DataError(f"{path}: {key} takes one value, as --{key} is given once")
    if not option.is_flag:
        return _typed(path, key, option, value, ctx)
    if not isinstance(value, bool):
        raise DataError(f"{path}: {key} is true or false")
    return value


def _typed(path: Path, key: str, option: click.Option, value: Any, ctx: click.Context) -> str:
    """As it would be typed. DataError where the option would refuse it, which knows no file."""
    if not isinstance(value, str | int | float):
        raise DataError(f"{path}: {key} takes texts and numbers, and no {type(value).__name__}")
    text = _text(value)
    try:
        option.type.convert(text, option, ctx)
    except click.BadParameter as error:
        raise DataError(f"{path}: {key}: {error.message.rstrip('.')}") from error
    return text


def _flat(path: Path, key: str, table: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    from merbench.engine.plan.settings_as_tables import flattened

    try:
        return flattened(table).items()
    except ValueError as error:
        raise DataError(f"{path}: {key}: {error}") from None


def _setting(path: Path, key: str, value: Any) -> str:
    try:
        return _text(value)
    except TypeError:
        raise DataError(
            f"{path}: {key} holds a {type(value).__name__}; write texts, numbers, true and false"
        ) from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _as_toml(ctx: click.Context) -> str:
    """Every option that was given, here or in a file."""
    explicit_sources = (
        click.core.ParameterSource.COMMANDLINE,
        click.core.ParameterSource.DEFAULT_MAP,
    )
    lines = [f"# merbench {ctx.info_name}"]
    for name, option in _options(ctx).items():
        assert option.name
        value = ctx.params.get(option.name)
        if ctx.get_parameter_source(option.name) not in explicit_sources:
            continue
        lines.append(f"{name} = {json.dumps(_plain(value), ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value

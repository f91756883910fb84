"""``merbench data add``: a data set from whatever form the user has it in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merbench.api.plural import count_of
from merbench.cli.shared.options import DATA, JSON
from merbench.cli.shared.output import plain_table, say, show, show_json
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.api import Config
    from merbench.api.dataset_forms import Form
    from merbench.data.folder.manifest import Origin
    from merbench.data.intake.stream_choice import Choice


@click.command("add")
@click.argument("words", nargs=-1, required=True, metavar="[DATASET] PATH")
@click.option("--name", help="Name of a data set of your own, in place of DATASET.")
@click.option(
    "--form",
    "form_name",
    help="The form of PATH (merbench list forms).  [default: it is recognised]",
)
@click.option(
    "--set", "settings", metavar="KEY=VALUE", multiple=True, help="A setting of the form."
)
@click.option(
    "--rename",
    "renamed",
    metavar="OLD=NEW",
    multiple=True,
    help="Another name for a stream, such as audio.aligned=audio.covarep.",
)
@click.option(
    "--without", metavar="STREAM", multiple=True, help="Leave a stream of the source out."
)
@DATA
@JSON
@click.pass_obj
def command(
    session: Session,
    words: tuple[str, ...],
    name: str | None,
    form_name: str | None,
    settings: tuple[str, ...],
    renamed: tuple[str, ...],
    without: tuple[str, ...],
    data: Path | None,
    as_json: bool,
) -> None:
    """Convert PATH into the data set DATASET (mosi, mosei, ...), or join its streams to those that
    are there.

    PATH may be a feature folder, a pickle or a folder of one of the forms of merbench list forms.
    It is read safely (nothing in it is run), once, in bounded memory; an interrupted call continues
    when it is given again.

    \b
    Example: merbench data add mosi Processed/aligned_50.pkl
             merbench data add --name mine path/to/folder
    """
    from merbench.api.dataset_forms import Source
    from merbench.data.intake.add import add, recognise
    from merbench.engine.plan.settings import parse_settings
    from merbench.terminal.data_progress import DataProgress

    name, path = _what(session, words, name)
    values = parse_settings(settings, "--set")
    forms, configs = _forms(session, form_name, values)
    source = Source(path.expanduser())
    chosen = recognise(source, forms)
    _configured(chosen, type(configs[chosen]), values)
    home = session.homes(data)[0]
    with DataProgress(f"adding {name}") as progress:
        options = configs[chosen].identity()
        choice = _choice(renamed, without)
        origin = add(name, home, source, forms[chosen], chosen, options, progress, choice)
    _report(name, home / name, origin, as_json)


def _choice(renamed: tuple[str, ...], without: tuple[str, ...]) -> Choice:
    from merbench.api.errors import RequestError
    from merbench.data.intake.stream_choice import Choice

    pairs = [text.partition("=") for text in renamed]
    for text, (old, _, new) in zip(renamed, pairs, strict=True):
        if not re.fullmatch(r"(text|audio|video)\.[\w-]+", new) or not old:
            raise RequestError(
                f"--rename {text!r}: give OLD=NEW, where NEW is a modality and a name, such as "
                "audio.covarep"
            )
    names = [new for *_, new in pairs]
    if len(set(names)) != len(names):
        raise RequestError("--rename gives two streams one name; give each its own")
    return Choice({old: new for old, _, new in pairs}, frozenset(without))


def _what(session: Session, words: tuple[str, ...], name: str | None) -> tuple[str, Path]:
    from merbench.api.errors import RequestError
    from merbench.host.catalog import unknown

    if len(words) != (1 if name else 2):
        raise RequestError(
            "give a data set and a path (merbench data add mosi PATH), "
            "or a name of your own (--name NAME PATH)"
        )
    if name is None:
        known = [
            n
            for n in session.catalog.names("dataset")
            if session.catalog.component("dataset", n).folder
        ]
        if words[0] not in known:
            raise RequestError(
                unknown("data set", words[0], known, "--name NAME makes one of your own")
            )
        return session.catalog.component("dataset", words[0]).folder, Path(words[1])
    if (
        name in ("", "vectors")
        or name.startswith((".", "-"))
        or not name.replace("-", "").replace("_", "").replace(".", "").isalnum()
    ):
        raise RequestError(
            f"--name {name!r}: a name is made of letters, digits, -, _ and ., begins with neither "
            "- nor ., and is not vectors"
        )
    return name, Path(words[0])


def _forms(
    session: Session, name_wanted: str | None, values: Mapping[str, Any]
) -> tuple[dict[str, Form], dict[str, Config]]:
    """Every form, or the one that is asked for, and the settings of each. Of all forms, those that
    ``values`` do not fit have their defaults: which form the source has is not known yet.
    """
    from merbench.api import Config
    from merbench.api.errors import RequestError

    forms, configs = {}, {}
    for name in [name_wanted] if name_wanted else session.catalog.names("form"):
        try:
            factory = session.catalog.load(session.catalog.component("form", name))
        except RequestError as error:
            if name_wanted:
                raise
            say(f"warning: {error}")
            continue
        kind = getattr(factory, "Config", Config)
        try:
            configs[name] = _configured(name, kind, values)
        except RequestError:
            if name_wanted:
                raise
            configs[name] = kind()
        forms[name] = factory(configs[name])
    return forms, configs


def _configured(name: str, kind: type[Config], values: Mapping[str, Any]) -> Config:
    """RequestError for a setting that form ``name`` does not have, or a value that does not fit."""
    from pydantic import ValidationError

    from merbench.api.errors import RequestError
    from merbench.api.what_fits import what_fits
    from merbench.host.catalog import unknown

    if wrong := [key for key in values if key not in kind.model_fields]:
        raise RequestError(
            unknown("setting", wrong[0], list(kind.model_fields), f"settings of form {name}")
        )
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        pairs = [f"{key}={value}" for key, value in values.items()]
        setting = f"{first['loc'][0]}={first['input']!r}" if first["loc"] else " ".join(pairs)
        raise RequestError(
            f"--set {setting} does not fit form {name}: {what_fits(first)}"
        ) from None


def _report(name: str, folder: Path, origin: Origin, as_json: bool) -> None:
    if as_json:
        show_json({"name": name, "folder": str(folder), **origin.model_dump(mode="json")})
        return
    from merbench.data.first_few import first_few
    from merbench.data.folder.manifest import read_manifest

    say(
        f"{name}: {count_of(origin.rows, 'row')} of {origin.form} = "
        f"{origin.taken:,} taken over + "
        f"{len(origin.refused):,} refused"
    )
    if origin.refused:
        refusals = first_few([f"{row} ({reason})" for row, reason in origin.refused.items()])
        say(f"refused: {refusals}; manifest.json names them all")
    for note in origin.notes:
        say(f"note: {note}")
    manifest = read_manifest(folder)
    table = plain_table(left=("stream",), right=("rows", "missing", "steps", "not finite"))
    for stream in origin.streams:
        if manifest and (facts := manifest.streams.get(stream)):
            table.add_row(
                stream,
                *(f"{n:,}" for n in (facts.rows, facts.missing, facts.steps, facts.not_finite)),
            )
    if table.row_count:
        show(table)
    say(f"in {folder}; merbench data show {name} describes it")

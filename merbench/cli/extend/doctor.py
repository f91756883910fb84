"""``merbench doctor``: what is here, what is missing, and what to do about each lack."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click

from merbench.api.plural import count_of
from merbench.cli.shared.options import DATA, JSON_LIST, STORE
from merbench.cli.shared.output import plain_table, show, show_json
from merbench.cli.shared.session import Session


@click.command("doctor")
@DATA
@STORE
@JSON_LIST
@click.pass_obj
def command(session: Session, data: Path | None, store: Path, as_json: bool) -> None:
    """Python, torch, device, plugins, data sets, word vectors, weights, store: found or not, and
    what to do.

    \b
    Example: merbench doctor
    """
    rows = [
        {"what": subject, "ok": ok, "found": state, "fix": fix}
        for subject, ok, state, fix in examine(session, data, store)
    ]
    if as_json:
        show_json(rows)
        return
    from rich.text import Text

    table = plain_table(show_header=False)
    for row in rows:
        mark = Text("ok", style="green") if row["ok"] else Text("lack", style="yellow")
        fix = f"\n→ {row['fix']}" if row["fix"] else ""
        table.add_row(mark, str(row["what"]), Text(f"{row['found']}{fix}"))
    show(table)


def examine(
    session: Session, data: Path | None, store: Path
) -> Iterator[tuple[str, bool, str, str]]:
    """(what, is it well, what was found and where it was looked for, what to do)."""
    import platform

    yield "Python", True, f"{platform.python_version()} on {platform.platform()}", ""
    yield from _torch()
    for plugin in session.catalog.plugins:
        state = f"{plugin.distribution} {plugin.version}: " + (
            plugin.error or f"{len(plugin.declarations)} declarations"
        )
        fix = (
            f"fix or uninstall {plugin.distribution}, "
            f"or leave it out with --no-plugin {plugin.name}"
            if plugin.error
            else ""
        )
        yield f"plugin {plugin.name}", plugin.error is None, state, fix
    if not session.catalog.names("recipe"):
        yield (
            "plugins",
            False,
            "no plugin offers a model",
            "pip install -r requirements.txt in merbench's checkout installs merbench's own",
        )
    yield from _data(session, data)
    yield from _weights()
    yield _store(store)


def _torch() -> Iterator[tuple[str, bool, str, str]]:
    try:
        import torch
    except ImportError as error:
        yield "torch", False, str(error), "pip install torch torchvision"
        return
    yield "torch", True, f"{torch.__version__}, {torch.get_num_threads()} threads", ""
    if torch.cuda.is_available():
        yield "device", True, torch.cuda.get_device_name(0), ""
    else:
        yield "device", True, "cpu (torch sees no GPU; everything runs without one)", ""


def _data(session: Session, data: Path | None) -> Iterator[tuple[str, bool, str, str]]:
    from merbench.data.home import find_folder, shown_homes
    from merbench.data.word_vector_files import offered_vectors

    homes = session.homes(data)
    looked_in = f"looked in {shown_homes(homes)}"
    for name in session.catalog.names("dataset"):
        component = session.catalog.component("dataset", name)
        if not component.folder:
            yield f"data set {name}", True, "made when it is used", ""
        elif folder := find_folder(component.folder, homes):
            yield f"data set {name}", True, str(folder), ""
        else:
            yield f"data set {name}", False, f"not here; {looked_in}", component.obtain
    files = offered_vectors(homes)
    if files:
        yield "word vectors", True, ", ".join(str(f) for f in files), ""
    else:
        fix = (
            "put GloVe's text file or an .npz with arrays word and vector into DATA/vectors, "
            "or name one with --vectors FILE"
        )
        yield "word vectors", False, f"none (sample has its own); {looked_in}", fix


def _weights() -> Iterator[tuple[str, bool, str, str]]:
    home = Path(
        os.environ.get("HF_HUB_CACHE")
        or Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface") / "hub"
    )
    models = (
        sorted(p.name.removeprefix("models--").replace("--", "/") for p in home.glob("models--*"))
        if home.is_dir()
        else []
    )
    if models:
        yield "weights", True, f"{', '.join(models)} in {home}", ""
    else:
        fix = (
            "only CLIP, CLAP and language-model towers need them: "
            "run once with network, or point at a local directory"
        )
        yield "weights", True, f"none in the hub's cache {home} ({fix})", ""


def _store(store: Path) -> tuple[str, bool, str, str]:
    from merbench.api.errors import RequestError
    from merbench.results.store.store import Store

    try:
        Store(store).require_writable()
    except RequestError as error:
        return "store", False, str(error), "choose another with --store DIR or MERBENCH_STORE"
    records = count_of(len(list((store / "runs").glob("*.json"))), "record")
    return "store", True, f"{os.path.realpath(store)} ({records})", ""

"""``merbench data fetch``: the computational sequences of CMU-MOSI and CMU-MOSEI from where their
authors publish them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

import click

from merbench.api.errors import RequestError
from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.options import DATA
from merbench.cli.shared.output import say
from merbench.cli.shared.session import Session

SERVER = "http://immortal.multicomp.cs.cmu.edu"
FILES = {
    "mosi": (
        "CMU-MOSI/language/CMU_MOSI_TimestampedWords.csd",
        "CMU-MOSI/language/CMU_MOSI_TimestampedWordVectors.csd",
        "CMU-MOSI/visual/CMU_MOSI_Visual_Facet_42.csd",
        "CMU-MOSI/visual/CMU_MOSI_Visual_OpenFace_2.csd",
        "CMU-MOSI/acoustic/CMU_MOSI_COVAREP.csd",
        "CMU-MOSI/labels/CMU_MOSI_Opinion_Labels.csd",
    ),
    "mosei": (
        "CMU-MOSEI/language/CMU_MOSEI_TimestampedWords.csd",
        "CMU-MOSEI/language/CMU_MOSEI_TimestampedWordVectors.csd",
        "CMU-MOSEI/visual/CMU_MOSEI_VisualFacet42.csd",
        "CMU-MOSEI/visual/CMU_MOSEI_VisualOpenFace2.csd",
        "CMU-MOSEI/acoustic/CMU_MOSEI_COVAREP.csd",
        "CMU-MOSEI/labels/CMU_MOSEI_Labels.csd",
    ),
}
TERMS = """\
The files belong to the authors of {dataset}, who publish them for research with the \
CMU-MultimodalSDK
(https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK); its licence and the terms \
of the data set hold for what you do with them, and
the recordings behind them belong to the people in them. merbench fetches them for you from {server}
and gives you no right to them. Read the terms there, and cite the papers that they name."""


@click.command("fetch")
@click.argument("name", type=click.Choice(tuple(FILES)))
@click.option("--yes", is_flag=True, help="You have read and accept the terms of the data set.")
@click.option(
    "--to",
    type=NamedPath(),
    help="The folder for the files.  [default: DATA/sdk/NAME]",
)
@click.option(
    "--only", metavar="WORD", multiple=True, help="Only files with WORD in their name (repeatable)."
)
@click.option(
    "--mirror", metavar="URL", default=SERVER, help="Another server that holds the same files."
)
@DATA
@click.pass_obj
def command(
    session: Session,
    name: str,
    yes: bool,
    to: Path | None,
    only: tuple[str, ...],
    mirror: str,
    data: Path | None,
) -> None:
    """Download the .csd files of CMU-MOSI or CMU-MOSEI. An interrupted or broken download continues
    where it was.

    \b
    Example: merbench data fetch mosi --yes
             merbench data fetch mosei --only Labels --only TimestampedWords.csd
    """
    from merbench.data.intake.fetch.fetch import fetch
    from merbench.terminal.data_progress import DataProgress

    if not _is_address(mirror):
        raise RequestError(f"--mirror {mirror!r} is no address; give http://... or https://...")
    files = _chosen(name, only)
    say(TERMS.format(dataset=f"CMU-{name.upper()}", server=mirror))
    _accept(yes)
    folder = (to or session.homes(data)[0] / "sdk" / name).expanduser()
    with DataProgress(f"fetching {name}") as progress:
        for path in files:
            if not fetch(f"{mirror.rstrip('/')}/{path}", folder, progress):
                say(f"{Path(path).name} is complete already")
    say(
        f"in {folder}; merbench data add {name} {folder} makes a data set of them, "
        "with a file of splits beside them"
    )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an open bracket, or a port that is no number
        return False


def _chosen(name: str, only: tuple[str, ...]) -> list[str]:
    from merbench.api.did_you_mean import did_you_mean

    names = [Path(path).name for path in FILES[name]]
    for word in only:
        if not any(word.lower() in file.lower() for file in names):
            raise RequestError(
                f"--only {word!r} is in no file of {name}; {did_you_mean(word, names)}"
            )
    return [
        path
        for path in FILES[name]
        if not only or any(word.lower() in Path(path).name.lower() for word in only)
    ]


def _accept(yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise RequestError("the terms must be accepted; read them, and give --yes")
    if not click.confirm("Do you accept them?", err=True):
        raise RequestError("nothing was fetched, for the terms were not accepted")

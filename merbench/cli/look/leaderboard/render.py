"""``merbench leaderboard render``: tables, pictures and pages of a folder of boards drawn again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from merbench.api.plural import count_of
from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.options import DATA
from merbench.cli.shared.output import say
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.report.folder.folder import Folder


@click.command("render")
@click.argument("folder", type=NamedPath(), default="leaderboards")
@click.option(
    "--rescore",
    is_flag=True,
    help="Compute scores.json anew from the predictions and your labels (after adding runs).",
)
@DATA
@click.pass_obj
def command(session: Session, folder: Path, rescore: bool, data: Path | None) -> None:
    """Draw the tables, pictures and pages of FOLDER again from its records, predictions and scores;
    no data set is needed.

    \b
    Example: merbench leaderboard render leaderboards
             merbench leaderboard render leaderboards --rescore
    """
    if rescore:
        _rescore(session, folder, data)
    render(folder)


def render(root: Path, known: Mapping[Path, Folder] = MappingProxyType({})) -> None:
    """``known``: folders under ``root`` that need not be read, as they were just written."""
    from merbench.bench.score_cache import kept_pictures
    from merbench.report.folder.read import read, titled, tracks
    from merbench.report.folder.write import write_drawn
    from merbench.report.site.site import site

    folders = titled([known.get(path) or read(path) for path in tracks(root)])
    content_by_file = site(folders, kept_pictures())
    write_drawn(root, content_by_file)
    n_boards = sum(name.endswith("/index.html") for name in content_by_file)
    say(f"{root / 'index.html'}: {count_of(n_boards, 'board')}")


def _rescore(session: Session, root: Path, data: Path | None) -> None:
    from merbench.bench.own_labels import corpus_of, truth_of
    from merbench.report.folder.read import read, tracks
    from merbench.report.folder.write import write_scores
    from merbench.report.verify.scores import rescored

    for path in tracks(root):
        folder = read(path, with_scores=False)
        track = folder.board.track
        corpus = corpus_of(lambda name: session.dataset(name, data), track)
        write_scores(path, rescored(folder, truth_of(session.catalog, corpus, track)))

"""What the commands of ``merbench study`` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.options import DATA, JSON, RECORDS_GO_TO
from merbench.cli.shared.output import say
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.results.store.store import Store
    from merbench.runs.workspace import Workspace
    from merbench.study.file import StudyFile
    from merbench.study.opened import OpenedStudy


def study_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.argument("file", metavar="STUDY.toml", type=NamedPath()),
        DATA,
        RECORDS_GO_TO,
        JSON,
    ]
    for option in reversed(options):
        function = option(function)
    return function


def open_study(
    session: Session, file: Path, data: Path | None, store: Store, again: bool = False
) -> OpenedStudy:
    """``again``: what it says of the study was said already."""
    from merbench.runs.workspace import Sources, Workspace
    from merbench.study.opened import open_study

    def workspace_of(study: StudyFile) -> Workspace:
        homes = tuple(home.absolute() for home in session.homes(data))
        sources = Sources(session.disabled, homes, tuple(study.vectors))
        return Workspace(sources, session.catalog)

    return open_study(file, store, workspace_of, (lambda sentence: None) if again else say)

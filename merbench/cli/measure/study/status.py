"""``merbench study status``: how far a study is."""

from __future__ import annotations

from pathlib import Path

import click

from merbench.cli.measure.study.report import report
from merbench.cli.measure.study.shared import open_study, study_options
from merbench.cli.shared.session import Session


@click.command("status")
@study_options
@click.pass_obj
def command(session: Session, file: Path, data: Path | None, store: Path, as_json: bool) -> None:
    """How far a study is, and an estimate of the time left. It reads the store alone, so it may be
    asked from anywhere at any time.

    \b
    Example: merbench study status STUDY.toml
    """
    from merbench.results.store.store import Store

    run_store = Store(store)
    report(open_study(session, file, data, run_store), run_store, as_json)

"""``merbench study``: many models, tracks and seeds as one job that can be stopped, shared and
resumed.
"""

from __future__ import annotations

import click

from merbench.cli.shared.groups import LazyGroup


@click.group("study", cls=LazyGroup, package="merbench.cli.measure.study", names=("run", "status"))
def command() -> None:
    """Models x data sets x tracks x seeds, described in one file.

    \b
    Example: merbench study run STUDY.toml --jobs 4
             merbench study status STUDY.toml
    """

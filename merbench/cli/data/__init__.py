"""``merbench data``: data sets on this machine."""

from __future__ import annotations

import click

from merbench.cli.shared.groups import LazyGroup


@click.group(
    "data",
    cls=LazyGroup,
    package="merbench.cli.data",
    names=("list", "show", "add", "fetch", "audit", "cache"),
)
def command() -> None:
    """Data sets: list, show, audit, download and add them.

    \b
    Example: merbench data list
             merbench data show sample
             merbench data add mosi aligned_50.pkl
    """

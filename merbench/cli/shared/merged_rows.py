"""What became of the runs and searches that a store was brought: a row each, as --json has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import click

Rows = Sequence[Mapping[str, str]]


def counts_of(rows: Rows) -> dict[str, int]:
    counted = Counter(row["how"] for row in rows)
    return {how: counted[how] for how in ("copied", "there", "conflict", "refused")}


def show_counts(runs: Rows, searches: Rows) -> None:
    click.echo(_listed(runs))
    if searches:
        click.echo(f"searches: {_listed(searches)}")


def exit_code(rows: Rows) -> int:
    counts = counts_of(rows)
    return int(counts["conflict"] + counts["refused"] > 0)


def _listed(rows: Rows) -> str:
    return ", ".join(f"{n} {how}" for how, n in counts_of(rows).items())

"""How ``ablate``, ``generalise``, ``robust`` and ``transfer`` show their lines: a table of scores,
then the paired differences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from merbench.cli.shared.output import plain_table, room, show, show_text
from merbench.report.tables.numbers import signed, signed_interval

if TYPE_CHECKING:
    from merbench.report.scores.paired_differences import Difference, Line
    from merbench.results.metrics import TaskMetrics


def show_lines(
    title: str,
    lines: Sequence[Line],
    differences: Mapping[str, Mapping[str, Difference]],
    metrics: TaskMetrics,
    name: str,
    notes: Sequence[str] = (),
) -> None:
    """``name``: the heading of the lines' names. Lines without a score stand below the others,
    their reasons under the tables.
    """
    from merbench.report.scores.rows.pooled_seeds import summary
    from merbench.report.tables import board
    from merbench.report.tables.terminal import table

    rows = [
        board.model_row(
            line.name,
            summary(line.scored),
            "" if line.scored else "without a score (reasons below)",
        )
        for line in lines
    ]
    show(table(title, board.columns(metrics), rows, name=name, width=room()))
    _show_differences(lines, differences, metrics, name)
    for line in lines:
        if line.reason:
            show_text(f"{line.name}: {line.reason}")
    for note in notes:
        show_text(note)


def _show_differences(
    lines: Sequence[Line],
    differences: Mapping[str, Mapping[str, Difference]],
    metrics: TaskMetrics,
    name: str,
) -> None:
    """A table of the paired differences of the ranking metric; none where no line has one."""
    metric = metrics.ranking
    facts = metrics[metric]
    better = "higher" if facts.higher_is_better else "lower"
    compared = [(line, d) for line in lines if (d := differences.get(line.name, {}).get(metric))]
    if not compared:
        return
    # One base of all is named in the title, where it takes no column.
    unit = "%, " if facts.scale == 100 else ""
    bases = {line.against for line, _ in compared}
    base = f" from {bases.pop()}" if len(bases) == 1 else ""
    sheet = plain_table(f"{metric}: difference{base} ({unit}{better} is better)")
    for heading in (name,) if base else (name, "minus that of"):
        sheet.add_column(heading, overflow="fold")
    for heading in ("difference", "95 % interval", "p (seeds)", "p (corrected)"):
        sheet.add_column(heading, justify="right", no_wrap=True)
    for line, d in compared:
        names = (line.name,) if base else (line.name, line.against)
        numbers = (
            f"{signed(d.mean, facts)}{'*' if d.significant else ' '}",
            signed_interval((d.low, d.high), facts),
            f"{d.p:.3f}",
            f"{d.p_adjusted:.3f}",
        )
        sheet.add_row(*names, *numbers, style="bold" if d.significant else "")
    show(sheet)
    show_text(
        "interval: bootstrap over seeds and videos; p (seeds): exact paired sign-flip; "
        "p (corrected): the larger of it and of "
        "the interval's p, Holm-corrected over the lines; * significant: it is under .05"
    )

"""``merbench data audit``: what in a data set makes scores on it mean less than they seem to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merbench.api.plural import count_of
from merbench.cli.shared.options import DATA, JSON
from merbench.cli.shared.output import plain_table, say, show, show_json
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from rich.table import Table

    from merbench.data.audit.audit import Audit
    from merbench.data.audit.feature_values import Values
    from merbench.data.audit.labels import Labels
    from merbench.data.audit.leaks import Probed
    from merbench.data.audit.streams import Streamed

MISSING = "–"


@click.command("audit")
@click.argument("name")
@DATA
@JSON
@click.pass_obj
def command(session: Session, name: str, data: Path | None, as_json: bool) -> None:
    """Twin texts and shared videos across splits, labels, gaps, dead dimensions, padding; and
    streams that know labels they should not.

    A stream that comes from a network trained on the labels of some videos is found from how much
    better a linear probe, cross-validated by video, reads these videos than the others. Nothing is
    changed.

    \b
    Example: merbench data audit sample
             merbench data audit mosi --json
    """
    from merbench.data.audit.audit import audit
    from merbench.terminal.console import console

    corpus = session.dataset(name, data)
    with console(stderr=True).status("") as status:
        report = audit(corpus, lambda step: status.update(f"auditing {name}: {step}"))
    if as_json:
        show_json(report.as_dict())
    else:
        _print(report)


def _print(report: Audit) -> None:
    click.echo(
        f"{report.name}: {count_of(report.rows, 'row')} of {count_of(report.videos, 'video')}, "
        f"{report.short_texts:,} of them with a short text or none"
    )
    show(_label_table(report.labels))
    show(_stream_table(report.streams))
    for finding in report.findings:
        click.echo(f"{finding.level}: {finding.about}: {finding.sentence}")
    if not report.findings:
        say("nothing to report")


def _label_table(labels_of_splits: Sequence[Labels]) -> Table:
    numbers = ("rows", "unknown", "range", "mean")
    table = plain_table("labels", left=("task", "split"), right=numbers)
    table.add_column("rows by label")
    for labels in labels_of_splits:
        table.add_row(
            labels.task,
            f"{labels.protocol} {labels.split}",
            f"{labels.rows:,}",
            f"{labels.unknown:,}",
            MISSING if labels.low is None else f"{labels.low:g} to {labels.high:g}",
            MISSING if labels.mean is None else f"{labels.mean:.3f}",
            " ".join(f"{word}:{count}" for word, count in labels.counts.items()),
        )
    return table


def _stream_table(streams: Sequence[Streamed]) -> Table:
    of_values = ("not finite", "dead", "constant")
    numbers = ("width", "steps", "missing", *of_values, "probe r", "p of no leak")
    table = plain_table("streams", left=("stream",), right=numbers)
    for stream in streams:
        low, median, high = stream.steps
        table.add_row(
            stream.stream,
            MISSING if stream.width is None else str(stream.width),
            f"{low}/{median:.0f}/{high}",
            f"{stream.missing:,}",
            *_value_cells(stream.values),
            *_probe_cells(stream.probe),
        )
    return table


def _value_cells(values: Values | None) -> Sequence[str]:
    if values is None:
        return (MISSING,) * 3
    n_dead, n_constant = len(values.dead), len(values.constant)
    return str(values.not_finite), str(n_dead), str(n_constant - n_dead)


def _probe_cells(probe: Probed | None) -> Sequence[str]:
    if probe is None:
        return MISSING, MISSING
    return f"{probe.corr:.3f}", MISSING if probe.p is None else f"{probe.p:.2g}"

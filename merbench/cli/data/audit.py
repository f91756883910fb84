"""``merbench data audit``: what in a data set makes scores on it mean less than they seem to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from merbench.cli.data.options import DATA, JSON
from merbench.cli.shared.output import say, show, show_json
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.data.audit.audit import Audit


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
    from rich.table import Table

    click.echo(
        f"{report.name}: {report.rows:,} rows of {report.videos:,} videos, "
        f"{report.short_texts:,} of them with a short text or none"
    )
    labels = Table(
        title="labels", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0)
    )
    for column in ("task", "split"):
        labels.add_column(column)
    for column in ("rows", "unknown", "range", "mean"):
        labels.add_column(column, justify="right")
    labels.add_column("rows by label")
    for x in report.labels:
        span = "–" if x.low is None else f"{x.low:g} to {x.high:g}"
        mean = "–" if x.mean is None else f"{x.mean:.3f}"
        bars = " ".join(f"{word}:{count}" for word, count in x.histogram.items())
        labels.add_row(
            x.task, f"{x.protocol} {x.split}", f"{x.rows:,}", f"{x.unknown:,}", span, mean, bars
        )
    show(labels)
    streams = Table(
        title="streams", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0)
    )
    streams.add_column("stream")
    for column in (
        "width",
        "steps",
        "missing",
        "not finite",
        "dead",
        "constant",
        "probe r",
        "p of no leak",
    ):
        streams.add_column(column, justify="right")
    for s in report.streams:
        low, median, high = s.steps
        values = (
            ("–",) * 3
            if s.values is None
            else (
                s.values.not_finite,
                len(s.values.dead),
                len(s.values.constant) - len(s.values.dead),
            )
        )
        probe = (
            ("–", "–")
            if s.probe is None
            else (f"{s.probe.corr:.3f}", "–" if s.probe.p is None else f"{s.probe.p:.2g}")
        )
        width = "–" if s.width is None else str(s.width)
        streams.add_row(
            s.stream,
            width,
            f"{low}/{median:.0f}/{high}",
            f"{s.missing:,}",
            *(str(v) for v in values),
            *probe,
        )
    show(streams)
    for finding in report.findings:
        click.echo(f"{finding.level}: {finding.about}: {finding.sentence}")
    if not report.findings:
        say("nothing to report")

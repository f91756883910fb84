"""``merbench leaderboard``: the tables of a store, one a track."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merbench.cli.session import Session, say, show

if TYPE_CHECKING:
    from merbench.report.stats import Summary
    from merbench.results.record import Record, Track
    from merbench.results.store import Store


@click.command("leaderboard")
@click.option("--dataset", help="Only this data set.")
@click.option("--format", "form", type=click.Choice(["text", "md", "csv"]), default="text", show_default=True)
@click.option("--variants", is_flag=True, help="Ablated variants too.")
@click.option("--store", type=click.Path(path_type=Path), envvar="MERBENCH_STORE", default="runs", show_default=True)
@click.pass_obj
def command(session: Session, dataset: str | None, form: str, variants: bool, store: Path) -> None:
    """Every finished run of the store as tables, one a track; models are compared inside a track only.

    \b
    Example: merbench leaderboard --dataset mosi
             merbench leaderboard --format md > board.md
    """
    from merbench.api.errors import RequestError
    from merbench.report import board
    from merbench.report.tables import table, to_csv, to_markdown
    from merbench.results.store import Store

    held = Store(store)
    tracks = tables(session, held, dataset, variants)
    for warning in held.warnings:
        say(f"warning: {warning}")
    if not tracks:
        what = f"no finished run{f' on {dataset}' if dataset else ''} in the store {store}"
        raise RequestError(f"{what}; merbench run --model merclip{f' --dataset {dataset}' if dataset else ''} makes some")
    for track, kind, models, floors, notes in tracks:
        rows = board.rows({name: models[name] for name in board.ranked(models, kind)}, floors)
        columns = board.columns(kind)
        if form == "csv":
            click.echo(f"# {track.title}")
            click.echo(to_csv(columns, rows), nl=False)
        elif form == "md":
            click.echo(to_markdown(track.title, columns, rows, notes=notes))
        else:
            show(table(track.title, columns, rows, notes=notes))


Board = tuple["Track", Any, dict[str, dict[str, "Summary"]], dict[str, dict[str, "Summary"]], list[str]]


def tables(session: Session, store: Store, dataset: str | None, variants: bool) -> list[Board]:
    """Track, kind of task, models, floors, notes; tracks in the order of their titles."""
    from merbench.report.summary import by_seed, group, summary

    boards: dict[str, Board] = {}
    for records in group(store.records()).values():
        first = records[0]
        if (dataset and first.track.dataset != dataset) or (first.spec.variant and not variants):
            continue
        scored = by_seed(records, store)
        if not scored:
            continue
        key = first.track.model_dump_json()
        board = boards.setdefault(key, (first.track, first.space["kind"], {}, {}, []))
        here = board[3] if _is_floor(session, first.spec.model) else board[2]
        here[_name(first, here)] = summary(scored)
        if first.caveat and (line := f"{first.spec.model}: {first.caveat}") not in board[4]:
            board[4].append(line)
    return sorted(boards.values(), key=lambda b: b[0].title)


def _name(record: Record, taken: dict[str, Any]) -> str:
    """Model and variant; two specs of one model (other settings) are told apart by a number, and each one's spec stands in its records."""
    name = f"{record.spec.model} {record.spec.variant}".strip()
    count = sum(1 for t in taken if t == name or t.startswith(f"{name} #"))
    return name if not count else f"{name} #{count + 1}"


def _is_floor(session: Session, model: str) -> bool:
    return model in session.catalog.names("recipe") and session.catalog.recipe(model).floor

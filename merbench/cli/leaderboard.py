"""``merbench leaderboard``: the tables of a store, one a track."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merbench.cli.session import Session, say, show

if TYPE_CHECKING:
    from merbench.api.types import SpaceKind
    from merbench.report.stats import Summary
    from merbench.report.summary import Scored
    from merbench.results.record import Record, Track
    from merbench.results.store import Store


@click.command("leaderboard")
@click.option("--dataset", help="Only this data set.")
@click.option("--format", "form", type=click.Choice(["text", "md", "csv"]), default="text", show_default=True)
@click.option("--variants", is_flag=True, help="Ablated variants too.")
@click.option("--out", type=click.Path(path_type=Path), help="Write table.md, scores.svg, scores.json and records of each track here.")
@click.option("--store", type=click.Path(path_type=Path), envvar="MERBENCH_STORE", default="runs", show_default=True)
@click.pass_obj
def command(session: Session, dataset: str | None, form: str, variants: bool, out: Path | None, store: Path) -> None:
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
    boards = collect(session, held, dataset, variants)
    for warning in held.warnings:
        say(f"warning: {warning}")
    if not boards:
        what = f"no finished run{f' on {dataset}' if dataset else ''} in the store {store}"
        raise RequestError(f"{what}; merbench run --model merclip{f' --dataset {dataset}' if dataset else ''} makes some")
    for one in boards:
        columns, rows = board.columns(one.kind), board.rows(one.summaries(one.models), one.summaries(one.floors))
        if out:
            write(one, out)
        if form == "csv":
            click.echo(f"# {one.track.title}")
            click.echo(to_csv(columns, rows), nl=False)
        elif form == "md":
            click.echo(to_markdown(one.track.title, columns, rows, notes=one.notes))
        else:
            show(table(one.track.title, columns, rows, notes=one.notes))


@dataclass
class Board:
    """One track: models from best to worst, floors, notes; each row's records and scores by seed."""

    track: Track
    kind: SpaceKind
    models: dict[str, dict[int, Scored]] = field(default_factory=dict)
    floors: dict[str, dict[int, Scored]] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def summaries(self, rows: dict[str, dict[int, Scored]]) -> dict[str, dict[str, Summary]]:
        from merbench.report.summary import summary

        return {name: summary(scored) for name, scored in rows.items()}


def collect(session: Session, store: Store, dataset: str | None, variants: bool) -> list[Board]:
    """The boards of a store, in the order of their tracks' titles."""
    from merbench.report.board import ranked
    from merbench.report.summary import by_seed, group

    boards: dict[str, Board] = {}
    for records in group(store.records()).values():
        first = records[0]
        if (dataset and first.track.dataset != dataset) or (first.spec.variant and not variants):
            continue
        scored = by_seed(records, store)
        if not scored:
            continue
        board = boards.setdefault(first.track.model_dump_json(), Board(first.track, first.space["kind"]))
        rows = board.floors if _is_floor(session, first.spec.model) else board.models
        rows[_name(first, rows)] = scored
        board.records += records
        if first.caveat and (line := f"{first.spec.model}: {first.caveat}") not in board.notes:
            board.notes.append(line)
    for board in boards.values():
        board.models = {name: board.models[name] for name in ranked(board.summaries(board.models), board.kind)}
        board.floors = {name: board.floors[name] for name in ranked(board.summaries(board.floors), board.kind)}
    return sorted(boards.values(), key=lambda b: b.track.title)


def write(one: Board, out: Path) -> None:
    """One folder a track. Records hold neither labels nor transcripts; predictions stay in the store."""
    import json

    from merbench.report import board, plots
    from merbench.report.tables import to_markdown
    from merbench.results.files import write_atomic
    from merbench.results.metrics import default_metric

    metric = default_metric(one.kind)
    folder = out / f"{one.track.dataset}-{one.track.task}-{one.track.protocol}"
    rows = board.rows(one.summaries(one.models), one.summaries(one.floors))
    write_atomic(folder / "table.md", to_markdown(one.track.title, board.columns(one.kind), rows, notes=one.notes).encode())
    each = {name: [v for s in scored.values() if (v := s.metrics.get(metric)) is not None] for name, scored in one.models.items()}
    lines = {name: s[metric].mean for name, s in one.summaries(one.floors).items() if metric in s}
    write_atomic(folder / "scores.svg", plots.scores(one.track.title, f"test {metric}", each, lines))
    pooled = {name: {seed: dict(s.metrics) for seed, s in scored.items()} for name, scored in (one.models | one.floors).items()}
    write_atomic(folder / "scores.json", json.dumps(pooled, indent=1).encode())
    for model in {r.spec.model for r in one.records}:
        mine = sorted((r for r in one.records if r.spec.model == model), key=lambda r: (r.spec.variant, r.seed, r.fold or 0, r.run_id))
        write_atomic(folder / "records" / f"{model}.jsonl", "".join(r.model_dump_json() + "\n" for r in mine).encode())


def _name(record: Record, taken: dict[str, Any]) -> str:
    """Model and variant; two specs of one model (other settings) are told apart by a number, and each one's spec stands in its records."""
    name = f"{record.spec.model} {record.spec.variant}".strip()
    count = sum(1 for t in taken if t == name or t.startswith(f"{name} #"))
    return name if not count else f"{name} #{count + 1}"


def _is_floor(session: Session, model: str) -> bool:
    return model in session.catalog.names("recipe") and session.catalog.recipe(model).floor

"""``merbench data show``: what is in a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merbench.api.plural import count_of
from merbench.cli.shared.options import DATA, JSON
from merbench.cli.shared.output import plain_table, show, show_json, show_text
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from rich.table import Table


@click.command("show")
@click.argument("name")
@DATA
@JSON
@click.pass_obj
def command(session: Session, name: str, data: Path | None, as_json: bool) -> None:
    """Rows, splits, streams, lengths, missing values and origin of a data set; where its law is
    known, the best score anyone can reach.

    \b
    Example: merbench data show sample
    """
    from merbench.data.description import describe
    from merbench.data.folder.manifest import read_manifest
    from merbench.data.home import find_folder

    corpus = session.dataset(name, data)
    described = describe(corpus)
    folder = find_folder(name, session.homes(data))
    manifest = read_manifest(folder) if folder else None
    described["sources"] = (
        [origin.model_dump(mode="json") for origin in manifest.sources] if manifest else []
    )
    if as_json:
        show_json(described)
        return
    _print(described)


def _print(described: dict[str, Any]) -> None:
    show_text(
        f"{described['name']}: {described['rows']:,} utterances of {described['videos']:,} videos"
    )
    if described["groups"]:
        counts = [f"{count:,} of {name}" for name, count in described["groups"].items()]
        show_text(f"groups: {', '.join(counts)}")
    for name, task in described["tasks"].items():
        show_text(_task_line(name, task))
    for name, protocol in described["protocols"].items():
        sizes = ", ".join(
            ("" if s["fold"] is None else f"fold {s['fold']}: ")
            + f"{s['train']:,}/{s['valid']:,}/{s['test']:,}"
            for s in protocol["splits"]
        )
        show_text(
            f"protocol {name}: train/valid/test {sizes}; offers {', '.join(protocol['streams'])}"
        )
    show(_streams(described["streams"]))
    for origin in described["sources"]:
        sources = ", ".join(
            f"{name} ({facts['bytes']:,} bytes, sha256 {facts['sha256'][:16]}...)"
            for name, facts in origin["files"].items()
        )
        rows_taken = f"{origin['taken']:,} of {origin['rows']:,} rows"
        rows_taken += f", {len(origin['refused']):,} refused"
        show_text(f"from {origin['form']}: {sources}; {rows_taken}; {', '.join(origin['streams'])}")
    for task, lines in described["best_possible"].items():
        show(_best_possible(task, lines))


def _task_line(name: str, task: dict[str, Any]) -> str:
    if "labels" not in task:
        return f"task {name}: {task['kind']} ({', '.join(task['words'])})"
    labels = task["labels"]
    facts = [task["kind"]]
    if labels["low"] is not None:
        facts.append(f"{labels['low']:g} to {labels['high']:g}, mean {labels['mean']:.3f}")
    counts = ", ".join(f"{word} {count:,}" for word, count in labels["counts"].items())
    facts.append(counts if labels["low"] is None else f"rows nearest to {counts}")
    if labels["unknown"]:
        facts.append(f"{count_of(labels['unknown'], 'row')} without it")
    if task["streams"]:
        facts.append(f"offers {', '.join(task['streams'])}")
    return f"task {name}: {'; '.join(facts)}"


def _streams(streams: list[dict[str, Any]]) -> Table:
    table = plain_table("streams")
    table.add_column("stream", no_wrap=True, overflow="fold")
    table.add_column("kind")
    for column in ("width", "median\nsteps", "max\nsteps", "missing", "fitted on\nlabels of"):
        table.add_column(column, justify="right")
    for stream in streams:
        fitted = stream["fitted_on_labels_of"]
        table.add_row(
            stream["name"],
            stream["kind"],
            "–" if stream["width"] is None else str(stream["width"]),
            f"{stream['steps_median']:.0f}",
            str(stream["steps_max"]),
            f"{stream['missing']:,}",
            count_of(fitted, "row") if fitted else "–",
        )
    return table


def _best_possible(task: str, lines: list[dict[str, Any]]) -> Table:
    title = f"{task}: best possible score (expected); test labels but where it says otherwise"
    metrics = list(lines[0]["scores"])
    table = plain_table(title, left=("given",), right=metrics)
    for line in lines:
        modalities = " + ".join(line["modalities"]) or "nothing"
        if not line["co_occurrence"]:
            modalities += ", label by label"
        if line["of"] != "test labels":
            modalities = f"{line['of']}: {modalities}"
        scores = [line["scores"].get(metric) for metric in metrics]
        table.add_row(
            modalities, *(f"{s['scored']:.3f} ({s['expected']:.3f})" if s else "–" for s in scores)
        )
    return table

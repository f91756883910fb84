"""``merbench data show``: what is in a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merbench.cli.data.options import DATA, JSON
from merbench.cli.shared.output import show, show_json
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.api.corpus import Corpus


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


def describe(corpus: Corpus) -> dict[str, Any]:
    """The data set as plain values."""
    import numpy as np

    streams = []
    for s in corpus.streams.values():
        present = s.length > 0
        lengths = s.length[present]
        streams.append(
            {
                "name": s.name,
                "modality": s.modality,
                "kind": s.kind,
                "width": s.spec.width,
                "steps_median": float(np.median(lengths)) if len(lengths) else 0.0,
                "steps_max": int(lengths.max()) if len(lengths) else 0,
                "missing": int((~present).sum()),
                "fitted_on_labels_of": int(s.fitted_on.sum()) if s.fitted_on is not None else 0,
                "note": s.note,
            }
        )
    protocols = {
        name: {
            "splits": [
                {"fold": x.fold, "train": len(x.train), "valid": len(x.valid), "test": len(x.test)}
                for x in p.splits
            ],
            "streams": list(p.streams),
        }
        for name, p in corpus.protocols.items()
    }
    tasks = {
        name: {"kind": t.space.kind, "words": list(t.space.words)}
        for name, t in corpus.offered.items()
    }
    found = {
        "name": corpus.name,
        "rows": len(corpus),
        "videos": len(np.unique(corpus.videos)),
        "tasks": tasks,
    }
    return {
        **found,
        "streams": streams,
        "protocols": protocols,
        "optimum": _optimum(corpus),
        "notes": list(corpus.notes),
    }


def _optimum(corpus: Corpus) -> list[dict[str, Any]]:
    """The Bayes predictor on the test rows, for every set of modalities; empty where the law of the
    data is not known.
    """
    if corpus.posterior is None:
        return []
    from merbench.data.best_possible import limits, subsets

    split = corpus.protocols["standard"].splits[0]
    modalities = [corpus.streams[name].modality for name in corpus.protocols["standard"].streams]
    rows = []
    for chosen in ((), *subsets(modalities)):
        reached = limits(corpus, "sentiment", split.test, chosen)
        rows.append(
            {
                "modalities": list(chosen),
                **{m: {"scored": v.scored, "expected": v.expected} for m, v in reached.items()},
            }
        )
    return rows


def _print(found: dict[str, Any]) -> None:
    from rich.table import Table

    click.echo(f"{found['name']}: {found['rows']:,} utterances of {found['videos']:,} videos")
    for name, task in found["tasks"].items():
        click.echo(f"task {name}: {task['kind']} ({', '.join(task['words'])})")
    for name, protocol in found["protocols"].items():
        sizes = ", ".join(
            ("" if s["fold"] is None else f"fold {s['fold']}: ")
            + f"{s['train']:,}/{s['valid']:,}/{s['test']:,}"
            for s in protocol["splits"]
        )
        click.echo(
            f"protocol {name}: train/valid/test {sizes}; offers {', '.join(protocol['streams'])}"
        )
    table = Table(
        title="streams", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0)
    )
    table.add_column("stream")
    table.add_column("kind")
    for column in ("width", "median steps", "max steps", "missing", "fitted on labels of"):
        table.add_column(column, justify="right")
    for s in found["streams"]:
        width = "–" if s["width"] is None else str(s["width"])
        fitted = f"{s['fitted_on_labels_of']:,} rows" if s["fitted_on_labels_of"] else "–"
        table.add_row(
            s["name"],
            s["kind"],
            width,
            f"{s['steps_median']:.0f}",
            str(s["steps_max"]),
            f"{s['missing']:,}",
            fitted,
        )
    show(table)
    for origin in found["sources"]:
        files = ", ".join(
            f"{name} ({facts['bytes']:,} bytes, sha256 {facts['sha256'][:16]}...)"
            for name, facts in origin["files"].items()
        )
        counts = (
            f"{origin['taken']:,} of {origin['rows']:,} rows, {len(origin['refused']):,} refused"
        )
        click.echo(f"from {origin['form']}: {files}; {counts}; {', '.join(origin['streams'])}")
    if found["optimum"]:
        table = Table(
            title="best possible on the test rows: scored (expected)",
            title_justify="left",
            title_style="bold",
            box=None,
            padding=(0, 2, 0, 0),
        )
        table.add_column("with")
        metrics = [m for m in found["optimum"][0] if m != "modalities"]
        for metric in metrics:
            table.add_column(metric, justify="right")
        for row in found["optimum"]:
            table.add_row(
                " + ".join(row["modalities"]) or "nothing",
                *(f"{row[m]['scored']:.3f} ({row[m]['expected']:.3f})" for m in metrics),
            )
        show(table)

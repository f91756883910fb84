"""``merbench show``: what a model is made of, and what it would read on a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merbench.cli.shared.completion import complete_dataset, complete_model
from merbench.cli.shared.options import DATA, JSON, TASK
from merbench.cli.shared.output import BETWEEN, out, plain_table, room, show, show_json, show_text
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.functions.look.show import Shown

WRAPPED = 120
"""Columns to which sentences are wrapped where output goes to a pipe or a file."""
SENTENCES = 30
"""Columns that a column of sentences needs at least."""
LONGEST_NAME, LONGEST_VALUE = 34, 22
"""Columns of the first column, and of each other, at most; longer texts are folded."""


@click.command("show")
@click.argument("model", shell_complete=complete_model)
@click.option(
    "--dataset",
    shell_complete=complete_dataset,
    default="sample",
    show_default=True,
    help="What it would read there.",
)
@click.option(
    "--text-tower", default="", metavar="NAME", help="As in merbench run, such as minilm."
)
@TASK
@DATA
@JSON
@click.pass_obj
def command(
    session: Session,
    model: str,
    dataset: str,
    text_tower: str,
    task: str | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Parts, settings (default, search range, meaning) and ablations of a model, and what it would
    read on a data set.

    \b
    Example: merbench show merclip
             merbench show merclip --dataset mosi --json
             merbench show text-only --dataset mosi --text-tower minilm
    """
    from merbench.functions.look.show import require_model, shown

    require_model(session.catalog, model, session.homes(data))
    corpus = session.dataset(dataset, data)
    lexicon = None if corpus.lexicon else session.lexicon((), data)
    result = shown(session.catalog, model, corpus, lexicon, text_tower, task)
    if as_json:
        show_json(asdict(result))
    else:
        _print(result)


def _print(result: Shown) -> None:
    show_text(f"{result.name}: {result.summary} ({result.plugin})")
    code = f"code: {result.code} ({result.licence or 'licence not known'})" if result.code else ""
    for sentence in (result.paper, code, result.caveat):
        if sentence:
            show_text(sentence)
    reads = [(modality, stream) for modality, stream in result.reads.items()]
    _table(f"reads on {result.dataset}", ("modality", "stream"), reads)
    parts = [(slot, name, summary) for slot, (name, summary) in result.parts.items()]
    _table("parts", ("slot", "component", "what it is"), parts)
    settings = [
        (s.name, _text(s.default), s.range or "–", _sentences(s.meaning, s.allowed))
        for s in result.settings
    ]
    _table("settings (--set)", ("setting", "default", "searched", "meaning"), settings)
    if result.ablations:
        _table("ablations (--ablation)", ("name", "what it is"), list(result.ablations.items()))


def _sentences(meaning: str, allowed: str) -> str:
    """``Of the hidden layer. At least 0, below 1.``"""
    limits = f"{allowed[:1].upper()}{allowed[1:]}." if allowed else ""
    return f"{meaning} {limits}".strip()


def _table(title: str, headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """The last column holds sentences, wrapped at words. Where they would have too little room,
    they stand below the table, each under the name of its row.
    """
    from rich.padding import Padding
    from rich.text import Text

    table = plain_table(title)
    width = room() or WRAPPED
    lengths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    limits = [LONGEST_NAME, *[LONGEST_VALUE] * (len(headings) - 2)]
    widths = [min(*pair) for pair in zip(lengths, limits, strict=False)]
    below = width - sum(widths) - BETWEEN * len(widths) < min(lengths[-1], SENTENCES)
    for heading, columns in zip(headings, widths, strict=False):
        table.add_column(heading, width=columns, overflow="fold")
    if not below:
        table.add_column(headings[-1], overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        show(table, most=WRAPPED)
        return
    for row in rows:
        table.add_row(*map(Text, row[:-1]))
    show(table, most=WRAPPED)
    for row in rows:
        if row[-1]:
            out().print(Text(row[0], style="bold"))
            out().print(Padding(Text(row[-1]), (0, 0, 0, 4)), width=width)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

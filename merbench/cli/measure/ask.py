"""``merbench ask``: prompts for a language model, whose answers ``merbench score`` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.options import DATA, PROTOCOL, REQUIRED_DATASET
from merbench.cli.shared.output import say
from merbench.cli.shared.session import Session


@click.command("ask")
@REQUIRED_DATASET
@click.option("--out", required=True, type=NamedPath(), metavar="FILE.jsonl")
@click.option("--task", help="What is asked for, such as sentiment.")
@PROTOCOL
@click.option(
    "--split",
    type=click.Choice(["test", "valid"]),
    default="test",
    show_default=True,
    help="Which rows: valid for the --valid of merbench score.",
)
@click.option(
    "--template",
    type=NamedPath(),
    metavar="FILE",
    help="Another prompt, with {text} for the transcript and {labels} for the label words.",
)
@DATA
@click.pass_obj
def command(session: Session, /, data: Path | None, **parsed: Any) -> None:
    """Write one prompt a row, with its id, as JSON lines; targets are not in them.

    Give each prompt to a language model, add its text as "answer" to the line, and score the file.
    Answers that hold no label, or several where one is asked for, count as wrong.

    \b
    Example: merbench ask --dataset meld --out prompts.jsonl
             merbench score answers.jsonl --dataset meld --name gpt-x
    """
    from merbench.functions.measure.ask import asked

    rows = asked(session.catalog, session.homes(data), **parsed)
    say(f'{parsed["out"]}: {rows} prompts; add an "answer" to each line, then merbench score')

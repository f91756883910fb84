"""``merbench.ask``: prompts for a language model, one a row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from merbench.bench.python_function import python_function
from merbench.bench.python_session import catalog, homes

if TYPE_CHECKING:
    from merbench.host.catalog import Catalog

Part = Literal["test", "valid"]


@python_function
def ask(
    dataset: str,
    out: str | Path,
    *,
    task: str | None = None,
    protocol: str | None = None,
    split: Part = "test",
    template: str | Path | None = None,
    data: str | Path | None = None,
) -> int:
    """Write one prompt a test row (or ``valid`` row) as JSON lines to ``out``, without targets, and
    return their number. Add a column ``answer`` to each line, and ``merbench.score`` reads it.

    ``template``: a text file with ``{text}`` and ``{labels}``. RequestError where the data set has
    no transcripts. Example::

        merbench.ask("meld", "prompts.jsonl")
    """
    template_file = None if template is None else Path(template)
    return asked(catalog(), homes(data), dataset, Path(out), task, protocol, split, template_file)


def asked(
    catalog: Catalog,
    homes: Sequence[Path],
    dataset: str,
    out: Path,
    task: str | None,
    protocol: str | None,
    split: Part,
    template: Path | None,
) -> int:
    """What the function and the command share."""
    from merbench.engine.plan.datasets import open_dataset
    from merbench.engine.plan.pick import pick
    from merbench.outside.prompts import read_template, write_prompts

    text = None if template is None else read_template(template)
    corpus = open_dataset(catalog, dataset, homes)
    task_name, _ = pick("task", task, corpus.offered, "sentiment", corpus)
    protocol_name, _ = pick("protocol", protocol, corpus.protocols, "standard", corpus)
    return write_prompts(out, corpus, task_name, protocol_name, split, text)

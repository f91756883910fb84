"""``merbench.encode``: what a model's frozen encoders make of a data set, ahead of its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merbench.api.errors import RequestError
from merbench.api.events import Watch
from merbench.bench.options import RunOptions, options_of
from merbench.bench.python_function import python_function
from merbench.bench.python_session import catalog, homes
from merbench.terminal.messages import say, say_note

if TYPE_CHECKING:
    import pandas as pd

    from merbench.data.encoder_cache.entry import Entry
    from merbench.engine.plan.plan import Plan
    from merbench.host.catalog import Catalog
    from merbench.runs.machine import Machine


@dataclass(frozen=True)
class EncodeResult:
    """``entries``: one a modality, in the cache folder ``cache``."""

    entries: list[Entry]
    cache: Path

    def to_pandas(self) -> pd.DataFrame:
        """One row an entry: dataset, stream, encoder, rows, steps, width and bytes."""
        import pandas as pd

        columns = ["dataset", "stream", "encoder", "rows", "steps", "width", "bytes"]
        rows = [[getattr(entry, column) for column in columns] for entry in self.entries]
        return pd.DataFrame(rows, columns=columns)

    def __repr__(self) -> str:
        streams = ", ".join(f"{entry.stream} by {entry.encoder}" for entry in self.entries)
        return f"<{streams} in {self.cache}>"


@python_function
def encode(
    model: str = "merclip",
    dataset: str | None = None,
    *,
    encoders: Mapping[str, str] | None = None,
    streams: Mapping[str, str] | None = None,
    modalities: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    text_tower: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    data: str | Path | None = None,
    vectors: Sequence[str] = (),
    progress: bool = True,
) -> EncodeResult:
    """Run the model's frozen encoders over all rows, once, into the cache; runs do so by themselves
    where the cache lacks it. Arguments as of ``merbench.run``.

    RequestError where no encoder of the model is a frozen pretrained one. Example::

        merbench.encode("merclip", "mosi", device="cuda").to_pandas()
    """
    from merbench.runs.machine import Machine
    from merbench.terminal.encode_progress import encode_progress

    arguments = {
        "encoders": encoders,
        "streams": streams,
        "modalities": modalities,
        "settings": settings,
        "text_tower": text_tower,
        "data": data,
    }
    keywords = {name: value for name, value in arguments.items() if value is not None}
    options = options_of(
        "encode",
        model,
        dataset,
        {**keywords, "device": device, "threads": threads, "vectors": list(vectors)},
    )
    plan = plan_to_encode(options, catalog(), homes(options.data), say_note)
    machine = Machine.choose(options.device, options.threads)
    with encode_progress(silent=not progress) as watch:
        return fill_cache(plan, machine, watch)


def plan_to_encode(
    options: RunOptions,
    catalog: Catalog,
    homes: Sequence[Path],
    watch: Watch,
    disabled: tuple[str, ...] = (),
) -> Plan:
    """What the function and the command share. ``disabled``: plugins that are left out."""
    from merbench.engine.plan.datasets import open_or_default
    from merbench.runs.workspace import Sources, Workspace

    corpus = open_or_default(catalog, homes, options.dataset, watch)
    sources = Sources(disabled, tuple(homes), options.vectors)
    return Workspace(sources, catalog, [corpus]).plan(corpus.name, options.request)


def fill_cache(plan: Plan, machine: Machine, watch: Watch) -> EncodeResult:
    """Every frozen encoder of the plan, over all rows. RequestError where it has none."""
    from merbench.engine.rows.encode import encoded, fixed

    assert machine.cache is not None
    if not (modalities := fixed(plan)):
        encoders = ", ".join(
            f"{m}={plan.parts[f'encoder.{m}'].component.name}" for m in plan.streams
        )
        raise RequestError(
            f"nothing to encode: no encoder of {plan.recipe.name} on {plan.spec.dataset} is a "
            f"frozen pretrained one (it has {encoders or 'none'}); name another model or encoder"
        )
    entries = [encoded(plan, m, machine.cache, machine.device, watch)[0] for m in modalities]
    for warning in machine.cache.warnings:
        say(f"warning: {warning}")
    return EncodeResult(entries, machine.cache.root)

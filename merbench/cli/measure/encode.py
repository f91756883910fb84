"""``merbench encode``: fill the cache with what a model's frozen encoders make of a data set, ahead
of its runs.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from merbench.cli.shared.output import plain_table, say, show, show_json
from merbench.cli.shared.request import gather
from merbench.cli.shared.run_options import request_options
from merbench.cli.shared.session import Session

OF_RUNS = (
    "epochs", "thresholds", "jobs", "determinism", "store", "weights", "labels", "missing",
)  # fmt: skip
"""Options that decide nothing of what frozen encoders make."""


@click.command("encode")
@partial(request_options, without=OF_RUNS)
@click.pass_obj
def command(session: Session, /, **parsed: Any) -> None:
    """Run a model's frozen encoders over all rows, once, into the cache. Runs do so by themselves
    where the cache lacks it.

    A killed call continues where it stopped; several processes may call at once. The cache is in
    MERBENCH_CACHE, or in merbench of the user's cache folder; models that share an encoder share
    its output.

    \b
    Example: merbench encode --model merclip --dataset mosi
             merbench encode --dataset mosi --encoder audio=hf-audio --stream audio=audio.clip \\
                 --modalities audio --device cuda
    """
    from merbench.functions.measure.encode import fill_cache, plan_to_encode
    from merbench.runs.machine import Machine
    from merbench.terminal.encode_progress import encode_progress

    options = gather((), **parsed)
    homes = session.homes(options.data)
    plan = plan_to_encode(options, session.catalog, homes, session.note, session.disabled)
    with encode_progress() as watch:
        result = fill_cache(plan, Machine.choose(options.device, options.threads), watch)
    entries = result.entries
    if options.as_json:
        show_json([entry.model_dump(mode="json") for entry in entries])
        return
    table = plain_table(left=("stream", "encoder"), right=("rows", "steps", "width", "MB"))
    for e in entries:
        megabytes = f"{e.bytes / 1e6:,.1f}"
        table.add_row(e.stream, e.encoder, f"{e.rows:,}", f"{e.steps:,}", str(e.width), megabytes)
    show(table)
    say(f"in {result.cache}")

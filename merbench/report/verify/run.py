"""The rules that each run obeys, as far as its record, its predictions and the data show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from merbench.api.errors import RequestError
from merbench.report.folder.folder import Folder
from merbench.report.verify.failure import Failure
from merbench.report.verify.inputs import against_data
from merbench.report.verify.outside import altered, outside_rules
from merbench.report.verify.predictions import against_predictions
from merbench.report.verify.selection import selection
from merbench.report.verify.truth import Truth
from merbench.results.metrics import BUILT_IN, Registry
from merbench.results.records.record import SCHEMA, Record
from merbench.results.seeds import FIRST_TUNING_SEED
from merbench.results.spec import run_id
from merbench.results.store.corrections import original

READS = ["train", "valid", "trained", "test"]
"""The order of events that ``Record.reads`` must show: the test rows are read once, after training
has ended.
"""


def check_runs(folder: Folder, truth: Truth | None) -> Iterator[Failure]:
    """``truth`` None: the rules that need no data."""
    wrong = against_predictions(folder.records, folder, truth) if truth else {}
    for record in folder.records:
        yield from run_failures(record, folder, truth, wrong)
    for name in sorted(folder.predicted.keys() - folder.files.keys()):
        yield Failure(
            folder.path / "predictions", f"there are predictions of run {name} and no record of it"
        )


def run_failures(
    record: Record, folder: Folder, truth: Truth | None, wrong: Mapping[str, str]
) -> list[Failure]:
    """Of one run of the folder. ``wrong``: what ``against_predictions`` says of its runs."""
    registry = truth.registry if truth else BUILT_IN
    file, run = folder.files[record.run_id], f"run {record.run_id}"
    outside, done = record.outside, record.status == "done"
    sentences = [*_identity(record)]
    if done:
        sentences += outside_rules(record, outside) if outside else _training(record, registry)
        sentences += against_data(record, truth) if truth else ()
    of_predictions = [*altered(record, outside, folder)] if outside else []
    of_predictions += [wrong[record.run_id]] if record.run_id in wrong else []
    return [
        *(Failure(file, f"{run} (seed {record.seed}): {s}") for s in sentences),
        *(Failure(predictions_file(file), f"{run}: {s}") for s in of_predictions),
    ]


def predictions_file(records: Path) -> Path:
    """Of the runs in a file of records."""
    return records.parent.parent / "predictions" / records.with_suffix(".safetensors").name


def _identity(record: Record) -> Iterator[str]:
    if original(record.run_id) != run_id(record.spec, record.contents, record.seed, record.fold):
        yield "its id is not that of its spec, contents, seed and fold"
    if record.schema_number != SCHEMA:
        yield f"its schema is {record.schema_number}, and this merbench reads {SCHEMA}"
    for field in ("dataset", "task", "protocol"):
        of_spec, of_track = getattr(record.spec, field), getattr(record.track, field)
        if of_spec != of_track:
            yield f"its spec names the {field} {of_spec}, and its track {of_track}"


def _training(record: Record, registry: Registry) -> Iterator[str]:
    try:
        sentence = selection(record, registry)
    except (KeyError, TypeError, ValueError, AttributeError, RequestError) as error:
        reason = error if isinstance(error, RequestError) else f"{type(error).__name__}: {error}"
        sentence = f"its stages and history cannot be checked: {reason}"
    if sentence:
        yield sentence
    if record.error or record.cost is None:
        yield "it is done, and has an error" if record.error else "it is done, and has no cost"
    if record.reads != READS:
        order = " -> ".join(record.reads) or "nothing"
        yield (
            f"it read its splits in the order {order}, not {' -> '.join(READS)}: "
            "test rows may have been read before the end"
        )
    if record.seed >= FIRST_TUNING_SEED:
        yield "its seed is one of those that settings are tuned with"

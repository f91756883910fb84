"""The rules for predictions that were made outside merbench: they are marked, say what they were
offered, and are those that were scored.
"""

from __future__ import annotations

from collections.abc import Iterator

from merbench.report.folder.folder import Folder, fold_name
from merbench.results.records.outside import UNKNOWN, Outside, digest
from merbench.results.records.record import Record
from merbench.results.seeds import FIRST_TUNING_SEED


def outside_rules(record: Record, outside: Outside) -> Iterator[str]:
    """Of the record alone."""
    if record.caveat != outside.sentence:
        yield "its caveat is not what its makers state"
    if record.history or record.reads or record.cost or record.tuned_by or record.error:
        yield "it was made outside merbench, and has a training or an error"
    stated = [] if outside.about.streams == UNKNOWN else outside.about.streams
    if sorted(record.track.streams) != sorted(stated):
        yield "its track does not offer the streams that its makers state"
    part = record.spec.parts.get("predictions")
    if part is None or part.config.get("pretrained") != record.track.pretrained:
        yield "its track does not name the pretrained material that its spec names"
    if record.seed >= FIRST_TUNING_SEED:
        yield "its seed is one of those that settings are tuned with"


def altered(record: Record, outside: Outside, folder: Folder) -> Iterator[str]:
    """Of its predictions, as far as they are there."""
    predicted = folder.predicted.get(record.run_id)
    ids = list(folder.ids.get(fold_name(record), ()))
    if predicted is not None and digest(ids, predicted) != outside.predictions_sha256:
        yield "its predictions are not those that were scored"

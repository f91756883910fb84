"""What a run read: streams, pretrained material, splits and leaks, against the user's data and its
track.
"""

from __future__ import annotations

from collections.abc import Iterator

from merbench.report.verify.thresholds import wrong_thresholds
from merbench.report.verify.truth import Truth
from merbench.results.records.record import Record


def against_data(record: Record, truth: Truth) -> Iterator[str]:
    if record.fold not in truth.splits:
        yield f"the protocol has no fold {record.fold}"
        return
    yield from _streams(record, truth)
    metrics = record.metrics
    of_test_alone = record.outside and metrics and not metrics.valid
    if metrics and not of_test_alone and metrics.valid.keys() != metrics.test.keys():
        yield "its metrics of validation and of test rows are not the same"
    if not _names_its_pretrained(record):
        yield "it starts from pretrained material that its track does not name"
    if sentence := wrong_thresholds(record):
        yield sentence
    counts = {part: len(truth.rows(record.fold, part)) for part in ("train", "valid", "test")}
    if record.counts != counts:
        yield f"its splits have the sizes {record.counts}, and the data's are {counts}"


def _streams(record: Record, truth: Truth) -> Iterator[str]:
    streams, available = tuple(record.spec.streams.values()), truth.corpus.streams
    if lacking := [name for name in streams if name not in available]:
        yield f"it reads {lacking[0]}, which your {record.track.dataset} does not have"
    elif record.contents.get("data") != truth.content(streams):
        yield "the content of the streams it names is not the recorded one"
    if not_offered := sorted(set(streams) - set(record.track.streams)):
        yield f"it reads {not_offered[0]}, which its track does not offer"
    leaking = {name for name in streams if name in available and truth.leaks(name)}
    if unnamed := sorted(leaking - set(record.track.leaks)):
        yield (
            f"it reads {unnamed[0]}, which was fitted on labels of rows that are scored, "
            "and its track does not say so"
        )
    if record.spec.allow_leak != bool(record.track.leaks):
        yield (
            f"its spec says allow_leak={record.spec.allow_leak}, "
            f"and its track names {len(record.track.leaks)} leaks"
        )


def _names_its_pretrained(record: Record) -> bool:
    pretrained = {k: v for k, v in record.contents.items() if k != "data"}
    initial = {record.spec.init_from} - {""}
    named = record.track.pretrained
    return pretrained.items() <= named.items() and initial <= set(named.values())

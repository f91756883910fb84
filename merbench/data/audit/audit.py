"""``merbench data audit``: what a data set holds that would make scores on it mean less than they
say.

Nothing here uses the split to find a leak, and nothing is changed: findings are sentences, and the
numbers behind them are beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from merbench.api.material.corpus import Corpus
from merbench.data.audit.characters import odd_characters
from merbench.data.audit.duplicate_rows import ids_alike, rows_labelled_twice, texts_alike
from merbench.data.audit.feature_values import scan
from merbench.data.audit.findings import Finding
from merbench.data.audit.labels import Labels, label_gaps, labels_of_splits
from merbench.data.audit.leaks import probe_streams
from merbench.data.audit.near_duplicate_texts import twins
from merbench.data.audit.split_overlap import groups_of, shared_groups, shared_videos
from merbench.data.audit.streams import Streamed, leak_findings, stream_facts, value_findings
from merbench.data.word_times import words_elsewhere


@dataclass(frozen=True)
class Audit:
    """``short_texts``: rows whose text is missing or too short to be compared with others."""

    name: str
    rows: int
    videos: int
    short_texts: int
    labels: tuple[Labels, ...]
    streams: tuple[Streamed, ...]
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        fields = asdict(self)
        for labels in fields["labels"]:
            labels["histogram"] = labels.pop("counts")
        for stream in fields["streams"]:
            if values := stream["values"]:
                values |= {key: values[key].tolist() for key in ("repeated", "repeats")}
        return fields


def audit(corpus: Corpus, watch: Callable[[str], None] = lambda step: None) -> Audit:
    """Every check. ``watch`` is called with what is being checked."""
    groups = {name: groups_of(protocol, len(corpus)) for name, protocol in corpus.protocols.items()}
    watch("labels, ids and texts")
    labels, twin_texts = tuple(labels_of_splits(corpus, groups)), twins(corpus.texts.tolist())
    findings = [
        *shared_videos(corpus, groups),
        *shared_groups(corpus, groups),
        *ids_alike(corpus, groups),
        *rows_labelled_twice(corpus, groups),
        *(Finding("warning", *finding) for finding in words_elsewhere(corpus)),
        *texts_alike(corpus, groups, twin_texts),
        *odd_characters(corpus),
        *label_gaps(labels),
    ]
    values, means = {}, {}
    for stream in corpus.streams.values():
        if stream.kind == "features":
            watch(stream.name)
            values[stream.name], means[stream.name] = scan(stream)
            findings += value_findings(corpus, stream, values[stream.name], groups)
    watch("leaks")
    probes = {p.stream: p for p in probe_streams(corpus, means)}
    for stream in corpus.streams.values():
        findings += leak_findings(corpus, stream, probes.get(stream.name))
    streams = tuple(
        stream_facts(s, groups, values.get(s.name), probes.get(s.name))
        for s in corpus.streams.values()
    )
    order = ("leak", "suspicion", "warning", "note")
    findings.sort(key=lambda f: order.index(f.level))
    return Audit(
        corpus.name,
        len(corpus),
        len(np.unique(corpus.videos)),
        int((twin_texts.text_N < 0).sum()),
        labels,
        streams,
        tuple(findings),
    )

"""What the numbers of a stream hide: dead dimensions, zeros that count as real, values of a row of
another split, labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from merbench.api.material.corpus import Corpus, Stream
from merbench.api.plural import are, count_of, have
from merbench.data.audit.feature_values import Values
from merbench.data.audit.findings import Finding
from merbench.data.audit.leaks import Probed
from merbench.data.audit.split_overlap import Groups
from merbench.data.first_few import first_few
from merbench.data.leaking_streams import leaking_rows

_MANY = 0.5
"""Share of rows that begin (or end) with zeros from which padding is taken to count as real."""


@dataclass(frozen=True)
class Streamed:
    """``steps``: least, median and most. ``missing``: rows without it. ``values``: of ``features``.
    ``probe``: of all but clips.
    """

    stream: str
    kind: str
    width: int | None
    steps: tuple[int, float, int]
    missing: int
    missing_in: dict[str, int]
    values: Values | None
    probe: Probed | None


def stream_facts(
    stream: Stream, groups: dict[str, Groups], values: Values | None, probe: Probed | None
) -> Streamed:
    length = stream.length[stream.length > 0]
    steps = (
        (int(length.min()), float(np.median(length)), int(length.max()))
        if len(length)
        else (0, 0.0, 0)
    )
    missing_in = {
        f"{protocol} {split}": int(((stream.length == 0) & (parts.group_N == k)).sum())
        for protocol, parts in groups.items()
        for k, split in enumerate(parts.names)
    }
    return Streamed(
        stream.name,
        stream.kind,
        stream.spec.width,
        steps,
        int((stream.length == 0).sum()),
        missing_in,
        values,
        probe,
    )


def value_findings(
    corpus: Corpus, stream: Stream, values: Values, groups: dict[str, Groups]
) -> Iterator[Finding]:
    yield from _dimension_findings(stream, values)
    yield from _zero_findings(stream.name, values)
    yield from _repeated_findings(corpus, stream.name, values, groups)


def _dimension_findings(stream: Stream, values: Values) -> Iterator[Finding]:
    """Values that are not finite, and dimensions that say nothing."""
    name, width = stream.name, stream.values.shape[1]
    if values.not_finite:
        sentence = (
            f"{values.not_finite:,} values are NaN or infinite; "
            "runs put the train mean of the dimension in their place"
        )
        yield Finding("note", name, sentence)
    if values.dead:
        dimensions = count_of(len(values.dead), "dimension")
        numbers = _numbers(values.dead)
        sentence = f"{dimensions} of {width} {are(len(values.dead))} 0 in every step: {numbers}"
        yield Finding("note", name, sentence)
    if frozen := [d for d in values.constant if d not in values.dead]:
        dimensions = count_of(len(frozen), "dimension")
        verb = "changes" if len(frozen) == 1 else "change"
        sentence = f"{dimensions} of {width} never {verb}: {_numbers(frozen)}"
        yield Finding("note", name, sentence)


def _zero_findings(name: str, values: Values) -> Iterator[Finding]:
    """Rows of zeros alone, and rows that look padded."""
    if values.zero_rows:
        rows = count_of(values.zero_rows, "row")
        sentence = (
            f"{rows} of zeros alone {are(values.zero_rows)} read as present; "
            "give length 0 where a row is missing"
        )
        yield Finding("warning", name, sentence)
    for share, end, padding in (
        (values.zero_first, "begin", "left"),
        (values.zero_last, "end", "right"),
    ):
        if share >= _MANY:
            sentence = (
                f"{share:.0%} of the rows {end} with a step of zeros that counts as real: "
                f"it looks padded on the {padding}; give the true "
                f'lengths, and padding = "{padding}"'
            )
            yield Finding("warning", name, sentence)


def _repeated_findings(
    corpus: Corpus, name: str, values: Values, groups: dict[str, Groups]
) -> Iterator[Finding]:
    """Rows with the values of a row of another split."""
    for protocol, parts in groups.items():
        across = np.flatnonzero(parts.apart(values.repeated, values.repeats))
        if not len(across):
            continue
        pairs = [
            f"{corpus.ids[values.repeated[i]]} = {corpus.ids[values.repeats[i]]}" for i in across
        ]
        sentence = (
            f"{count_of(len(across), 'row')} {have(len(across))} the very values of a row of "
            f"another split of {protocol}: {first_few(pairs)}"
        )
        yield Finding("warning", name, sentence)


def leak_findings(corpus: Corpus, stream: Stream, probe: Probed | None) -> Iterator[Finding]:
    if stream.fitted_on is not None:
        sentence = _declared_leak(corpus, stream, stream.fitted_on)
        if probe is not None and probe.suspected:
            sentence += f"; a probe sees it (p = {_p(probe)})"
        yield Finding("leak", stream.name, sentence)
    elif probe is not None and probe.suspected:
        yield Finding(
            "suspicion",
            stream.name,
            f"a probe of {probe.target!r}, cross-validated by video, "
            f"knows {count_of(len(probe.seen), 'video')} far better than the others "
            f"(r = {probe.corr_seen:.2f} against {probe.corr_rest:.2f}, p = {_p(probe)}), "
            "as where a stream comes from a network that was trained on their labels: "
            f"{first_few(list(probe.seen), 5)}. Ask where it comes from; "
            "declare it (fitted_on), evaluate on the other videos alone, or leave it out",
        )
    elif probe is not None and probe.too_good:
        yield Finding(
            "suspicion",
            stream.name,
            f"a linear probe of {probe.target!r} reaches r = {probe.corr:.2f} on videos it was not "
            "fitted on, more than people agree with "
            "each other, as where the stream was made from the labels. "
            "Ask where it comes from, or leave it out",
        )


def _declared_leak(corpus: Corpus, stream: Stream, fitted_on: np.ndarray) -> str:
    evaluated_rows = {
        name: max(leaking_rows(stream, np.concatenate([s.valid, s.test])) for s in protocol.splits)
        for name, protocol in corpus.protocols.items()
    }
    refused = [
        f"{name} ({count_of(rows, 'evaluated row')})"
        for name, rows in evaluated_rows.items()
        if rows
    ]
    consequence = (
        f"runs on {', '.join(refused)} are refused with it"
        if refused
        else "no protocol evaluates these rows"
    )
    rows = count_of(int(fitted_on.sum()), "row")
    videos = count_of(len(np.unique(corpus.videos[fitted_on])), "video")
    return f"declared: fitted on the labels of {rows} of {videos}; {consequence}"


def _numbers(items: list[int]) -> str:
    return first_few([str(i) for i in items], 8)


def _p(probe: Probed) -> str:
    assert probe.p is not None
    return f"{probe.p:.2g}" if probe.p >= 1e-9 else "under 1e-9"

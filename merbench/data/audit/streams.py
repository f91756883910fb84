"""What the numbers of a stream hide: dead dimensions, zeros that count as real, values of a row of
another split, labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from merbench.api.material.corpus import Corpus, Stream
from merbench.api.plural import count_of
from merbench.data.audit.findings import Finding, have
from merbench.data.audit.leaks import Probed
from merbench.data.audit.parts import Groups
from merbench.data.audit.values import Values
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
    name = stream.name
    if values.not_finite:
        yield Finding(
            "note",
            name,
            f"{values.not_finite:,} values are NaN or infinite; "
            "runs put the train mean of the dimension in their place",
        )
    if values.dead:
        yield Finding(
            "note",
            name,
            f"{count_of(len(values.dead), 'dimension')} of {stream.values.shape[1]} are dead, "
            f"0 in every step: {_numbers(values.dead)}",
        )
    if frozen := [d for d in values.constant if d not in values.dead]:
        yield Finding(
            "note",
            name,
            f"{count_of(len(frozen), 'dimension')} of {stream.values.shape[1]} never change: "
            f"{_numbers(frozen)}",
        )
    if values.zero_rows:
        yield Finding(
            "warning",
            name,
            f"{count_of(values.zero_rows, 'row')} hold nothing but zeros and count as there; "
            "give them length 0 if they are missing",
        )
    for share, end, side in (
        (values.zero_first, "begin", "left"),
        (values.zero_last, "end", "right"),
    ):
        if share >= _MANY:
            yield Finding(
                "warning",
                name,
                f"{share:.0%} of the rows {end} with a step of zeros that counts as real: "
                f"it looks padded on the {side}; give the true "
                f'lengths, and padding = "{side}"',
            )
    for protocol, parts in groups.items():
        split_B, repeated_split_B = parts.group_N[values.repeated], parts.group_N[values.repeats]
        across = np.flatnonzero(
            (split_B != repeated_split_B) & (split_B >= 0) & (repeated_split_B >= 0)
        )
        if len(across):
            pairs = first_few(
                [
                    f"{corpus.ids[values.repeated[i]]} = {corpus.ids[values.repeats[i]]}"
                    for i in across
                ]
            )
            yield Finding(
                "warning",
                name,
                f"{count_of(len(across), 'row')} {have(len(across))} the very values of a row of "
                f"another split of {protocol}: {pairs}",
            )


def leak_findings(corpus: Corpus, stream: Stream, probe: Probed | None) -> Iterator[Finding]:
    if stream.fitted_on is not None:
        leaking = {
            name: max(
                leaking_rows(stream, np.concatenate([s.valid, s.test])) for s in protocol.splits
            )
            for name, protocol in corpus.protocols.items()
        }
        touched = [
            f"{name} ({count_of(rows, 'evaluated row')})" for name, rows in leaking.items() if rows
        ]
        videos = len(np.unique(corpus.videos[stream.fitted_on]))
        videos_text = (
            f"runs on {', '.join(touched)} are refused with it"
            if touched
            else "no protocol evaluates these rows"
        )
        sentence = (
            f"declared: fitted on the labels of {int(stream.fitted_on.sum()):,} rows of "
            f"{count_of(videos, 'video')}; {videos_text}"
        )
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


def _numbers(items: list[int]) -> str:
    return first_few([str(i) for i in items], 8)


def _p(probe: Probed) -> str:
    assert probe.p is not None
    return f"{probe.p:.2g}" if probe.p >= 1e-9 else "under 1e-9"

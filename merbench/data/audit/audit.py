"""``merbench data audit``: what a data set holds that would make scores on it mean less than they
say.

Nothing here uses the split to find a leak, and nothing is changed: findings are sentences, and the
numbers behind them are beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from merbench.api.material.corpus import Corpus, Protocol, Stream, Task
from merbench.data.audit.leaks import Probed, probe_streams
from merbench.data.audit.twins import Twins, twins
from merbench.data.audit.values import Values, scan
from merbench.data.hints import first
from merbench.data.leaking_streams import leaking_rows
from merbench.data.same_segment import labelled_twice, times_in

Level = Literal["leak", "suspicion", "warning", "note"]
MODES = ("train", "valid", "test")
_MANY = 0.5
"""Share of rows that begin (or end) with zeros from which padding is taken to count as real."""


@dataclass(frozen=True)
class Finding:
    """``leak``: declared; ``suspicion``: not declared; ``warning``: mend it or know it; ``note``:
    counted, for the record.
    """

    level: Level
    about: str
    sentence: str


@dataclass(frozen=True)
class Labels:
    """One target over one split. ``histogram``: value (a score to the nearest whole number) or word
    -> rows.
    """

    task: str
    protocol: str
    split: str
    rows: int
    unknown: int
    low: float | None
    high: float | None
    mean: float | None
    histogram: dict[str, int]


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
        found = asdict(self)
        for stream in found["streams"]:
            if values := stream["values"]:
                values |= {key: values[key].tolist() for key in ("repeated", "repeats")}
        return found


def audit(corpus: Corpus, watch: Callable[[str], None] = lambda what: None) -> Audit:
    """Look at everything. ``watch`` is told what is being looked at."""
    groups = {name: _groups(protocol, len(corpus)) for name, protocol in corpus.protocols.items()}
    watch("labels, ids and texts")
    labels, same = tuple(_labels(corpus, groups)), twins(corpus.texts.tolist())
    findings = [
        *_videos(corpus, groups),
        *_shared_groups(corpus, groups),
        *_ids(corpus, groups),
        *_labelled_twice(corpus, groups),
        *_texts(corpus, groups, same),
        *_label_gaps(labels),
    ]
    values, means = {}, {}
    for stream in corpus.streams.values():
        if stream.kind == "features":
            watch(stream.name)
            values[stream.name], means[stream.name] = scan(stream)
            findings += _stream_findings(corpus, stream, values[stream.name], groups)
    watch("leaks")
    probes = {p.stream: p for p in probe_streams(corpus, means)}
    for stream in corpus.streams.values():
        findings += _leaks(corpus, stream, probes.get(stream.name))
    streams = tuple(
        _streamed(s, groups, values.get(s.name), probes.get(s.name))
        for s in corpus.streams.values()
    )
    order = ("leak", "suspicion", "warning", "note")
    findings.sort(key=lambda f: order.index(f.level))
    return Audit(
        corpus.name,
        len(corpus),
        len(np.unique(corpus.videos)),
        int((same.text_N < 0).sum()),
        labels,
        streams,
        tuple(findings),
    )


@dataclass(frozen=True)
class Groups:
    """The parts of a protocol that are to share nothing: ``names`` of the splits or folds,
    ``group_N`` each row's, -1 = not used.
    """

    names: tuple[str, ...]
    group_N: np.ndarray


def _groups(protocol: Protocol, rows: int) -> Groups:
    group_N = np.full(rows, -1)
    if len(protocol.splits) == 1:
        split = protocol.splits[0]
        for k, part in enumerate((split.train, split.valid, split.test)):
            group_N[part] = k
        return Groups(MODES, group_N)
    for k, split in enumerate(protocol.splits):
        group_N[split.test] = k
    return Groups(tuple(f"fold {split.fold}" for split in protocol.splits), group_N)


def _labels(corpus: Corpus, groups: dict[str, Groups]) -> Iterator[Labels]:
    for task_name, task in corpus.tasks.items():
        for protocol, parts in groups.items():
            for k, split in enumerate(parts.names):
                yield _labels_of(
                    task_name, task, protocol, split, np.flatnonzero(parts.group_N == k)
                )


def _labels_of(name: str, task: Task, protocol: str, split: str, rows: np.ndarray) -> Labels:
    target = task.target[rows]
    known = np.ones(target.shape, dtype=bool) if task.known is None else task.known[rows]
    low = high = mean = None
    if task.space.kind == "multilabel":
        histogram = {
            word: int(((target[:, c] > 0.5) & known[:, c]).sum())
            for c, word in enumerate(task.space.words)
        }
    elif task.space.kind == "class":
        histogram = {
            word: int(((target == c) & known).sum()) for c, word in enumerate(task.space.words)
        }
    else:
        assert task.space.anchors is not None
        y = target[known]
        if len(y):
            low, high, mean = (round(float(v), 4) for v in (y.min(), y.max(), y.mean()))
        nearest = np.abs(y[:, None] - np.array(task.space.anchors)).argmin(axis=1)
        histogram = {f"{a:g}": int((nearest == c).sum()) for c, a in enumerate(task.space.anchors)}
    unknown = len(rows) - int(known.all(axis=1).sum() if known.ndim == 2 else known.sum())
    return Labels(name, protocol, split, len(rows), unknown, low, high, mean, histogram)


def _label_gaps(labels: tuple[Labels, ...]) -> Iterator[Finding]:
    for found in labels:
        if found.rows == found.unknown:
            yield Finding(
                "warning",
                found.task,
                f"no row of {found.protocol} {found.split} has a label of {found.task}",
            )
            continue
        if found.low is not None and found.low == found.high:
            yield Finding(
                "warning",
                found.task,
                f"every label of {found.protocol} {found.split} is {found.low:g}; "
                "nothing can be scored there",
            )
        absent = [word for word, count in found.histogram.items() if not count]
        if absent and found.low is None:
            yield Finding(
                "warning",
                found.task,
                f"{found.protocol} {found.split} has no row of {', '.join(absent)}",
            )


def _shared(unit_N: np.ndarray, parts: Groups) -> list[str]:
    """The units (videos, speakers) whose rows stand in more than one part."""
    names, number_N = np.unique(unit_N, return_inverse=True)
    used = parts.group_N >= 0
    pairs = np.unique(np.stack([number_N[used], parts.group_N[used]]), axis=1)
    shared = np.flatnonzero(np.bincount(pairs[0], minlength=len(names)) > 1)
    return [str(names[unit]) for unit in shared]


def _shared_groups(corpus: Corpus, groups: dict[str, Groups]) -> Iterator[Finding]:
    """Speakers and their like that a protocol does not keep apart."""
    for name, unit_N in corpus.groups.items():
        for protocol, parts in groups.items():
            shared = _shared(unit_N, parts)
            if shared:
                yield Finding(
                    "note",
                    protocol,
                    f"{len(shared):,} of {len(np.unique(unit_N)):,} groups of {name} "
                    f"({first(shared)}) stand in more than one of {', '.join(parts.names)} of "
                    f'protocol {protocol}; folds = 5 and group = "{name}" keep them apart',
                )


def _videos(corpus: Corpus, groups: dict[str, Groups]) -> Iterator[Finding]:
    count = len(np.unique(corpus.videos))
    for protocol, parts in groups.items():
        shared = _shared(corpus.videos, parts)
        if shared:
            yield Finding(
                "warning",
                protocol,
                f"{len(shared):,} of {_count(count, 'video')} ({first(shared)}) "
                f"{_stand(len(shared))} in more than one of {', '.join(parts.names)} of protocol "
                f"{protocol}, so a model can know the speaker; divide by video",
            )
        for split in corpus.protocols[protocol].splits:
            both = np.intersect1d(np.union1d(split.train, split.valid), split.test)
            if len(both):
                rows = first(corpus.ids[both].tolist())
                yield Finding(
                    "warning",
                    protocol,
                    f"{_count(len(both), 'row')} of protocol {protocol} are trained on and "
                    f"tested ({rows})",
                )


def _ids(corpus: Corpus, groups: dict[str, Groups]) -> Iterator[Finding]:
    """Ids that differ in case, blanks or leading zeros alone."""
    seen: dict[str, int] = {}
    for row, name in enumerate(corpus.ids.tolist()):
        bare = "_".join(
            part.lstrip("0") or "0" for part in str(name).casefold().replace(" ", "").split("_")
        )
        other = seen.setdefault(bare, row)
        if other != row:
            split = [
                protocol
                for protocol, parts in groups.items()
                if parts.group_N[other] != parts.group_N[row]
            ]
            where = f", in different splits of {', '.join(split)}" if split else ""
            yield Finding(
                "warning",
                "ids",
                f"'{corpus.ids[other]}' and '{name}' look like one row{where}; keep one of them",
            )


def _labelled_twice(corpus: Corpus, groups: dict[str, Groups]) -> Iterator[Finding]:
    """Rows of one video over the same seconds."""
    times_N2 = times_in(corpus)
    if times_N2 is None:
        return
    pairs = labelled_twice(corpus.videos, times_N2)
    if not len(pairs):
        return
    apart = [
        f"{count} in different splits of {protocol}"
        for protocol, parts in groups.items()
        if (count := int((parts.group_N[pairs[:, 0]] != parts.group_N[pairs[:, 1]]).sum()))
    ]
    differ = [
        f"{count} with other labels of {name}"
        for name, task in corpus.tasks.items()
        if (count := _differing(task, pairs))
    ]
    shown = first([f"{corpus.ids[a]} = {corpus.ids[b]}" for a, b in pairs])
    yield Finding(
        "warning",
        "ids",
        ", ".join(
            [
                f"{_count(len(pairs), 'segment')} {_are(len(pairs))} labelled twice ({shown})",
                *differ,
                *apart,
            ]
        )
        + "; keep one row of each, or know that its text and signal count twice",
    )


def _differing(task: Task, pairs: np.ndarray) -> int:
    """How many pairs of rows have labels that differ, both known."""
    known = np.ones(task.target.shape, dtype=bool) if task.known is None else task.known
    one, other = pairs.T
    differ = (task.target[one] != task.target[other]) & known[one] & known[other]
    return int(differ.reshape(len(pairs), -1).any(axis=1).sum())


def _texts(corpus: Corpus, groups: dict[str, Groups], found: Twins) -> Iterator[Finding]:
    for protocol, parts in groups.items():
        across = [
            t
            for t in found.across(parts.group_N)
            if len(parts.names) != 3 or parts.names[parts.group_N[t[0]]] != "train"
        ]
        for same, kind in ((True, "the same text as"), (False, "nearly the same text as")):
            rows = [(r, twin, like) for r, twin, like in across if (like == 1.0) == same]
            if rows:
                shown = first(
                    [
                        f"{corpus.ids[r]} ~ {corpus.ids[twin]}" + ("" if same else f" ({like:.2f})")
                        for r, twin, like in rows
                    ]
                )
                where = "valid or test " if parts.names == MODES else ""
                yield Finding(
                    "warning",
                    protocol,
                    f"{_count(len(rows), f'{where}row')} of protocol {protocol} "
                    f"{_have(len(rows))} {kind} a row of another split: {shown}",
                )


def _stream_findings(
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
            f"{_count(len(values.dead), 'dimension')} of {stream.values.shape[1]} are dead, "
            f"0 in every step: {_numbers(values.dead)}",
        )
    if frozen := [d for d in values.constant if d not in values.dead]:
        yield Finding(
            "note",
            name,
            f"{_count(len(frozen), 'dimension')} of {stream.values.shape[1]} never change: "
            f"{_numbers(frozen)}",
        )
    if values.zero_rows:
        yield Finding(
            "warning",
            name,
            f"{_count(values.zero_rows, 'row')} hold nothing but zeros and count as there; "
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
        here, there = parts.group_N[values.repeated], parts.group_N[values.repeats]
        across = np.flatnonzero((here != there) & (here >= 0) & (there >= 0))
        if len(across):
            pairs = first(
                [
                    f"{corpus.ids[values.repeated[i]]} = {corpus.ids[values.repeats[i]]}"
                    for i in across
                ]
            )
            yield Finding(
                "warning",
                name,
                f"{_count(len(across), 'row')} {_have(len(across))} the very values of a row of "
                f"another split of {protocol}: {pairs}",
            )


def _leaks(corpus: Corpus, stream: Stream, probe: Probed | None) -> Iterator[Finding]:
    if stream.fitted_on is not None:
        leaking = {
            name: max(
                leaking_rows(stream, np.concatenate([s.valid, s.test])) for s in protocol.splits
            )
            for name, protocol in corpus.protocols.items()
        }
        touched = [
            f"{name} ({_count(rows, 'evaluated row')})" for name, rows in leaking.items() if rows
        ]
        videos = len(np.unique(corpus.videos[stream.fitted_on]))
        where = (
            f"runs on {', '.join(touched)} are refused with it"
            if touched
            else "no protocol evaluates these rows"
        )
        sentence = (
            f"declared: fitted on the labels of {int(stream.fitted_on.sum()):,} rows of "
            f"{_count(videos, 'video')}; {where}"
        )
        if probe is not None and probe.suspected:
            sentence += f"; a probe sees it (p = {_p(probe)})"
        yield Finding("leak", stream.name, sentence)
    elif probe is not None and probe.suspected:
        yield Finding(
            "suspicion",
            stream.name,
            f"a probe of {probe.target!r}, cross-validated by video, "
            f"knows {_count(len(probe.seen), 'video')} far better than the others "
            f"(r = {probe.corr_seen:.2f} against {probe.corr_rest:.2f}, p = {_p(probe)}), "
            "as where a stream comes from a network that "
            f"was trained on their labels: {first(list(probe.seen), 5)}. Ask where it comes from; "
            "declare it (fitted_on), evaluate on "
            "the other videos alone, or leave it out",
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


def _streamed(
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


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def _stand(n: int) -> str:
    return "stands" if n == 1 else "stand"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _have(n: int) -> str:
    return "has" if n == 1 else "have"


def _numbers(items: list[int]) -> str:
    return first([str(i) for i in items], 8)


def _p(probe: Probed) -> str:
    assert probe.p is not None
    return f"{probe.p:.2g}" if probe.p >= 1e-9 else "under 1e-9"

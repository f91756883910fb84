"""Label leaks: a stream whose network was trained on the labels of some videos, found without
knowing which.

A network that was trained on a video's labels speaks of that video differently: what it says agrees
with the label more than of a new video, and often it says it louder (its outputs saturate). So a
linear probe is fitted with video-disjoint folds, and each video gets two scores from rows that the
probe was not fitted on: Fisher's z of the cosine between prediction and label; and this plus the
log of the prediction's spread, which no label enters, each in deviations. Honest streams differ
from video to video too (speakers do), but as one mode, be it a skewed one. A leak makes two.

A stream is suspected where p of one mode (``bimodality``), doubled for the two scores, is below
``ALPHA`` (and below ten times that over the number of tests) both for Gaussian scores and where the
labels are shuffled within each video, the modes stand more than ``APART`` deviations apart, as two
tops need (Ashman et al. 1994), the videos of the upper one are read well (r > 0), and the
correlations in them differ by more than ``LARGE``. A stream that was fitted on every video has one
mode again; it is known by a probe that is too good to be true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from merbench.api.material.corpus import Corpus, Stream, Task
from merbench.data.audit.bimodality import Null, fit_mixture, one_mode
from merbench.data.audit.linear_probe import WIDEST, centred, correlation, narrowed, probe, voices
from merbench.data.words import as_words

ALPHA = 0.001
APART = 2.0
LARGE = 0.5
"""Difference of two correlations in Fisher's z; "large" by Cohen (1988, q). With hundreds of videos
a small one would be certain too.
"""
TOO_GOOD = 0.9
"""A correlation with the labels that no linear probe of an honest stream should reach: people reach
.82 on MOSI (Zadeh et al. 2017).
"""
ROWS, VIDEOS = 6, 20
"""A video with fewer rows says too little and is left out, and so is one whose rows have one label;
with fewer such videos there is no telling.
"""
SHUFFLES = 100
PROBES = 4
"""Divisions into folds whose predictions are averaged."""
MOST = 6000
"""Rows that the probe sees at most."""


@dataclass(frozen=True)
class Probed:
    """What the probe found in one stream, at the target that speaks most for a leak.

    ``corr``: Pearson's r of the predictions with ``target``, over all rows. ``p``: of one mode,
    None where there are too few videos to tell. ``seen``: the videos that stand out as known to the
    stream, ``corr_seen`` and ``corr_rest`` r on these and on the others; empty and None where
    nothing is suspected.
    """

    stream: str
    target: str
    corr: float
    p: float | None
    seen: tuple[str, ...] = ()
    corr_seen: float | None = None
    corr_rest: float | None = None

    @property
    def suspected(self) -> bool:
        return bool(self.seen)

    @property
    def too_good(self) -> bool:
        return self.corr > TOO_GOOD


def probe_streams(corpus: Corpus, means: Mapping[str, np.ndarray]) -> list[Probed]:
    """Every stream but clips. ``means``: of each ``features`` stream the mean over each row's steps
    [N, D].
    """
    goals = targets(corpus.tasks)
    streams = [s for s in corpus.streams.values() if s.kind != "clip"]
    judge = _Judge(
        _some_videos(corpus.videos),
        corpus.videos,
        min(ALPHA, 10 * ALPHA / max(1, len(streams) * len(goals))),
    )
    return [
        judge.stream(s, means[s.name] if s.kind == "features" else bag(s), goals) for s in streams
    ]


def _some_videos(videos_N: np.ndarray) -> np.ndarray:
    """[N] bool: rows of as many whole videos, drawn without a look at anything else, as make up
    MOST rows; all where there are fewer.
    """
    _, video_N, count_V = np.unique(videos_N, return_inverse=True, return_counts=True)
    order = np.random.default_rng(0).permutation(len(count_V))
    chosen = order[np.cumsum(count_V[order]) <= MOST] if len(video_N) > MOST else order
    return np.isin(video_N, chosen)


def targets(tasks: Mapping[str, Task]) -> dict[str, np.ndarray]:
    """Name -> [N], NaN = unknown: a score as it is, and its side of the middle (networks are often
    trained on that); each label as 0, 1.
    """
    targets_by_name: dict[str, np.ndarray] = {}
    for name, task in tasks.items():
        known = task.is_known()
        if task.space.kind == "score":
            assert task.space.anchors is not None
            value = np.where(known, task.target, np.nan).astype(np.float64)
            middle = (task.space.anchors[0] + task.space.anchors[-1]) / 2
            targets_by_name |= {
                name: value,
                f"{name} >= {middle:g}": np.where(known, value >= middle, np.nan),
            }
        else:
            for c, word in enumerate(task.space.words):
                if task.space.kind == "class":
                    is_c, c_known = task.target == c, known
                else:
                    is_c, c_known = task.target[:, c] > 0.5, known[:, c]
                targets_by_name[f"{name} {word}"] = np.where(c_known, is_c, np.nan)
    return targets_by_name


def bag(stream: Stream) -> np.ndarray:
    """[N, at most WIDEST]: which of the most frequent words stand in each row."""
    words = as_words(stream)
    row = np.repeat(np.arange(len(words.length)), words.length)
    step = np.arange(len(row)) - np.repeat(np.cumsum(words.length) - words.length, words.length)
    word = words.values[np.repeat(words.start, words.length) + step]
    count_V = np.bincount(word, minlength=len(words.vocab))
    frequent = np.argsort(-count_V, kind="stable")[:WIDEST]
    column_V = np.full(len(words.vocab), -1)
    column_V[frequent] = np.arange(len(frequent))
    counts_NW = np.zeros((len(words.length), len(frequent)), dtype=np.float32)
    is_frequent = column_V[word] >= 0
    counts_NW[row[is_frequent], column_V[word[is_frequent]]] = 1
    return counts_NW


class _Judge:
    """Probes the rows ``used_N`` of the videos ``videos_N`` and holds what it finds against one
    mode.
    """

    def __init__(self, used_N: np.ndarray, videos_N: np.ndarray, alpha: float) -> None:
        self.used_N, self.videos_N, self.alpha = used_N, videos_N, alpha

    def stream(self, stream: Stream, x_ND: np.ndarray, goals: Mapping[str, np.ndarray]) -> Probed:
        """What speaks most for a leak: suspected first, then the least p, then the largest
        correlation.
        """
        by_rows: dict[bytes, list[str]] = {}
        for name, goal in goals.items():
            usable_N = self.used_N & (stream.length > 0) & np.isfinite(goal)
            by_rows.setdefault(np.packbits(usable_N).tobytes(), []).append(name)
        probed = []
        for names in by_rows.values():
            rows = np.flatnonzero(self.used_N & (stream.length > 0) & np.isfinite(goals[names[0]]))
            names = [name for name in names if len(rows) and _varies(goals[name][rows])]
            if names:
                probed += self._rows(
                    stream.name, x_ND[rows], rows, {name: goals[name][rows] for name in names}
                )
        return min(
            probed,
            key=lambda f: (not f.suspected, 1.0 if f.p is None else f.p, -f.corr),
            default=Probed(stream.name, "", 0.0, None),
        )

    def _rows(
        self, stream: str, x_ND: np.ndarray, rows: np.ndarray, goals: Mapping[str, np.ndarray]
    ) -> list[Probed]:
        videos, video_N = np.unique(self.videos_N[rows], return_inverse=True)
        t_NT = np.stack(list(goals.values()), axis=1)
        t_NT = (t_NT - t_NT.mean(axis=0)) / t_NT.std(axis=0)
        x_ND = narrowed(x_ND)
        p_NT = np.mean([probe(x_ND, t_NT, video_N, seed) for seed in range(PROBES)], axis=0)
        return [
            self._verdict(stream, name, p_NT[:, c], t_NT[:, c], video_N, videos)
            for c, name in enumerate(goals)
        ]

    def _verdict(
        self,
        stream: str,
        target: str,
        p_N: np.ndarray,
        t_N: np.ndarray,
        video_N: np.ndarray,
        videos: np.ndarray,
    ) -> Probed:
        corr, enough = correlation(p_N, t_N), _telling(t_N, video_N)
        size = int(enough.sum())
        if size < VIDEOS:
            return Probed(stream, target, corr, None)
        in_enough_N = enough[video_N]
        p_n, t_n = p_N[in_enough_N], t_N[in_enough_N]
        video_n = np.unique(video_N[in_enough_N], return_inverse=True)[1]
        mixture = fit_mixture(voices(p_n, t_n, video_n))
        deciding, naming = mixture.ratio_B[:2], int(mixture.ratio_B.argmax())
        p_B = np.array([one_mode(size).p(float(ratio)) for ratio in deciding])
        if (p_B < self.alpha).any():
            shuffled = _shuffled_nulls(p_n, t_n, video_n)
            p_shuffled = [n.p(float(r)) for n, r in zip(shuffled, deciding, strict=True)]
            p_B = np.maximum(p_B, p_shuffled)
        p = min(1.0, len(p_B) * float(p_B.min()))
        if p >= self.alpha or mixture.apart_B[naming] <= APART:
            return Probed(stream, target, corr, p)
        seen_V = np.zeros(len(videos), dtype=bool)
        seen_V[enough] = mixture.high_BV[naming]
        in_seen_N, in_others_N = seen_V[video_N], (enough & ~seen_V)[video_N]
        p_N, t_N = centred(p_N, video_N), centred(t_N, video_N)
        corr_seen, corr_rest = (
            correlation(p_N[rows], t_N[rows]) for rows in (in_seen_N, in_others_N)
        )
        gap = np.arctanh(0.999 * corr_seen) - np.arctanh(0.999 * corr_rest)
        if corr_seen <= 0 or gap <= LARGE:
            return Probed(stream, target, corr, p)
        return Probed(stream, target, corr, p, tuple(videos[seen_V].tolist()), corr_seen, corr_rest)


def _telling(t_N: np.ndarray, video_N: np.ndarray) -> np.ndarray:
    """[V] bool: enough rows, and labels that differ. Where they do not, no stream agrees with them
    better than by chance: beside the other videos that would be a mode of its own.
    """
    varies_V = np.bincount(video_N, centred(t_N, video_N) ** 2) > 1e-9
    several_V: np.ndarray = np.bincount(video_N) >= ROWS
    return several_V & varies_V


def _shuffled_nulls(p_N: np.ndarray, t_N: np.ndarray, video_N: np.ndarray) -> list[Null]:
    """The law of the ratio of each of ``voices`` where the labels are shuffled within each video:
    rows a video, values of a label and loudness of the probe stay what they are.
    """
    rng = np.random.default_rng(0)
    by_video = np.argsort(video_N, kind="stable")
    scores = []
    for _ in range(SHUFFLES):
        shuffled = np.lexsort((rng.random(len(t_N)), video_N))
        t_shuffled = np.empty_like(t_N)
        t_shuffled[by_video] = t_N[shuffled]
        scores.append(voices(p_N, t_shuffled, video_N)[:2])
    return [Null(fit_mixture(score_BV).ratio_B) for score_BV in np.stack(scores, axis=1)]


def _varies(goal: np.ndarray) -> bool:
    """Not of one value, and of two values the rarer stands in a tenth of the rows: rarer ones give
    each video next to none.
    """
    values, count = np.unique(goal, return_counts=True)
    return len(values) > 2 or (len(values) == 2 and bool(count.min() >= 0.1 * count.sum()))

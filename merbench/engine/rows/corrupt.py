"""Rows damaged on purpose: a modality removed, steps removed, noise added. Done to the
streams, so that no method has to know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from merbench.api import Modality, RequestError, Stream
from merbench.data.streams.train_statistics import Statistics
from merbench.results.seeds import derive

Kind = Literal["drop", "mask", "noise"]
KINDS: tuple[Kind, ...] = ("drop", "mask", "noise")


@dataclass(frozen=True)
class Damage:
    """``drop``: a share of the rows lacks the modality altogether. ``mask``: a share of its steps
    (words) is taken out.

    ``noise``: normal noise on features; ``strength`` is its deviation in units of each dimension's
    deviation over the TRAIN rows.
    """

    modality: Modality
    kind: Kind
    strength: float = 1.0

    def __str__(self) -> str:
        drops_all = self.kind == "drop" and self.strength == 1
        return (
            f"{self.modality}={self.kind}"
            if drops_all
            else f"{self.modality}={self.kind}:{self.strength:g}"
        )


def damaged(
    streams: Mapping[Modality, Stream],
    rows: np.ndarray,
    statistics: Mapping[Modality, Statistics],
    damages: Sequence[Damage],
    seed: int,
) -> dict[Modality, Stream]:
    """The streams with ``rows`` (row numbers) damaged; other rows may be empty in a stream that
    was.

    Equal arguments give equal streams. A stronger damage takes away what a weaker one does, and its
    noise has the same direction. RequestError where a damage does not fit its stream.
    """
    result = dict(streams)
    for damage in damages:
        m = damage.modality
        if m not in result:
            raise RequestError(
                f"{damage}: this run reads no {m}, but {', '.join(result) or 'nothing'}"
            )
        draw = np.random.default_rng(derive(seed, "corrupt", m, damage.kind))
        if damage.kind == "drop":
            result[m] = drop_rows(result[m], rows, damage.strength, draw)
        elif damage.kind == "mask":
            if result[m].kind == "clip":
                raise RequestError(
                    f"{damage}: stream {result[m].name} holds clips, of which no step can be taken "
                    f"out; use {m}=drop"
                )
            result[m] = mask_steps(result[m], rows, damage.strength, draw)
        else:
            result[m] = _noise(result[m], rows, damage, statistics, draw)
    return result


def drop_rows(
    stream: Stream, rows: np.ndarray, share: float | np.ndarray, draw: np.random.Generator
) -> Stream:
    """Each of ``rows`` is empty with probability ``share`` (one number, or [N] one a row)."""
    length = stream.length.copy()
    length[rows[draw.random(len(rows)) < share]] = 0
    return replace(stream, length=length, sha256="")


def mask_steps(
    stream: Stream, rows: np.ndarray, share: float | np.ndarray, draw: np.random.Generator
) -> Stream:
    """Each step (word) of ``rows`` is taken out with probability ``share`` (one number, or [N] one
    a row); rows of a stream with steps that are not among ``rows`` become empty.
    """
    share_N = np.broadcast_to(share, len(rows))
    if stream.kind == "strings":
        return _mask_words(stream, rows, share_N, draw)
    where_T, row_T = _steps(stream, rows)
    keep_T = draw.random(len(where_T)) >= share_N[row_T]
    values = stream.values[where_T[keep_T]] if keep_T.any() else stream.values[:1]
    return _packed(stream, rows, values, np.bincount(row_T[keep_T], minlength=len(rows)))


def _mask_words(
    stream: Stream, rows: np.ndarray, share_N: np.ndarray, draw: np.random.Generator
) -> Stream:
    values, length = stream.values.copy(), stream.length.copy()
    for row, share in zip(rows, share_N, strict=True):
        if not stream.length[row]:
            continue
        words = str(values[row]).split()
        luck = draw.random(len(words))
        remaining = [word for word, u in zip(words, luck, strict=True) if u >= share]
        values[row], length[row] = " ".join(remaining), bool(remaining)
    return replace(stream, values=values, length=length, sha256="")


def _noise(
    stream: Stream,
    rows: np.ndarray,
    damage: Damage,
    statistics: Mapping[Modality, Statistics],
    draw: np.random.Generator,
) -> Stream:
    if stream.kind != "features":
        raise RequestError(
            f"{damage}: stream {stream.name} holds {stream.kind}, which noise cannot be added to; "
            "use mask or drop"
        )
    where_T, _ = _steps(stream, rows)
    if not len(where_T):
        return stream
    values_TD = stream.values[where_T].astype(np.float32)
    noise_TD = draw.standard_normal(values_TD.shape, dtype=np.float32)
    return _packed(
        stream,
        rows,
        values_TD + damage.strength * statistics[damage.modality].scale_D * noise_TD,
        stream.length[rows],
    )


def _steps(stream: Stream, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(where_T, row_T)``: the place in ``values`` of every real step of the rows, and which of
    ``rows`` it belongs to.
    """
    n = stream.length[rows].astype(np.int64)
    row_T = np.repeat(np.arange(len(rows)), n)
    return stream.start[rows][row_T] + np.arange(n.sum()) - (np.cumsum(n) - n)[row_T], row_T


def _packed(stream: Stream, rows: np.ndarray, values: np.ndarray, n: np.ndarray) -> Stream:
    """The stream with ``values`` for ``rows``, of which row i has ``n[i]`` steps, and nothing for
    any other row.
    """
    start, length = np.zeros_like(stream.start), np.zeros_like(stream.length)
    start[rows], length[rows] = np.cumsum(n) - n, n
    return replace(stream, values=values, start=start, length=length, times=None, sha256="")

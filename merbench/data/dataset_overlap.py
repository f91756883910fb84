"""What two data sets share: utterances of one whose video or words stand in the other too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from merbench.api.errors import DataError
from merbench.api.material.corpus import Corpus, Split
from merbench.api.material.word_vectors import words_of

LEAST_WORDS = 5
"""Shorter sentences are said twice by chance."""


def shared(
    corpus: Corpus, rows: np.ndarray, other: Corpus, other_rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``(by video, by text)``: those of ``rows`` whose video, or else whose text of ``LEAST_WORDS``
    or more, is in ``other_rows``.
    """
    videos = set(other.videos[other_rows].tolist())
    by_video = np.array([video in videos for video in corpus.videos[rows].tolist()], dtype=bool)
    texts = set(_keys(other, other_rows)) - {""}
    by_text = np.array([key in texts for key in _keys(corpus, rows)], dtype=bool) & ~by_video
    return rows[by_video], rows[by_text]


def shared_in_training(
    corpus: Corpus, protocol: str, other: Corpus, other_protocol: str
) -> tuple[np.ndarray, np.ndarray]:
    """``shared`` of the train and validation rows of one protocol and the validation and test rows
    of the other's. DataError for a protocol that a data set does not have.
    """
    for data_set, name in ((corpus, protocol), (other, other_protocol)):
        if name not in data_set.protocols:
            raise DataError(f"your {data_set.name} has no protocol {name}")
    train_rows = [rows for s in corpus.protocols[protocol].splits for rows in (s.train, s.valid)]
    evaluated_rows = [
        rows for s in other.protocols[other_protocol].splits for rows in (s.valid, s.test)
    ]
    return shared(
        corpus,
        np.unique(np.concatenate(train_rows)),
        other,
        np.unique(np.concatenate(evaluated_rows)),
    )


def _keys(corpus: Corpus, rows: np.ndarray) -> Sequence[str]:
    words = [words_of(str(corpus.texts[i])) for i in rows]
    return [" ".join(w) if len(w) >= LEAST_WORDS else "" for w in words]


def without(corpus: Corpus, protocol: str, rows: np.ndarray) -> Corpus:
    """The same data set whose ``protocol`` does not use these rows for training or validation."""

    def split(s: Split) -> Split:
        return Split(
            s.train[~np.isin(s.train, rows)], s.valid[~np.isin(s.valid, rows)], s.test, s.fold
        )

    old = corpus.protocols[protocol]
    return replace(
        corpus,
        protocols={
            **corpus.protocols,
            protocol: replace(old, splits=tuple(split(s) for s in old.splits)),
        },
    )

"""Transcripts as words."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np

from merbench.api.errors import RequestError
from merbench.api.material.corpus import Stream
from merbench.api.material.word_vectors import words_of

_KEPT = "_as_words"


def as_words(stream: Stream) -> Stream:
    """A ``strings`` stream cut into words (``words_of``); ``vocab`` sorted, ids int32. A ``words``
    stream is returned as it is.
    """
    if stream.kind == "words":
        return stream
    if stream.kind != "strings":
        raise RequestError(
            f"stream {stream.name!r} of kind {stream.kind!r} holds no words; "
            "offer a stream of kind 'words' or 'strings'"
        )
    # In the stream itself, because every model that reads a data set asks for the same.
    cut: Stream | None = vars(stream).get(_KEPT)
    if cut is None:
        cut = vars(stream)[_KEPT] = _cut(stream)
    return cut


def _cut(stream: Stream) -> Stream:
    rows = [
        words_of(str(text)) if present else []
        for text, present in zip(stream.values, stream.length, strict=True)
    ]
    number: defaultdict[str, int] = defaultdict()
    number.default_factory = number.__len__
    numbers = np.fromiter((number[word] for row in rows for word in row), dtype=np.int32)
    vocab = tuple(sorted(number))
    rank = np.empty(len(vocab), dtype=np.int32)
    rank[[number[word] for word in vocab]] = np.arange(len(vocab), dtype=np.int32)
    length = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    return replace(
        stream,
        kind="words",
        values=rank[numbers],
        start=np.cumsum(length) - length,
        length=length,
        vocab=vocab,
    )

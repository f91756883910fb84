"""Texts with characters that a wrong decoding left, and apostrophes at which words are cut."""

from __future__ import annotations

import re

import numpy as np

from merbench.api.material.corpus import Corpus, Stream
from merbench.api.plural import count_of, have
from merbench.data.audit.findings import Finding
from merbench.data.first_few import first_few

_LOST = re.compile("\ufffd|â€|Ã[\u0080-\u00bf]")
"""What stands for bytes that are no UTF-8, and how UTF-8 reads as Windows' Latin characters."""
_ACCENT = re.compile(r"[^\W\d_][´`‘][^\W\d_]")


def odd_characters(corpus: Corpus) -> list[Finding]:
    """In each stream of texts."""
    findings = []
    for stream in corpus.streams.values():
        if stream.kind != "strings":
            continue
        lost, cut = _rows(stream, _LOST), _rows(stream, _ACCENT)
        if len(lost):
            sentence = (
                f"{count_of(len(lost), 'text')} {have(len(lost))} characters that were lost in "
                f"decoding (such as \ufffd or â€™): {first_few(corpus.ids[lost].tolist())}; "
                "take the texts from their source again, as UTF-8"
            )
            findings.append(Finding("warning", stream.name, sentence))
        if len(cut):
            sentence = (
                f"{count_of(len(cut), 'text')} {have(len(cut))} an accent (´, ` or ‘) for an "
                "apostrophe, and don´t becomes two words: "
                f"{first_few(corpus.ids[cut].tolist())}"
            )
            findings.append(Finding("note", stream.name, sentence))
    return findings


def _rows(stream: Stream, pattern: re.Pattern[str]) -> np.ndarray:
    texts = (str(text) for text in stream.values)
    return np.flatnonzero([pattern.search(text) is not None for text in texts])

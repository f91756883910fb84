"""Streams of networks that were trained on labels of evaluated rows."""

from __future__ import annotations

import numpy as np

from merbench.api.material.corpus import Corpus, Split, Stream


def leaking_rows(stream: Stream, rows: np.ndarray) -> int:
    """How many of the given (evaluated) rows the stream's network was trained on, with labels."""
    return 0 if stream.fitted_on is None else int(stream.fitted_on[rows].sum())


def leak_sentence(stream: Stream, corpus: Corpus, protocol: str, split: Split) -> str:
    """Why scores of this stream on ``split`` of ``protocol`` would not be honest, and the way out;
    empty where nothing leaks.
    """
    evaluated = {"valid": split.valid, "test": split.test}
    leaking = [
        f"{n} of the {len(rows)} {name} rows"
        for name, rows in evaluated.items()
        if (n := leaking_rows(stream, rows))
    ]
    if not leaking:
        return ""
    clean = [
        name
        for name, candidate in corpus.protocols.items()
        if not any(
            leaking_rows(stream, rows) for s in candidate.splits for rows in (s.valid, s.test)
        )
    ]
    honest = (
        f"use the protocol {clean[0]!r}, whose evaluated rows it has not seen, or " if clean else ""
    )
    return (
        f"stream {stream.name!r} of {corpus.name} comes from a network that was trained on the "
        f"labels of {' and '.join(leaking)} of "
        f"protocol {protocol!r}{'' if split.fold is None else f', fold {split.fold}'}, "
        "so its score there would be too good; "
        f"{honest}leave the stream out, or give --allow-leak, which marks the run permanently"
    )

"""Methods that both have: what each is called, and settings that make them equal in size and batch.

TETFN, CENET and ALMT are in MMSA's repository, not in its release 2.2.1; MTFN, MLMF and MLF-DNN
need a label a modality. Its BERT_MAG calls what transformers 5 has no longer.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Pair(NamedTuple):
    ours: str
    theirs: str
    settings: dict[str, Any] = {}
    """Of ours, where its defaults are not MMSA's settings for MOSI."""
    aligned: bool = False
    """Read streams of the text's steps, as MMSA does."""
    tower: bool = False
    """BERT reads the text and is trained along."""
    share: float = 1.0
    """Of MOSI's rows."""


PAIRS = (
    Pair("late-fusion-dnn", "lf_dnn", {"train.batch_size": 128}),
    Pair("lmf", "lmf", {"fusion.rank": 3}),
    # The product of 33, 33 and 129 numbers there, of 52 three times here.
    Pair("tfn", "tfn", {"fusion.width": 51}),
    Pair("early-fusion-lstm", "ef_lstm", {"fusion.layers": 4}, aligned=True),
    Pair("mfn", "mfn", aligned=True),
    Pair("graph-mfn", "graph_mfn", {"fusion.graph_hidden": 32}, aligned=True),
    Pair("mfm", "mfm", aligned=True),
    Pair("mctn", "mctn", aligned=True),
    Pair("misa", "misa", {"train.accumulate": 2}, tower=True),
    Pair("self-mm", "self_mm", tower=True, share=0.2),
    Pair("mmim", "mmim", tower=True, share=0.2),
    Pair("tfr-net", "tfr_net", tower=True, share=0.1),
    Pair(
        "mult",
        "mult",
        {
            "fusion.width": 50,
            **{f"fusion.kernel_{m}": 5 for m in ("text", "audio", "video")},
            "train.batch_size": 16,
            "train.accumulate": 8,
        },
        share=0.1,
    ),
)

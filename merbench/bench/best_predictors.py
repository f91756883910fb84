"""The best possible predictors on a test split, where the law of the data is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from merbench.api.material.corpus import Corpus
    from merbench.api.material.types import Modality


def optimum(
    corpus: Corpus, task: str, protocol: str, streams: Sequence[str]
) -> dict[str, dict[str, float]]:
    """What is given (``nothing``, ``text``, ..., at last all that ``streams`` offer) -> metric ->
    score; empty where no law is known.
    """
    if corpus.offered[task].law is None:
        return {}
    from merbench.data.labels.best_possible import best_scores

    offered = tuple(corpus.streams[name].modality for name in streams)
    rows = np.concatenate([split.test for split in corpus.protocols[protocol].splits])
    everything = " + ".join(offered) or "nothing"
    cases: dict[str, tuple[Modality, ...]] = {
        "nothing": (),
        **({"text": ("text",)} if "text" in offered else {}),
    }
    best = {name: best_scores(corpus, task, rows, modalities) for name, modalities in cases.items()}
    if corpus.offered[task].space.kind == "multilabel":
        best[f"{everything}, label by label"] = best_scores(
            corpus, task, rows, offered, co_occurrence=False
        )
    best.pop(everything, None)
    best[everything] = best_scores(corpus, task, rows, offered)
    return {
        name: {metric: value.scored for metric, value in scores.items()}
        for name, scores in best.items()
    }

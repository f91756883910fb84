"""The best possible predictors on a test split, where the law of the data is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from merbench.api.corpus import Corpus
    from merbench.cli.shared.session import Session
    from merbench.results.record import Track


def optimum(
    corpus: Corpus, task: str, protocol: str, streams: Sequence[str]
) -> dict[str, dict[str, float]]:
    """What is given (``nothing``, ``text``, ..., all that ``streams`` offer) -> metric -> score;
    empty where no law is known.
    """
    if corpus.posterior is None or corpus.offered[task].space.kind != "score":
        return {}
    from merbench.data.best_possible import limits

    offered = tuple(corpus.streams[name].modality for name in streams)
    rows = np.concatenate([split.test for split in corpus.protocols[protocol].splits])
    scored = {}
    for given in ((), *((m,) for m in offered if m == "text"), offered):
        reached = limits(corpus, task, rows, given)
        scored[" + ".join(given) or "nothing"] = {
            name: limit.scored for name, limit in reached.items()
        }
    return scored


def of_track(session: Session, track: Track) -> dict[str, dict[str, float]]:
    """The same for a track: only generated data sets have a law, and only the very data that the
    track names counts.
    """
    catalog = session.catalog
    if (
        track.dataset not in catalog.names("dataset")
        or catalog.component("dataset", track.dataset).folder
    ):
        return {}
    from merbench.data.folder.streams import revision

    corpus = session.dataset(track.dataset, None)
    if (
        corpus.posterior is None
        or revision(corpus, track.task, track.protocol, []) != track.revision
    ):
        return {}
    return optimum(corpus, track.task, track.protocol, track.streams)

"""The user's own labels for a track."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from merbench.api.errors import DataError
from merbench.bench.floors import closed_forms, floors, origins

if TYPE_CHECKING:
    from collections.abc import Callable

    from merbench.api.material.corpus import Corpus
    from merbench.host.catalog import Catalog
    from merbench.report.verify.truth import Truth
    from merbench.results.records.record import Track


def corpus_of(load: Callable[[str], Corpus], track: Track) -> Corpus:
    """The track's data set, without the rows that its runs left out. ``load``: the data set of a
    name.
    """
    from merbench.data.dataset_overlap import shared_in_training, without

    corpus = load(track.dataset)
    if not track.without:
        return corpus
    name, _, protocol = track.without.partition(" ")
    rows = shared_in_training(corpus, track.protocol, load(name), protocol)
    return without(corpus, track.protocol, np.concatenate(rows))


def truth_of(catalog: Catalog, corpus: Corpus, track: Track, with_optimum: bool = True) -> Truth:
    """DataError where the data set on the machine lacks what the track names. ``with_optimum``:
    with the best possible scores, which scores.json has too and runs do not need.
    """
    from merbench.bench.best_predictors import optimum
    from merbench.data.dataset_hash import revision
    from merbench.report.verify.truth import Truth

    parts_by_kind = {
        "task": ([track.task], corpus.offered),
        "protocol": ([track.protocol], corpus.protocols),
        "stream": (track.streams, corpus.streams),
    }
    for kind, (names, available) in parts_by_kind.items():
        if lacking := [name for name in names if name not in available]:
            raise DataError(
                f"your {track.dataset} has no {kind} {lacking[0]} (it has {', '.join(available)}); "
                "bring the data set that these runs were made on"
            )

    @cache
    def content(streams: tuple[str, ...]) -> str:
        """Hundreds of runs read the same streams, and these are read through once."""
        return revision(corpus, track.task, track.protocol, streams)

    best = optimum(corpus, track.task, track.protocol, track.streams) if with_optimum else {}
    return Truth(
        corpus,
        track.task,
        track.protocol,
        content,
        best,
        floors(catalog),
        closed_forms(catalog),
        catalog.metrics,
        origins(catalog),
    )

"""The best possible predictors of a track."""

from __future__ import annotations

from typing import TYPE_CHECKING

from merbench.bench.best_predictors import optimum

if TYPE_CHECKING:
    from merbench.cli.shared.session import Session
    from merbench.results.records.record import Track


def of_track(session: Session, track: Track) -> dict[str, dict[str, float]]:
    """By modalities and metric. Only generated data sets have a law (``sample``, and
    ``sample:seed=1``, which is another), and only the very data that the track names counts.
    """
    catalog = session.catalog
    name = track.dataset.partition(":")[0]
    if name not in catalog.names("dataset") or catalog.component("dataset", name).folder:
        return {}
    from merbench.data.dataset_hash import revision

    corpus = session.dataset(track.dataset, None)
    if (
        track.task not in corpus.offered
        or revision(corpus, track.task, track.protocol, []) != track.revision
    ):
        return {}
    return optimum(corpus, track.task, track.protocol, track.streams)

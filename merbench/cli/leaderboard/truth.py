"""The user's own labels for a track."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from merbench.cli.session import Session

if TYPE_CHECKING:
    from merbench.report.verify import Truth
    from merbench.results.record import Track


def truth_of(session: Session, track: Track, data: Path | None) -> Truth:
    """RequestError where the data set is not on the machine."""
    from merbench.api.errors import RequestError
    from merbench.cli.optimum import optimum
    from merbench.data.streams import revision
    from merbench.report.verify import Truth

    corpus = session.dataset(track.dataset, data)
    if track.task not in corpus.offered:
        there = ", ".join(corpus.offered)
        raise RequestError(
            f"your {track.dataset} has no task {track.task} (it has {there}); bring the data set that these runs were made on"
        )

    def content(streams: tuple[str, ...]) -> str:
        return revision(corpus, track.task, track.protocol, streams)

    return Truth(corpus, track.task, track.protocol, content, optimum(corpus, track.task, track.protocol, track.streams))

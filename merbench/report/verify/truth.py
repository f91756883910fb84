"""The user's own data for a track: what predictions are scored against."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from merbench.api.material.corpus import Corpus, Split
from merbench.report.folder.folder import Folder, Labelled
from merbench.report.scores.board.board_scores import Origin
from merbench.results.metrics import BUILT_IN, Registry


@dataclass(frozen=True)
class Truth:
    """The user's own data for a track, and what the catalogue says of models.

    ``content(streams)``: the hash of ids, targets, splits and these streams. ``floors``,
    ``closed_forms``: models that are floors, and those that are fitted in closed form.
    ``registry``: the metrics there are. ``origins``: model -> where it comes from.
    """

    corpus: Corpus
    task: str
    protocol: str
    content: Callable[[tuple[str, ...]], str]
    optimum: Mapping[str, Mapping[str, float]]
    floors: Collection[str] = ()
    closed_forms: Collection[str] = ()
    registry: Registry = BUILT_IN
    origins: Mapping[str, Origin] = field(default_factory=dict)

    @property
    def splits(self) -> dict[int | None, Split]:
        return {split.fold: split for split in self.corpus.protocols[self.protocol].splits}

    def rows(self, fold: int | None, part: str) -> np.ndarray:
        """Row numbers of a split whose target is known (multilabel and joint: all)."""
        return self.corpus.offered[self.task].known_rows(getattr(self.splits[fold], part))

    def leaks(self, stream: str) -> bool:
        """Whether a stream was fitted on labels of rows that choose or score."""
        fitted = self.corpus.streams[stream].fitted_on
        return fitted is not None and any(
            fitted[rows].any()
            for split in self.splits.values()
            for rows in (split.valid, split.test)
        )

    def labelled(self, folder: Folder) -> Labelled:
        task = self.corpus.offered[self.task]
        target = task.target
        if task.known is not None and target.ndim > 1:
            target = np.where(task.known, target, np.nan)
        ids = self.corpus.ids.tolist()
        return Labelled(
            folder,
            dict(zip(ids, target, strict=True)),
            dict(zip(ids, self.corpus.units(self.protocol).tolist(), strict=True)),
        )

"""Floor ``majority``: the same answer for every row."""

from __future__ import annotations

import torch
from torch import Tensor

from merbench.api import Batch, Config, LabelSpace, Output, SplitView
from merbench_baselines.floors.floor import Floor, goals, whole


def constant(rows: Batch, space: LabelSpace) -> Tensor:
    """Logits [C] of one task."""
    y_NC = goals(rows, space)
    if space.kind == "score":
        return (y_NC if rows.known is None else y_NC[rows.known]).quantile(0.5, dim=0)
    share_C = y_NC.mean(0).clamp(0.5 / len(y_NC), 1 - 0.5 / len(y_NC))
    return share_C.log() if space.kind == "class" else share_C.logit()


class Majority(Floor):
    """score: the train median, which no constant beats in mean absolute error. Its sign is the
    majority's: of y >= 0 always, of y > 0 unless the median is 0. class: log p(c); multilabel:
    logit p(c), p the share of train rows (within half a row of 0 and 1).
    """

    class Config(Config):
        pass

    learned = ("logits_C",)

    def fit(self, train: SplitView, valid: SplitView) -> None:
        """Validation is not used."""
        rows = whole(train)
        targets_by_task = zip(
            self.space.tasks,
            self.space.split_targets(rows.target),
            self.space.split_targets(rows.known),
            strict=True,
        )
        self.keep(
            logits_C=torch.cat(
                [
                    constant(Batch(rows.ids_B, {}, y, known), space)
                    for space, y, known in targets_by_task
                ]
            )
        )

    def forward(self, batch: Batch) -> Output:
        return Output(self.logits_C.expand(len(batch), -1))

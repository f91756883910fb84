"""Floor ``majority``: the same answer for every row."""

from __future__ import annotations

from merbench.api import Batch, Config, Output, SplitView
from merbench_baselines.floor import Floor, goals, whole


class Majority(Floor):
    """score: the train median, which no constant beats in mean absolute error. Its sign is the majority's: of y >= 0 always, of y > 0
    unless the median is 0. class: log p(c); multilabel: logit p(c), p the share of train rows (within half a row of 0 and 1).
    """

    class Config(Config):
        pass

    learned = ("logits_C",)

    def fit(self, train: SplitView, valid: SplitView) -> None:
        """Validation is not looked at."""
        rows = whole(train)
        y_NC = goals(rows, self.space)
        if self.space.kind == "score":
            self.keep(logits_C=y_NC.quantile(0.5, dim=0))
            return
        share_C = y_NC.mean(0).clamp(0.5 / len(y_NC), 1 - 0.5 / len(y_NC))
        self.keep(logits_C=share_C.log() if self.space.kind == "class" else share_C.logit())

    def forward(self, batch: Batch) -> Output:
        return Output(self.logits_C.expand(len(batch), -1))

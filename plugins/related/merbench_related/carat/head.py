"""``carat-aggregate``: each slot alone predicts all labels, the best slot each label (CARAT)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from merbench.api import Config, Context, Fused, LabelSpace, Queries, masked_max


def average_logits(branches: list[Tensor], space: LabelSpace) -> Tensor:
    """[B, C]: the logits of the mean probability of the branches, [B, ..., C] each; dimensions
    between are averaged first.

    Of a multilabel space sigmoids are averaged, else softmaxes (over a score's anchors, so that its
    value is the mean of the branches' values).
    """

    def average(branches: list[Tensor], multilabel: bool) -> Tensor:
        if multilabel:
            means = [b.sigmoid().flatten(1, -2).mean(1) for b in branches]
            return torch.stack(means).mean(0).logit(eps=1e-6)
        means = [b.softmax(-1).flatten(1, -2).mean(1) for b in branches]
        return torch.stack(means).mean(0).clamp(min=1e-12).log()

    columns = zip(*(space.split_logits(b) for b in branches), strict=True)
    parts = zip(columns, space.tasks, strict=True)
    return torch.cat([average(list(b), part.kind == "multilabel") for b, part in parts], 1)


class CaratAggregate(nn.Module):
    """Slots S [B, M, C, width] -> logits [B, C] of p = (mean over slots of p(agg(S_m)) + p(max over
    m of w_mc . S_mc)) / 2, p a sigmoid or softmax.

    ``aux``: ``level_logits`` [B, 3, C], the maxima for the attended vectors and both levels of
    rebuilding, by the same w; ``slot_logits`` [B, M, C], what agg says of each slot
    ([B, 0, C] without it).
    """

    class Config(Config):
        aggregate: bool = True
        """False: the maximum alone."""

    def __init__(
        self, config: Config, context: Context, width: int, query_width: int | None
    ) -> None:
        super().__init__()
        self.space, labels = context.space, len(context.space.words)
        self.weight_MCD = nn.Parameter(
            torch.randn(len(context.streams), labels, width) * width**-0.5
        )
        self.agg = None
        if config.aggregate:
            self.agg = nn.Sequential(
                nn.Flatten(2), nn.Linear(labels * width, width), nn.ReLU(), nn.Linear(width, labels)
            )

    def best(self, x_BMCD: Tensor, counts_BM: Tensor) -> Tensor:
        """[B, C]: the maximum over modalities of w_mc . x_mc; zeros where none counts."""
        return masked_max((x_BMCD * self.weight_MCD).sum(-1), counts_BM)

    def forward(
        self, fused: Fused, queries: Queries | None = None
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        slots_BMCD = fused.slots_BMCD
        assert slots_BMCD is not None
        # What is rebuilt stands for every modality, also for one that a row lacks.
        every_BM = torch.ones_like(fused.aux["present"])
        level_B3C = torch.stack(
            [
                self.best(fused.aux["attended"], fused.aux["present"]),
                self.best(fused.aux["first_level"], every_BM),
                self.best(slots_BMCD, every_BM),
            ],
            1,
        )
        branches, slot_BMC = [level_B3C[:, 2:]], level_B3C[:, :0]
        if self.agg is not None:
            slot_BMC = self.agg(slots_BMCD)
            branches.append(slot_BMC)
        aux = {"level_logits": level_B3C, "slot_logits": slot_BMC}
        return average_logits(branches, self.space), aux

"""DMD's losses (Li et al. 2023, arXiv 2303.13802): those that DLF took over, and distillation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Batch, Context, Modality, Model, Output, Progress, Tune
from merbench_baselines.disentangled.dlf_loss import DLFLoss

EDGE_SCALE = 1 / 8
"""Factor on the scores of edges before their softmax."""
SHARPNESS = 4.0
"""Of the edges that are favoured at first."""


class Distillation(nn.Module):
    """A graph of modalities, an edge for every ordered pair: each learns the others' predictions as
    far as the edge says.

    e_{i -> j} = softmax over all pairs of W [a_j; a_i] / 8, a_m = [U logits_m; V x_m] (section
    3.2). The loss is the mean over rows of sum_{i -> j} (e + prior) |logits_j - sg logits_i|, and
    ``prior_weight`` times the squared distances of each edge's mean from its prior, which favours
    the edges of ``favoured`` (from, to).
    """

    def __init__(
        self,
        names: Sequence[Modality],
        width: Mapping[Modality, int],
        logits: int,
        hidden: int,
        favoured: Sequence[tuple[Modality, Modality]],
        prior_weight: float,
    ) -> None:
        super().__init__()
        self.edges = list(permutations(names, 2))  # (from, to)
        self.prior_weight = prior_weight
        self.logits = nn.Linear(logits, hidden)
        self.features = nn.ModuleDict({m: nn.Linear(width[m], hidden) for m in names})
        self.score = nn.Linear(4 * hidden, 1, bias=False)
        liking_E = torch.tensor([float(edge in favoured) for edge in self.edges])
        self.register_buffer("prior_E", (SHARPNESS * liking_E).softmax(0), persistent=False)

    def weights(self, logits: Mapping[Modality, Tensor], x: Mapping[Modality, Tensor]) -> Tensor:
        """[B, E]."""
        a = {m: torch.cat((self.logits(logits[m]), self.features[m](x[m])), 1) for m in x}
        scores = [self.score(torch.cat((a[to], a[source]), 1)) for source, to in self.edges]
        return (EDGE_SCALE * torch.cat(scores, 1)).softmax(1)

    def forward(
        self,
        logits: Mapping[Modality, Tensor],
        x: Mapping[Modality, Tensor],
        present: Mapping[Modality, Tensor],
    ) -> Tensor:
        weight_BE = self.weights(logits, x)
        gaps = [(logits[to] - logits[source].detach()).abs().sum(1) for source, to in self.edges]
        both_BE = torch.stack([present[source] & present[to] for source, to in self.edges], 1)
        gap_BE = torch.where(both_BE, torch.stack(gaps, 1), 0.0)
        imitation = ((weight_BE + self.prior_E) * gap_BE).sum(1).mean()
        distance_E = weight_BE.mean(0) - self.prior_E
        return imitation + self.prior_weight * distance_E.square().sum()


class DMDLoss(DLFLoss):
    """Those of ``DLFLoss``, all branches alike; ``homogeneous``: distillation among what is shared;
    ``heterogeneous``: among what the private steps find.
    """

    class Config(DLFLoss.Config):
        text_branch: Annotated[float, Field(ge=1, le=1)] = 1.0
        """Of the branch named text: DMD has none, so 1 is all that it can be here."""
        homogeneous: Annotated[float, Field(ge=0), Tune(5e-3, 0.5, log=True)] = 0.05
        """Weight of the distillation among the shared vectors; 0 leaves it out."""
        heterogeneous: Annotated[float, Field(ge=0), Tune(5e-3, 0.5, log=True)] = 0.05
        """Weight of the distillation among what private steps find; 0 leaves it out."""
        graph_hidden: Annotated[int, Field(ge=1), Tune(16, 128, log=True)] = 64
        """Width of the layers from which the graph's edges are scored."""
        prior: Annotated[float, Field(ge=0)] = 10.0
        """How strongly edges are held near their prior: the text teaches audio and video, and
        among what private steps find video teaches audio too.
        """

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__(config, context, model)
        self.names = list(context.streams)
        favoured: list[tuple[Modality, Modality]] = [("text", "video"), ("text", "audio")]
        edges_by_kind = {"homogeneous": favoured, "heterogeneous": [*favoured, ("video", "audio")]}
        self.graphs = nn.ModuleDict(
            {
                kind: Distillation(
                    self.names,
                    {m: self.branch_widths[f"{kind}.{m}"] for m in self.names},
                    context.space.logit_count,
                    config.graph_hidden,
                    edges,
                    config.prior,
                )
                for kind, edges in edges_by_kind.items()
                if getattr(config, kind)
            }
        )

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        terms = dict(super().forward(model, batch, out, at))
        x, logits = self.of_branches(out.aux["branches"])
        present = dict(zip(self.names, out.aux["present"].unbind(1), strict=True))
        for kind, graph in self.graphs.items():
            names = {m: f"{kind}.{m}" for m in self.names}
            loss = graph(
                {m: logits[name] for m, name in names.items()},
                {m: x[name] for m, name in names.items()},
                present,
            )
            terms[kind] = getattr(self.config, kind) * loss
        return terms

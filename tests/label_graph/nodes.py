"""KGGR's own propagation, read-out and classifiers, over nodes that hold each label's own evidence
and nothing else.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from merbench.api import Context, Fused, Queries
from merbench_related.kggr.graph_propagation import GatedPropagation
from merbench_related.kggr.head import GraphClassifier
from tests.label_graph.evidence import Evidence

WIDTH, STEPS, EPOCHS, ROWS, RATE = 32, 3, 20, 128, 5e-3


class Nodes(nn.Module):
    """[B, C] log-odds -> logits [B, C]: KGGR with f_c = tanh(w x_c + b), the same for all labels,
    in place of its semantic attention.
    """

    def __init__(self, given: Evidence) -> None:
        super().__init__()
        self.enter = nn.Linear(1, WIDTH)
        self.propagate = GatedPropagation(WIDTH, STEPS)
        self.read_out = nn.Linear(2 * WIDTH, WIDTH)
        context = cast(Context, SimpleNamespace(space=given.task.space))
        self.head = GraphClassifier(GraphClassifier.Config(), context, WIDTH, None)

    def forward(self, x_BC: Tensor, queries: Queries) -> Tensor:
        assert queries.graph_CC is not None
        f_BCD = self.enter(x_BC[..., None]).tanh()
        h_BCD = self.propagate(f_BCD, queries.graph_CC)
        z_BCD = self.read_out(torch.cat((h_BCD, f_BCD), -1)).tanh()
        logits_BC, _ = self.head(Fused(z_BCD), queries)
        return cast(Tensor, logits_BC)


def trained(given: Evidence, graph_CC: np.ndarray, seed: int) -> float:
    """Test mAP of the epoch that is best on validation rows. ``graph_CC`` without its diagonal,
    which is 1.
    """
    torch.manual_seed(seed)
    nodes, train = Nodes(given), torch.from_numpy(given.split.train)
    edges_CC = torch.tensor(graph_CC + np.eye(len(graph_CC)), dtype=torch.float32)
    queries = Queries(torch.zeros(len(edges_CC), 1), edges_CC)
    x_NC = torch.tensor(given.own_NC, dtype=torch.float32)
    x_NC = (x_NC - x_NC[train].mean(0)) / x_NC[train].std(0)
    target_NC = torch.tensor(given.task.target, dtype=torch.float32)
    known_NC = torch.from_numpy(given.known_NC)
    optimiser = torch.optim.AdamW(nodes.parameters(), RATE)
    scores = []
    for _ in range(EPOCHS):
        for rows in train[torch.randperm(len(train))].split(ROWS):
            logits_BC, known_BC = nodes(x_NC[rows], queries), known_NC[rows]
            loss = F.binary_cross_entropy_with_logits(
                logits_BC[known_BC], target_NC[rows][known_BC]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            scores.append(nodes(x_NC, queries).numpy())
    chosen = max(scores, key=lambda score_NC: given.map(score_NC, given.split.valid))
    return given.map(chosen, given.split.test)

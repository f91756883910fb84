"""A composed model: what its parts hand to one another and to objectives."""

from __future__ import annotations

import torch
from torch import nn

from merbench.api import Batch, Fused, Queries, Steps
from merbench.engine.model.compose import Composed, Declared
from merbench.testing import tiny


class Encoder(nn.Module):
    width = 6

    def forward(self, steps):
        return steps


class Labels(nn.Module):
    width = 3

    def forward(self, space=None):
        return Queries(torch.eye(7, 3), torch.eye(7), {"prior": torch.ones(7)})


class Side(nn.Module):
    """All steps side by side, and one slot a modality."""

    width, widths = 6, {"common": 2}

    def forward(self, parts, queries=None):
        x_BLD, mask_BL = (torch.cat(both, 1) for both in zip(*parts.values(), strict=True))
        z_BCD = x_BLD.mean(1, keepdim=True) * queries.extras["prior"][None, :, None]
        slots_BMCD = torch.stack([z_BCD, z_BCD], 1)
        return Fused(z_BCD, {"common": z_BCD[..., :2]}, Steps(x_BLD, mask_BL), slots_BMCD)


class Head(nn.Module):
    def forward(self, fused, queries=None):
        assert fused.steps is not None and fused.slots_BMCD.shape[1] == 2
        return fused.z_BCD.mean(-1), {"gates": fused.z_BCD.sum()}


def test_objectives_find_widths_and_what_parts_made():
    declared = Declared("slots", ("common",), ("gates",), ("prior", "graph"))
    encoders = {"audio": Encoder(), "text": Encoder()}
    model = Composed(encoders, Side(), Head(), Labels(), declared)
    assert model.widths == {"text": 6, "audio": 6, "fused": 6, "queries": 3, "common": 2}
    batch = Batch(torch.arange(5), tiny.parts(modalities=("text", "audio")), torch.zeros(5))
    out = model(batch)
    assert out.logits_BC.shape == (5, 7)
    assert set(out.aux) == {"common", "gates"}
    assert out.fused.slots_BMCD.shape == (5, 2, 7, 6)
    assert out.queries.graph_CC.shape == (7, 7)

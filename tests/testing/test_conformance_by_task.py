"""A part that is for some tasks or modalities alone is checked on one of these."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from merbench.api import Config, Fused, Queries, Steps
from tests.testing.test_conformance import Sound, Square, verdicts


class FusionOfClasses(Sound):
    def __init__(self, config, context, *given):
        super().__init__(config, context, *given)
        assert context.space.kind == "class"


class Focal(Square):
    def forward(self, model, batch, out, at):
        return {"focal": F.cross_entropy(out.logits_BC, batch.target)}


class TwoLines(nn.Module):
    """A head of a joint task: a line for each of its tasks."""

    class Config(Config):
        pass

    def __init__(self, config, context, width, query_width):
        super().__init__()
        self.lines = nn.ModuleList(nn.Linear(width, t.logit_count) for t in context.space.parts)

    def forward(self, fused, queries=None):
        return torch.cat([line(fused.z_BCD[:, 0]) for line in self.lines], 1)


class OneLine(TwoLines):
    def forward(self, fused, queries=None):
        return self.lines[1](fused.z_BCD[:, 0])


class LabelsOfClasses(nn.Module):
    width = 3

    class Config(Config):
        pass

    def __init__(self, config, context):
        super().__init__()
        assert context.space.anchors is None
        self.words = context.space.words
        self.table = nn.Embedding(20, self.width)

    def forward(self, space=None):
        return Queries(self.table.weight[: len(space.words if space else self.words)])


class Louder:
    """A view of labels."""

    class Config(Config):
        pass

    def __init__(self, config, context):
        assert context.space.kind == "multilabel"

    def __call__(self, steps, draw):
        factor = 1 + torch.rand((), generator=draw)
        return {m: Steps(s.x_BLD * factor, s.mask_BL) for m, s in steps.items()}


class Frames(nn.Module):
    """An encoder of video."""

    width, frozen = 3, False

    class Config(Config):
        pass

    def __init__(self, config, context, stream):
        super().__init__()
        assert stream.modality == "video" and set(context.streams) == {"video"}
        self.line = nn.Linear(stream.width, self.width)

    def prepare(self, rows):
        return rows

    def forward(self, steps):
        x_BLD = torch.where(steps.mask_BL[..., None], steps.x_BLD, 0.0)
        return Steps(self.line(x_BLD), steps.mask_BL)


PARTS = {
    FusionOfClasses: {"kind": "fusion", "spaces": ("class",)},
    Focal: {"kind": "objective", "spaces": ("class",)},
    TwoLines: {"kind": "head", "accepts": ("pooled",), "spaces": ("joint",)},
    LabelsOfClasses: {"kind": "label-encoder", "spaces": ("class", "score")},
    Louder: {"kind": "view", "spaces": ("multilabel",)},
    Frames: {"kind": "encoder", "accepts": ("features",), "modalities": ("video",)},
}


@pytest.mark.parametrize("factory", PARTS)
def test_it_meets_what_it_is_for(factory):
    found = verdicts(factory, **PARTS[factory])
    assert [v for v in found.values() if v.status != "passed"] == []


def test_the_logits_are_those_of_its_task():
    reason = verdicts(OneLine, **PARTS[TwoLines])["logits"].reason
    assert "logits of a joint are (5, 6)" in reason and "other than 7 or 13 columns" in reason


class OverLabels(Sound):
    """A fusion of pooled modalities and what the label encoder provides."""

    def of_labels(self, queries):
        return queries.graph_CC

    def forward(self, parts, queries=None):
        return Fused(self.pooled(parts)[:, None] * (1 + self.of_labels(queries).mean()))


class OverAudiosOwn(OverLabels):
    def of_labels(self, queries):
        return queries.by_modality["audio"]


class OverPrior(OverLabels):
    def of_labels(self, queries):
        return queries.extras["prior"]


class HeadOverLabels(nn.Module):
    class Config(Config):
        pass

    def __init__(self, config, context, width, query_width):
        super().__init__()
        self.line = nn.Linear(width, query_width)

    def forward(self, fused, queries=None):
        return self.line(fused.z_BCD[:, 0]) @ (queries.graph_CC @ queries.emb_CD).T


@pytest.mark.parametrize(
    ("factory", "needs", "statuses"),
    [
        (OverLabels, ("graph",), {"passed"}),
        (OverAudiosOwn, ("queries", "by_modality"), {"passed"}),
        (OverPrior, ("queries", "prior"), {"passed", "skipped"}),
        (HeadOverLabels, ("graph",), {"passed"}),
    ],
)
def test_what_a_part_needs_of_labels_is_there_or_not_checked(factory, needs, statuses):
    head = {"kind": "head", "accepts": ("pooled",)}
    declared = head if factory is HeadOverLabels else {"kind": "fusion"}
    found = verdicts(factory, needs=needs, **declared)
    assert {v.status for v in found.values()} == statuses
    skipped = {v.reason for v in found.values() if v.status == "skipped"}
    assert skipped <= {"needs prior: checked in the recipes that have it"}

"""MCTN's losses (Pham et al. 2019, arXiv 1812.07809): from the states that predict, the other
modalities are translated, and the first of them back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Batch, Config, Context, Modality, Model, Output, Progress, Tune
from merbench_baselines.translation.mctn import MCTN

Weight = Annotated[float, Field(ge=0), Tune(0.01, 1.0, log=True)]


class AttentionDecoder(nn.Module):
    """States h [B, T, H] -> states [B, T, H] of an LSTM that at every step attends to h: its input
    is sum_t a_t h_t, a = softmax(v tanh(W [h_t; s])), s the state before it (section 3.2).
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.keys = nn.Linear(hidden, hidden)
        self.query = nn.Linear(hidden, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.cell = nn.LSTMCell(hidden, hidden)

    def forward(self, joint_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        keys_BTH = self.keys(joint_BTH)
        closed_BT = ~mask_BT & mask_BT.any(1, keepdim=True)
        s_BH = c_BH = joint_BTH.new_zeros(len(joint_BTH), joint_BTH.shape[2])
        states = []
        for _ in range(joint_BTH.shape[1]):
            score_BT = self.score((keys_BTH + self.query(s_BH)[:, None]).tanh())[..., 0]
            weight_BT = score_BT.masked_fill(closed_BT, -torch.inf).softmax(1)
            s_BH, c_BH = self.cell((weight_BT[..., None] * joint_BTH).sum(1), (s_BH, c_BH))
            states.append(s_BH)
        return torch.stack(states, 1)


class CyclicTranslation(nn.Module):
    """``forward``: mean squared error of the first target, translated from h_1. ``back``: that of
    the source, translated from what the encoder makes of the translated target. ``second``: that of
    the second target, translated from h_2. Over the values of real steps of rows with both.
    """

    class Config(Config):
        forward: Weight = 0.1
        """Weight of the error of the first target, translated from the source; 0 leaves it out."""
        back: Weight = 0.1
        """Weight of the error of the source, translated back; 0 leaves it out."""
        second: Weight = 0.1
        """Weight of the error of the second target; 0 leaves it out."""

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config = config
        fusion = model.fusion  # type: ignore[attr-defined]
        if not isinstance(fusion, MCTN):
            raise TypeError("objective cyclic-translation is for fusion mctn alone")
        hidden = model.widths["joint"]
        self.source, (first_target, *later_targets) = fusion.source, fusion.targets
        self.first: Modality = first_target
        self.second: Modality | None = later_targets[0] if later_targets and config.second else None
        # One decoder translates both ways, with a last layer for each modality.
        names = [first_target] if config.forward or config.back else []
        names += [self.source] if config.back else []
        self.out = nn.ModuleDict({m: nn.Linear(hidden, model.widths[m]) for m in names})
        if names:
            self.decode = AttentionDecoder(hidden)
        if config.back:  # through the encoder that the source went through
            self.project = nn.Linear(model.widths[first_target], model.widths["projected"])
        if self.second:
            self.decode_second = AttentionDecoder(hidden)
            self.out_second = nn.Linear(hidden, model.widths[self.second])

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        fusion: MCTN = model.fusion  # type: ignore[attr-defined]
        x, mask_BT = fusion.at_source(out.steps)
        length = mask_BT.shape[1]
        joint = {name: out.aux[name][:, :length] for name in out.aux if name.startswith("joint.")}
        real_BT = {m: mask_BT & out.steps[m].mask_BL.any(1, keepdim=True) for m in x}
        terms = {}
        if self.config.forward or self.config.back:
            translated_BTD = self.out[self.first](self.decode(joint["joint.1"], mask_BT))
            error = squared_error(translated_BTD, x[self.first], real_BT[self.first])
            terms["forward"] = self.config.forward * error
        if self.config.back:
            again_BTH = fusion.first(self.project(translated_BTD), mask_BT)
            source_BTD = self.out[self.source](self.decode(again_BTH, mask_BT))
            error = squared_error(source_BTD, x[self.source], mask_BT)
            terms["back"] = self.config.back * error
        if self.second:
            third_BTD = self.out_second(self.decode_second(joint["joint.2"], mask_BT))
            error = squared_error(third_BTD, x[self.second], real_BT[self.second])
            terms["second"] = self.config.second * error
        return terms


def squared_error(made_BTD: Tensor, target_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """Mean over the values of masked steps; 0 where there are none."""
    # A stream that is trained along would otherwise become easy to translate to: constant.
    error_BT = (made_BTD - target_BTD.detach()).square().mean(2)
    return torch.where(mask_BT, error_BT, 0.0).sum() / mask_BT.sum().clamp(min=1)

"""MCTN: multimodal cyclic translation network (Pham et al. 2019, AAAI, arXiv 1812.07809)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from merbench.api import (
    Config,
    Context,
    Fused,
    Modality,
    Queries,
    RequestError,
    Steps,
    compact,
    complete,
    lstm_states,
    masked_softmax,
    resample,
)
from merbench_baselines.fields import Width
from merbench_baselines.utterance_vectors import BiLSTM


class SummedBiLSTM(nn.Module):
    """Steps -> states [B, T, hidden], the sums of an LSTM's from both directions; zeros where
    masked.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.lstm = BiLSTM(width, hidden)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        states_BTE, _ = self.lstm(Steps(x_BTD, mask_BT))
        forward_BTH, backward_BTH = states_BTE.chunk(2, 2)
        return forward_BTH + backward_BTH


class MCTN(nn.Module):
    """z is read from the source modality alone, through states from which the other modalities can
    be translated: h_1 = E_1(P x_source), from which the first target is, and with two targets h_2 =
    E_2(h_1), from which the second is (section 3.3).

    z = sum_t a_t r_t, r an LSTM over the last h, a = softmax(tanh(w r + b)). ``aux``: ``joint.1``
    and ``joint.2`` [B, T, hidden] at the source's steps.
    """

    class Config(Config):
        source: Modality = "text"
        """The modality that is translated, and the only one needed when the model is used."""
        width: Width = 64
        """Of P x, what steps are projected to for the first encoder."""
        hidden: Width = 32
        """Of the encoders."""
        read: Width = 32
        """Of the LSTM that z is read from."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        if config.source not in widths:
            raise RequestError(
                f"mctn: fusion.source {config.source} is not here; choose of {', '.join(widths)}"
            )
        self.inputs, self.source, self.width = widths, config.source, config.read
        self.targets: list[Modality] = [m for m in widths if m != self.source]
        self.project = nn.Linear(widths[self.source], config.width)
        self.first = SummedBiLSTM(config.width, config.hidden)
        if len(self.targets) > 1:
            self.second = SummedBiLSTM(config.hidden, config.hidden)
        self.lstm = nn.LSTM(config.hidden, config.read, batch_first=True)
        self.score = nn.Linear(config.read, 1)
        self.widths = {"joint": config.hidden, "projected": config.width}

    def read(self, joint_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """[B, width]; zeros where a row lacks the source."""
        r_BTR = lstm_states(self.lstm, Steps(joint_BTH, mask_BT))
        weight_BT = masked_softmax(self.score(r_BTR)[..., 0].tanh(), mask_BT)
        return (weight_BT[..., None] * r_BTR).sum(1)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        x_BTD, mask_BT = compact(complete(parts, self.inputs)[self.source])
        joint_BTH = self.first(self.project(x_BTD), mask_BT)
        aux = {"joint.1": joint_BTH}
        if len(self.targets) > 1:
            joint_BTH = aux["joint.2"] = self.second(joint_BTH, mask_BT)
        return Fused(self.read(joint_BTH, mask_BT)[:, None], aux)

    def at_source(self, parts: Mapping[Modality, Steps]) -> tuple[dict[Modality, Tensor], Tensor]:
        """Every modality [B, T, D_m] at the source's steps, and which those are [B, T]."""
        steps = complete(parts, self.inputs)
        source = compact(steps[self.source])
        length_B = source.mask_BL.sum(1)
        longest = max(1, int(length_B.max()))
        x: dict[Modality, Tensor] = {self.source: source.x_BLD[:, :longest]}
        x |= {m: resample(steps[m], length_B) for m in self.targets}
        return x, source.mask_BL[:, :longest]

"""What the label encoders that read label texts through a pretrained text tower share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Context, LabelSpace, check_label_vectors
from merbench_encoders.adapters import drop_idle_adapters
from merbench_encoders.labels.base import LabelTextConfig, LabelTexts
from merbench_encoders.tower import keep_trained, prepare_training


class LabelTowerConfig(LabelTextConfig):
    """What a label encoder learns beside, or in, its tower."""

    context_tokens: Annotated[int, Field(ge=0)] = 0
    """Learned vectors put between the start token and the text (CoOp, Zhou et al. 2022,
    2109.01134).
    """


class LabelTower(LabelTexts):
    """Label texts -> Queries [C, D], D = ``config.width`` or ``base``, the tower's.

    A frozen tower without context tokens runs once. A subclass gives ``read()``. Raises
    RequestError where two labels have one vector.
    """

    weights_prefix = "net."
    base_CD: Tensor

    def __init__(
        self, net: nn.Module, config: Any, context: Context, base: int, token_width: int
    ) -> None:
        super().__init__(config, context, base)
        self.net = net
        frozen = prepare_training(net, config)
        self.precision = config.precision if frozen else "fp32"
        keep_trained(self)
        self.fixed = frozen and not config.context_tokens
        drop_idle_adapters(net, lambda: self.read(self.texts(context.space), None))
        with torch.no_grad():
            base_CD = self.read(self.texts(context.space), None)
        check_label_vectors(context.space, base_CD.numpy(), texts=self.texts(context.space))
        self.context_NW: nn.Parameter | None = None
        if self.fixed:
            self.register_buffer("base_CD", base_CD)
        if config.context_tokens:
            start_NW = 0.02 * torch.randn(config.context_tokens, token_width)
            self.context_NW = nn.Parameter(start_NW)

    @abstractmethod
    def read(self, texts: tuple[str, ...], context_NW: Tensor | None) -> Tensor:
        """[C, base] float32: one vector a text, with ``context_NW`` after each start token."""

    def vectors(self, space: LabelSpace) -> Tensor:
        if self.fixed and space == self.space:
            return self.base_CD
        emb_CD = self.read(self.texts(space), self.context_NW)
        if space != self.space:
            check_label_vectors(space, emb_CD.detach().cpu().numpy(), texts=self.texts(space))
        return emb_CD

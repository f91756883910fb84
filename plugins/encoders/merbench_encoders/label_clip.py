"""``label-clip``: CLIP's text tower on the label texts."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Context, LabelSpace, RequestError, check_label_vectors
from merbench_encoders.clip import ClipConfig, clip_digest, clip_source, joint_width, load_text
from merbench_encoders.label_base import LabelTextConfig, LabelTexts
from merbench_encoders.tower import autocast, keep_trained, prepare_training

_INSTEAD = "use word vectors (--part label-encoder=label-vectors) or an untrained tower (--set label_encoder.pretrained=random)"


class LabelClip(LabelTexts):
    """Label texts -> Queries [C, D]: the tower's state at the end of each text, D =
    ``config.width`` or CLIP's joint width.

    Raises RequestError where the weights are out of reach or two labels have one vector.
    """

    class Config(ClipConfig, LabelTextConfig):
        context_tokens: Annotated[int, Field(ge=0)] = 0
        """Learned vectors put between the start token and the text (CoOp, Zhou et al. 2022,
        2109.01134).
        """

    base_CD: Tensor

    def __init__(self, config: Config, context: Context) -> None:
        net, tokenizer = load_text(config, _INSTEAD)
        super().__init__(config, context, joint_width(config))
        self.net, self.tokenizer = net, tokenizer
        frozen = prepare_training(net, config)
        self.precision = config.precision if frozen else "fp32"
        keep_trained(self)
        self.context_NW: nn.Parameter | None = None
        with torch.no_grad():
            base_CD = self._encode(context.space)
        check_label_vectors(context.space, base_CD.numpy())
        self.fixed = frozen and not config.context_tokens
        if self.fixed:
            self.register_buffer("base_CD", base_CD)  # the tower runs once
        if config.context_tokens:
            self.context_NW = nn.Parameter(
                0.02 * torch.randn(config.context_tokens, net.token_embedding.embedding_dim)
            )

    @staticmethod
    def pretrained(config: Config) -> dict[str, str]:
        """Name -> SHA-256 of the weights it starts from."""
        return clip_digest(config, _INSTEAD)

    @staticmethod
    def sources(config: Config) -> dict[str, str]:
        """Name -> where those weights come from, with the revision where there is one."""
        return clip_source(config, _INSTEAD)

    def _encode(self, space: LabelSpace) -> Tensor:
        ids_CL, length_C, _ = self.tokenizer(self.texts(space))
        x_CLW = self.net.token_embedding(
            ids_CL[:, : int(length_C.max())].to(self.net.attn_mask.device)
        )
        end_C = length_C - 1
        if self.context_NW is not None:
            end_C = end_C + len(self.context_NW)
            if int(end_C.max()) >= self.tokenizer.length:
                raise RequestError(
                    f"context_tokens={len(self.context_NW)} and a label text exceed {self.tokenizer.length} tokens"
                )
            x_CLW = torch.cat(
                (x_CLW[:, :1], self.context_NW.expand(len(x_CLW), -1, -1), x_CLW[:, 1:]), 1
            )
        with autocast(x_CLW.device, self.precision):
            return self.net(x_CLW)[torch.arange(len(x_CLW)), end_C].float()

    def vectors(self, space: LabelSpace) -> Tensor:
        if self.fixed and space == self.space:
            return self.base_CD
        emb_CD = self._encode(space)
        if space != self.space:
            check_label_vectors(space, emb_CD.detach().float().cpu().numpy())
        return emb_CD

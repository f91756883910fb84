"""``label-clip``: CLIP's text tower on the label texts."""

from __future__ import annotations

import torch
from torch import Tensor

from merbench.api import Context, RequestError
from merbench_encoders.clip.config import ClipTextConfig
from merbench_encoders.clip.towers import joint_width, load_text
from merbench_encoders.clip.weights import clip_digest, clip_source
from merbench_encoders.labels.tower import LabelTower, LabelTowerConfig
from merbench_encoders.tower import autocast

_INSTEAD = (
    "use word vectors (--part label-encoder=label-vectors) or an untrained tower "
    "(--set label_encoder.pretrained=random)"
)


class LabelClip(LabelTower):
    """Label texts -> Queries [C, D]: the tower's state at the end of each text, D =
    ``config.width`` or CLIP's joint width.

    Raises RequestError where the weights are out of reach or two labels have one vector.
    """

    class Config(ClipTextConfig, LabelTowerConfig):
        pass

    def __init__(self, config: Config, context: Context) -> None:
        net, tokenizer = load_text(config, _INSTEAD)
        self._tokenizer = tokenizer
        token_width = net.token_embedding.embedding_dim
        super().__init__(net, config, context, joint_width(config, _INSTEAD), token_width)

    @staticmethod
    def pretrained(config: Config) -> dict[str, str]:
        """Name -> SHA-256 of the weights it starts from."""
        return clip_digest(config, _INSTEAD)

    @staticmethod
    def sources(config: Config) -> dict[str, str]:
        """Name -> where those weights come from, with the revision where there is one."""
        return clip_source(config, _INSTEAD)

    def read(self, texts: tuple[str, ...], context_NW: Tensor | None) -> Tensor:
        ids_CL, mask_CL, _ = self._tokenizer(texts)[torch.arange(len(texts))]
        x_CLW = self.net.token_embedding(ids_CL.to(self.net.attn_mask.device))
        end_C = mask_CL.sum(1) - 1
        if context_NW is not None:
            end_C = end_C + len(context_NW)
            if int(end_C.max()) >= self._tokenizer.length:
                raise RequestError(
                    f"context_tokens={len(context_NW)} and a label text exceed "
                    f"{self._tokenizer.length} tokens"
                )
            added_CNW = context_NW.expand(len(x_CLW), -1, -1)
            x_CLW = torch.cat((x_CLW[:, :1], added_CNW, x_CLW[:, 1:]), 1)
        with autocast(x_CLW.device, self.precision):
            return self.net(x_CLW)[torch.arange(len(x_CLW)), end_C].float()

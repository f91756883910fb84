"""``label-hf``: a transformers text encoder on the label texts, so that labels and language share
the space of one tower.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from merbench.api import Context, RequestError, masked_mean
from merbench_encoders.hf.models import (
    LayerConfig,
    ModelName,
    hf_digest,
    hf_source,
    hidden_state,
    input_embeddings,
    load_hf,
)
from merbench_encoders.labels.tower import LabelTower, LabelTowerConfig
from merbench_encoders.letter_case import LetterCase
from merbench_encoders.padding import masks_padding, rows_together
from merbench_encoders.tower import autocast
from merbench_encoders.word_pieces import PieceTokenizer

_INSTEAD = (
    "use word vectors (--part label-encoder=label-vectors) or another model "
    "(--set label_encoder.model=FOLDER)"
)


class LabelHf(LabelTower):
    """Label texts -> Queries [C, D]: the mean over each text's pieces (as ``hf-text`` with
    ``pooled``), D = ``config.width`` or the model's.

    Raises RequestError where the weights are out of reach or two labels have one vector.
    """

    class Config(LayerConfig, LabelTowerConfig):
        model: ModelName = "bert-base-uncased"
        lower: LetterCase = "auto"
        """Read in lower case; ``auto``: a text that has no lower-case letter."""

    def __init__(self, config: Config, context: Context) -> None:
        net, folder = load_hf(config, _INSTEAD)
        self._tokenizer = PieceTokenizer(folder, net, None, config.lower, _INSTEAD)
        self._layer, self._mean_layers = config.layer, config.mean_layers
        ids_L, pad = self._tokenizer.example()
        embed = input_embeddings(net, _INSTEAD)
        self._masks_padding = masks_padding(
            net, partial(self._states, net), embed(ids_L), embed(pad)
        )
        super().__init__(net, config, context, int(net.config.hidden_size), embed.embedding_dim)

    @staticmethod
    def pretrained(config: Config) -> dict[str, str]:
        """Name -> SHA-256 of the weights it starts from."""
        return hf_digest(config, _INSTEAD)

    @staticmethod
    def sources(config: Config) -> dict[str, str]:
        """Name -> where those weights come from, with the revision where there is one."""
        return hf_source(config, _INSTEAD)

    def read(self, texts: tuple[str, ...], context_NW: Tensor | None) -> Tensor:
        embed = self.net.get_input_embeddings()
        tokens = self._tokenizer(texts)[torch.arange(len(texts))]
        x_CLW = embed(tokens.ids_BL.to(embed.weight.device))
        mask_CL = tokens.mask_BL.to(x_CLW.device)
        if context_NW is not None:
            # Behind the start piece, which is no part of a word; some models have none.
            at = int((tokens.word_BL[:, 0] < 0).all())
            x_CLW = self._inserted(x_CLW, context_NW.expand(len(x_CLW), -1, -1), at)
            mask_CL = torch.cat((mask_CL.new_ones(len(mask_CL), len(context_NW)), mask_CL), 1)
        length_C = mask_CL.sum(1)
        vector_CD = x_CLW.new_zeros(len(texts), int(self.net.config.hidden_size))
        for row_N in rows_together(length_C, self._masks_padding):
            end = int(length_C[row_N].max())
            attended_NL = mask_CL[row_N, :end] if self._masks_padding else None
            with autocast(x_CLW.device, self.precision):
                state_NLD = self._states(self.net, x_CLW[row_N, :end], attended_NL).float()
            vector_CD = vector_CD.index_put((row_N,), masked_mean(state_NLD, mask_CL[row_N, :end]))
        return vector_CD

    def _states(self, net: nn.Module, x_CLW: Tensor, mask_CL: Tensor | None) -> Tensor:
        masks = {} if mask_CL is None else {"attention_mask": mask_CL.long()}
        return hidden_state(net, self._layer, self._mean_layers, inputs_embeds=x_CLW, **masks)

    def _inserted(self, x_CLW: Tensor, added_CNW: Tensor, at: int) -> Tensor:
        if x_CLW.shape[1] + added_CNW.shape[1] > self._tokenizer.longest:
            raise RequestError(
                f"context_tokens={added_CNW.shape[1]} and a label text exceed "
                f"{self._tokenizer.longest} tokens"
            )
        return torch.cat((x_CLW[:, :at], added_CNW, x_CLW[:, at:]), 1)

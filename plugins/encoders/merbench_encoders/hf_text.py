"""``hf-text``: a pretrained text encoder (BERT, RoBERTa, DeBERTa, ...) on the transcript, its piece
states kept as a sequence.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from merbench.api import Context, RequestError, Steps, StreamSpec, TensorRows, TextRows, Tokens
from merbench_encoders.hf import LayerConfig, hf_digest, hf_source, hidden_state, load_hf
from merbench_encoders.tower import Tower

_INSTEAD = "use word vectors (--encoder text=word-vectors) or another model (--set encoder.text.model=FOLDER)"


def _tokens(ids_BL: Tensor, mask_BL: Tensor, word_BL: Tensor) -> Tokens:
    """No longer than the batch's longest text."""
    longest = max(1, int(mask_BL.sum(1).max()))
    return Tokens(ids_BL[:, :longest], mask_BL[:, :longest], word_BL[:, :longest])


class HfText(Tower):
    """Strings -> Steps [B, L, D], D = the model's width: one hidden state of every piece, the
    model's own start and end included.

    ``measured``: ``truncated_rate``, the share of the split's texts cut to ``longest`` pieces.
    """

    class Config(LayerConfig):
        model: str = "bert-base-uncased"
        longest: Annotated[int, Field(ge=3)] = 128
        """Pieces that a text keeps at most (never more than the model can take)."""

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        net, folder = load_hf(config, _INSTEAD)
        super().__init__(net, config)
        from transformers import AutoTokenizer  # after the model, as in hf.py

        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:
            raise RequestError(
                f"{folder} has no tokenizer that can be read; give a folder that has, or {_INSTEAD}"
            ) from error
        if not self.tokenizer.is_fast or self.tokenizer.pad_token_id is None:
            raise RequestError(
                f"{config.model} has no fast tokenizer with a padding token; choose a model that has, or {_INSTEAD}"
            )
        places = getattr(net.config, "max_position_embeddings", None) or config.longest + 2
        # RoBERTa keeps two of its places for itself.
        self.longest = min(config.longest, self.tokenizer.model_max_length, places - 2)
        self.layer, self.width = config.layer, int(net.config.hidden_size)

    @staticmethod
    def pretrained(config: Config) -> dict[str, str]:
        """Name -> SHA-256 of the weights it starts from."""
        return hf_digest(config, _INSTEAD)

    @staticmethod
    def sources(config: Config) -> dict[str, str]:
        """Name -> where those weights come from, with the revision where there is one."""
        return hf_source(config, _INSTEAD)

    def prepare(self, rows: TextRows) -> TensorRows:
        """Tokenise the split's texts."""
        texts = rows[torch.arange(len(rows))]
        there = [i for i, text in enumerate(texts) if text is not None]
        made = (
            self.tokenizer(
                [texts[i] for i in there], truncation=True, max_length=self.longest
            ).encodings
            if there
            else []
        )
        length = max((len(one.ids) for one in made), default=1)
        ids_NL = torch.full((len(texts), length), self.tokenizer.pad_token_id)
        word_NL, mask_NL = torch.full_like(ids_NL, -1), torch.zeros_like(ids_NL, dtype=torch.bool)
        for i, one in zip(there, made, strict=True):
            n = len(one.ids)
            ids_NL[i, :n] = torch.tensor(one.ids)
            word_NL[i, :n] = torch.tensor([-1 if word is None else word for word in one.word_ids])
            mask_NL[i, :n] = True
        self.measured = {
            "truncated_rate": sum(bool(one.overflowing) for one in made) / max(1, len(made))
        }
        return TensorRows((ids_NL, mask_NL, word_NL), _tokens)

    def forward(self, inputs: Tokens) -> Steps:
        ids_BL, mask_BL = inputs.ids_BL, inputs.mask_BL
        # A text that is not there attends to one padding piece: some attention kernels make NaN of
        # nothing.
        seen_BL = mask_BL | (
            ~mask_BL.any(1, keepdim=True)
            & (torch.arange(mask_BL.shape[1], device=mask_BL.device) == 0)
        )
        with self.cast(ids_BL.device):
            x_BLD = hidden_state(
                self.net, self.layer, input_ids=ids_BL, attention_mask=seen_BL.long()
            )
        return Steps(x_BLD.float(), mask_BL)

"""``hf-text``: a pretrained text encoder (BERT, RoBERTa, MiniLM, ...) on the transcript."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field

from merbench.api import Context, Steps, StreamSpec, TextRows, Tokens, masked_mean
from merbench_encoders.hf.models import (
    LayerConfig,
    ModelName,
    hf_digest,
    hf_source,
    hidden_state,
    load_hf,
)
from merbench_encoders.letter_case import LetterCase
from merbench_encoders.pieces import PieceRows, PieceTokenizer
from merbench_encoders.tower import Tower

_INSTEAD = (
    "use word vectors (--encoder text=word-vectors) or another model "
    "(--set encoder.text.model=FOLDER)"
)


class HfText(Tower):
    """Strings -> Steps [B, L, D], D = the model's width: one hidden state of every piece, the
    model's own start and end included. ``pooled``: Steps [B, 1, D], the sentence embedding.

    ``measured``: ``truncated_rate``, the share of the split's texts that were cut, and
    ``lowered_rate``, the share that was read in lower case.
    """

    class Config(LayerConfig):
        model: ModelName = "bert-base-uncased"
        pooled: bool = False
        """One step: the mean over real pieces at length 1 (Reimers & Gurevych 2019, 1908.10084)."""
        lower: LetterCase = "auto"
        """Read in lower case; ``auto``: a text that has no lower-case letter."""
        longest: Annotated[int, Field(ge=3)] | None = None
        """Pieces that a text keeps at most; None = as many as the model was made for."""

    steps_at_once = 2048

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        net, folder = load_hf(config, _INSTEAD)
        super().__init__(net, config)
        self.tokenizer = PieceTokenizer(folder, net, config.longest, config.lower, _INSTEAD)
        self.layer, self.width, self.pooled = (
            config.layer,
            int(net.config.hidden_size),
            config.pooled,
        )
        self.settle_adapters(self.tokenizer(["a text"])[torch.tensor([0])])

    @staticmethod
    def pretrained(config: Config) -> dict[str, str]:
        """Name -> SHA-256 of the weights it starts from."""
        return hf_digest(config, _INSTEAD)

    @staticmethod
    def sources(config: Config) -> dict[str, str]:
        """Name -> where those weights come from, with the revision where there is one."""
        return hf_source(config, _INSTEAD)

    def prepare(self, rows: TextRows) -> PieceRows:
        """Tokenise the split's texts."""
        pieces = self.tokenizer(rows[torch.arange(len(rows))])
        self.measured = pieces.measured
        return pieces

    def forward(self, inputs: Tokens) -> Steps:
        ids_BL, mask_BL = inputs.ids_BL, inputs.mask_BL
        # A text that is not there attends to one padding piece: some attention kernels make NaN of
        # nothing.
        first_L = torch.arange(mask_BL.shape[1], device=mask_BL.device) == 0
        attended_BL = mask_BL | (~mask_BL.any(1, keepdim=True) & first_L)
        with self.cast(ids_BL.device):
            x_BLD = hidden_state(
                self.net, self.layer, input_ids=ids_BL, attention_mask=attended_BL.long()
            )
        x_BLD = x_BLD.float()
        if not self.pooled:
            return Steps(x_BLD, mask_BL)
        sentence_BD = F.normalize(masked_mean(x_BLD, mask_BL), dim=-1)
        return Steps(sentence_BD[:, None], mask_BL.any(1, keepdim=True))

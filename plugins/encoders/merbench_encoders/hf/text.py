"""``hf-text``: a pretrained text encoder (BERT, RoBERTa, MiniLM, ...) on the transcript."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from merbench.api import LATER, Context, Steps, StreamSpec, TextRows, Tokens, masked_mean
from merbench_encoders.hf.models import (
    LayerConfig,
    ModelName,
    hf_digest,
    hf_source,
    hidden_state,
    load_hf,
)
from merbench_encoders.letter_case import LetterCase
from merbench_encoders.padding import masks_padding, rows_together
from merbench_encoders.tower import Tower
from merbench_encoders.word_pieces import PieceRows, PieceTokenizer

_INSTEAD = (
    "use word vectors (--encoder text=word-vectors) or another model "
    "(--set encoder.text.model=FOLDER)"
)


class HfText(Tower):
    """Strings -> Steps [B, L, D], D = the model's width: a hidden state of every piece, the
    model's own start and end included. ``pooled``: Steps [B, 1, D], the sentence embedding. No
    text's states depend on who shares its batch.

    ``measured``: shares of the split's texts: ``truncated_rate``, cut; ``lowered_rate``, read in
    lower case; ``apostrophe_rate``, with an apostrophe set.
    """

    class Config(LayerConfig):
        model: ModelName = "bert-base-uncased"
        pooled: bool = False
        """One step: the mean over real pieces at length 1 (Reimers & Gurevych 2019, 1908.10084)."""
        lower: LetterCase = "auto"
        """Read in lower case; ``auto``: a text that has no lower-case letter."""
        apostrophes: Annotated[bool, LATER] = False
        """``dont`` is read as ``don't``: contractions that lost their apostrophe get it back."""
        longest: Annotated[int, Field(ge=3)] | None = None
        """Pieces that a text keeps at most; None = as many as the model was made for."""

    packages = ("tokenizers", "transformers")
    steps_at_once = 2048

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        net, folder = load_hf(config, _INSTEAD)
        super().__init__(net, config)
        self.tokenizer = PieceTokenizer(
            folder, net, config.longest, config.lower, _INSTEAD, config.apostrophes
        )
        self.layer, self.mean_layers = config.layer, config.mean_layers
        self.width, self.pooled = int(net.config.hidden_size), config.pooled
        self.masks_padding = self._masks_padding()
        self.settle_adapters(self.tokenizer(["a text"])[torch.tensor([0])])

    def _masks_padding(self) -> bool:
        ids_L, pad = self.tokenizer.example()
        return masks_padding(self.net, self._exact_states, ids_L, pad)

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
        x_BLD = (
            self._padded(ids_BL, mask_BL) if self.masks_padding else self._apart(ids_BL, mask_BL)
        )
        if not self.pooled:
            return Steps(x_BLD, mask_BL)
        sentence_BD = F.normalize(masked_mean(x_BLD, mask_BL), dim=-1)
        return Steps(sentence_BD[:, None], mask_BL.any(1, keepdim=True))

    def _padded(self, ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
        # A text that is not there attends to one padding piece: some attention kernels make NaN of
        # nothing.
        first_L = torch.arange(mask_BL.shape[1], device=mask_BL.device) == 0
        return self._states(ids_BL, mask_BL | (~mask_BL.any(1, keepdim=True) & first_L))

    def _apart(self, ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
        """Texts of equal length together, without padding."""
        length_B = mask_BL.sum(1)
        x_BLD = torch.zeros(*mask_BL.shape, self.width, device=ids_BL.device)
        for row_N in rows_together(length_B, masks_padding=False):
            end = int(length_B[row_N[0]])
            state_NLD = self._states(ids_BL[row_N, :end])
            state_NLD = F.pad(state_NLD, (0, 0, 0, mask_BL.shape[1] - end))
            x_BLD = x_BLD.index_put((row_N,), state_NLD)
        return x_BLD

    def _states(self, ids_BL: Tensor, attended_BL: Tensor | None = None) -> Tensor:
        with self.cast(ids_BL.device):
            return self._exact_states(ids_BL, attended_BL).float()

    def _exact_states(self, ids_BL: Tensor, attended_BL: Tensor | None) -> Tensor:
        # A network that mixes without attention (FNet) takes no mask.
        masks = {} if attended_BL is None else {"attention_mask": attended_BL.long()}
        return hidden_state(self.net, self.layer, self.mean_layers, input_ids=ids_BL, **masks)

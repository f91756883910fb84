"""A small masked language model over word vectors, for runs whose text encoder has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from merbench.api import Lexicon, words_of
from merbench_related.layers import PostNormLayer


class VectorLanguage(nn.Module):
    """A ``merbench.api.LanguageModel``, not pretrained: words enter by a linear layer, and the
    score of a word is the product of the state, brought back to the vectors' width, with its
    vector. Its pieces are the words that have a vector, numbered as they are asked for.
    """

    mask = 0
    table_PV: Tensor

    def __init__(
        self,
        lexicon: Lexicon,
        width: int,
        layers: int,
        heads: int,
        dropout: float,
        places: int,
    ) -> None:
        super().__init__()
        self.lexicon, self.width, self.depth, self.places = lexicon, width, layers, places
        self.project = nn.Linear(lexicon.width, width)
        self.mask_D = nn.Parameter(0.02 * torch.randn(width))
        self.place_LD = nn.Parameter(0.02 * torch.randn(places, width))
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            PostNormLayer(width, heads, 4 * width, dropout) for _ in range(layers)
        )
        self.back = nn.Linear(width, lexicon.width)
        self.numbers: dict[str, int] = {}
        self.register_buffer("table_PV", torch.zeros(1, lexicon.width), persistent=False)

    def pieces(self, text: str) -> list[int]:
        words = words_of(text)
        vectors, known = self.lexicon.table(words)
        words = [word for word, is_known in zip(words, known, strict=True) if is_known]
        for word, vector in zip(words, vectors[known], strict=True):
            if word not in self.numbers:
                self.numbers[word] = len(self.table_PV)
                row_1V = torch.from_numpy(vector)[None].to(self.table_PV)
                self.table_PV = torch.cat((self.table_PV, row_1V))
        return [self.numbers[word] for word in words]

    def enter(self, vectors_BLV: Tensor) -> Tensor:
        """[B, L, width] of the encoder's word vectors: what ``embed`` makes of their words."""
        return self.project(vectors_BLV)

    def embed(self, pieces: Tensor) -> Tensor:
        pieces = pieces.to(self.table_PV.device)
        is_mask = (pieces == self.mask)[..., None]
        return torch.where(is_mask, self.mask_D, self.enter(self.table_PV[pieces]))

    def run(
        self,
        x_BLD: Tensor,
        mask_BL: Tensor,
        enter: Mapping[int, Callable[[Tensor], Tensor]] | None = None,
    ) -> Tensor:
        changes = enter or {}
        x_BLD = self.dropout(self.norm(x_BLD + self.place_LD[: x_BLD.shape[1]]))
        for number in range(self.depth + 1):
            if number in changes:
                x_BLD = changes[number](x_BLD)
            if number < self.depth:
                x_BLD = self.layers[number](x_BLD, mask_BL)
        return x_BLD

    def scores(self, state_BD: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
        text_CV = torch.stack([self.table_PV[list(pieces)].mean(0) for pieces in texts])
        # Of about unit length, so that scores begin small whatever the vectors' width.
        return self.back(state_BD) @ (text_CV * self.lexicon.width**-0.5).T

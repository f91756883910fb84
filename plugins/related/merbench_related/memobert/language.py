"""What MEmoBERT needs of a language model: embedded texts, states, and label words at the mask."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from merbench.api import Lexicon, RequestError, words_of
from merbench_related.layers import PostNormLayer


class Language(Protocol):
    """``width``: D of what goes in. ``places``: steps that it takes at most."""

    width: int
    places: int

    def prompt(self, before: str, after: str) -> tuple[Tensor, int]:
        """[P, D] of ``before``, the mask and ``after``; and the mask's place among them."""
        ...

    def enter(self, x_BLD: Tensor) -> Tensor:
        """What the text encoder returns, as the model reads it: [B, L, width]."""
        ...

    def hidden(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        """[B, L, D]: states of the last layer."""
        ...

    def label_scores(self, x_BLD: Tensor, mask_BL: Tensor, at_B: Tensor) -> Tensor:
        """[B, C]: the score of each label's words at one place of each row."""
        ...


class VectorLanguage(nn.Module):
    """A small masked language model over word vectors, not pretrained: they enter by a linear
    layer, and the score of a word is the product of the state, brought back to their width, with
    its vector. A label of several words has their mean vector, and so their mean score.
    """

    before_PV: Tensor
    label_CV: Tensor

    def __init__(
        self,
        lexicon: Lexicon,
        labels: tuple[str, ...],
        width: int,
        layers: int,
        heads: int,
        dropout: float,
        places: int,
    ) -> None:
        super().__init__()
        self.lexicon, self.width, self.places = lexicon, width, places
        self.project = nn.Linear(lexicon.width, width)
        self.mask_D = nn.Parameter(0.02 * torch.randn(width))
        self.place_LD = nn.Parameter(0.02 * torch.randn(places, width))
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            PostNormLayer(width, heads, 4 * width, dropout) for _ in range(layers)
        )
        self.back = nn.Linear(width, lexicon.width)
        label_CV, known_C = lexicon.phrases(labels)
        self.labels_known = known_C
        # Of about unit length, so that scores begin small whatever the vectors' width.
        self.register_buffer(
            "label_CV", torch.from_numpy(label_CV) * lexicon.width**-0.5, persistent=False
        )

    def prompt(self, before: str, after: str) -> tuple[Tensor, int]:
        first_PD, last_PD = self._words(before), self._words(after)
        return torch.cat([first_PD, self.mask_D[None], last_PD]), len(first_PD)

    def _words(self, text: str) -> Tensor:
        """[P, D] of the words that have a vector."""
        vectors, known = self.lexicon.table(words_of(text))
        return self.project(torch.from_numpy(vectors[known]).to(self.mask_D.device))

    def enter(self, x_BLD: Tensor) -> Tensor:
        return self.project(x_BLD)

    def hidden(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        x_BLD = self.dropout(self.norm(x_BLD + self.place_LD[: x_BLD.shape[1]]))
        for layer in self.layers:
            x_BLD = layer(x_BLD, mask_BL)
        return x_BLD

    def label_scores(self, x_BLD: Tensor, mask_BL: Tensor, at_B: Tensor) -> Tensor:
        rows_B = torch.arange(len(at_B), device=at_B.device)
        return self.back(self.hidden(x_BLD, mask_BL)[rows_B, at_B]) @ self.label_CV.T


class PretrainedLanguage(nn.Module):
    """A masked language model of an encoder such as ``hf-masked``, which the model above owns."""

    pieces_CV: Tensor

    def __init__(self, encoder: nn.Module, labels: tuple[str, ...]) -> None:
        super().__init__()
        self.width, self.places = encoder.width, encoder.places
        # In a tuple: the encoder is a part of the model already, and would be saved twice.
        self._encoder = (encoder,)
        self._ids = [encoder.ids_of(word) for word in labels]
        self._check(labels)

    def _check(self, labels: tuple[str, ...]) -> None:
        pieces = {tuple(ids): word for ids, word in zip(self._ids, labels, strict=True)}
        if len(pieces) < len(labels) or () in pieces:
            same = sorted(set(labels) - set(pieces.values())) or sorted(pieces.values())
            raise RequestError(
                f"the language model's pieces cannot tell the label {same[0]!r} from another; "
                "choose a model that knows the label words"
            )

    def prompt(self, before: str, after: str) -> tuple[Tensor, int]:
        (encoder,) = self._encoder
        first, last = encoder.ids_of(before), encoder.ids_of(after)
        ids_P = torch.tensor([*first, encoder.mask_id, *last])
        device = next(encoder.parameters()).device
        return encoder.embed(ids_P.to(device)), len(first)

    def enter(self, x_BLD: Tensor) -> Tensor:
        return x_BLD

    def hidden(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        return self._encoder[0].hidden(x_BLD, mask_BL)

    def label_scores(self, x_BLD: Tensor, mask_BL: Tensor, at_B: Tensor) -> Tensor:
        scores_BV = self._encoder[0].fill(x_BLD, mask_BL, at_B)
        return torch.stack([scores_BV[:, ids].mean(1) for ids in self._ids], 1)

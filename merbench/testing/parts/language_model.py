"""Checks of language models, and a tiny one for parts that work inside one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from merbench.api import Component, LanguageModel, Steps, Tokens, masked_mean
from merbench.host.catalog import Catalog
from merbench.testing.parts.encoder import tiny_encoder
from merbench.testing.parts.rowwise import assert_close, garbage

Change = Callable[[Tensor], Tensor]


class TinyLanguage:
    """Two layers without weights over random embeddings: each state moves towards the mean of its
    row, and of a row without a real step towards that of its padding, as of a pretrained tower. Its
    pieces are letters; 0 is the mask.
    """

    depth, places = 2, 64
    mask: int | None = 0

    def __init__(self, width: int = 6) -> None:
        self.width = width
        self.table_PD = torch.randn(32, width, generator=torch.Generator().manual_seed(3))

    def pieces(self, text: str) -> list[int]:
        return [1 + ord(letter) % 31 for letter in text if not letter.isspace()]

    def embed(self, pieces: Tensor) -> Tensor:
        return self.table_PD[pieces]

    def run(
        self, x_BLD: Tensor, mask_BL: Tensor, enter: Mapping[int, Change] | None = None
    ) -> Tensor:
        attended_BL = mask_BL | ~mask_BL.any(1, keepdim=True)
        place_L1 = torch.arange(x_BLD.shape[1])[:, None] / self.places
        x_BLD = torch.where(mask_BL[..., None], x_BLD, x_BLD + place_L1)
        for number in range(self.depth + 1):
            if enter and number in enter:
                x_BLD = enter[number](x_BLD)
            if number < self.depth:
                x_BLD = (x_BLD + masked_mean(x_BLD, attended_BL)[:, None]).tanh()
        return x_BLD

    def scores(self, state_BD: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
        return torch.stack([(state_BD @ self.table_PD[list(t)].T).mean(1) for t in texts], 1)


def tiny_tokens(mask_BL: Tensor) -> Tokens:
    """Two pieces a word, after a start of the model's own."""
    at_BL = (torch.arange(mask_BL.shape[1]) - 1).expand(mask_BL.shape)
    words_BL = torch.where(mask_BL & (at_BL >= 0), at_BL // 2, -1)
    return Tokens(torch.where(mask_BL, 1, 0), mask_BL, words_BL)


def of_an_encoder(catalog: Catalog, component: Component) -> None:
    """The check of an encoder that is declared to provide one."""
    assert not component.version, (
        "it provides a language model and has a version: of an encoder whose output is kept, "
        "no language model is left; declare it without a version"
    )
    encoder, inputs = tiny_encoder(catalog, component)
    is_sound(encoder.language_model, encoder(next(iter(inputs.values()))))


def is_sound(language: LanguageModel, steps: Steps) -> None:
    """``steps``: what its encoder made of some rows."""
    x_BLD, mask_BL = steps
    assert x_BLD.shape[-1] == language.width, (
        f"its width is {language.width}, and its encoder's Steps are {x_BLD.shape[-1]} wide"
    )
    with torch.no_grad():
        _runs(language, x_BLD, mask_BL)
        ids = language.pieces("the film was good")
        embedded = language.embed(torch.tensor([ids]))
        assert embedded.shape == (1, len(ids), language.width), (
            f"embed() of {len(ids)} pieces gave {tuple(embedded.shape)}"
        )
        if language.mask is not None:
            scores = language.scores(x_BLD[:, 0], [ids, ids[:1]])
            assert scores.shape == (len(x_BLD), 2), (
                f"scores of 2 texts at {len(x_BLD)} states are {tuple(scores.shape)}"
            )
            one_by_one = [language.scores(x_BLD[:, 0], [[i]])[:, 0] for i in ids]
            assert_close(scores[:, 0], torch.stack(one_by_one).mean(0), "a text in place of pieces")


def _runs(language: LanguageModel, x_BLD: Tensor, mask_BL: Tensor) -> None:
    def real(states_BLD: Tensor) -> Tensor:
        return torch.where(mask_BL[..., None], states_BLD, 0.0)

    base_BLD = language.run(x_BLD, mask_BL)
    assert base_BLD.shape == x_BLD.shape, f"states are {tuple(base_BLD.shape)}"
    refilled = garbage(Steps(x_BLD, mask_BL), 7.0)
    assert_close(real(base_BLD), real(language.run(*refilled)), "padded content was changed")
    for number in range(language.depth + 1):
        same_BLD = language.run(x_BLD, mask_BL, {number: lambda states: states})
        assert_close(real(base_BLD), real(same_BLD), f"nothing entered after {number} layers")
        moved_BLD = language.run(x_BLD, mask_BL, {number: lambda states: states.flip(-1) + 1.0})
        assert not torch.allclose(real(base_BLD), real(moved_BLD), atol=1e-4), (
            f"what enters after {number} layers changes nothing"
        )
    nothing_BLD = language.run(x_BLD, mask_BL & False)
    assert torch.isfinite(nothing_BLD).all(), "a row without a real step gives NaN"

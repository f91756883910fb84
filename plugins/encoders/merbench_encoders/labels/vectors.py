"""``label-vectors``: word vectors of the label texts. ``label-random``: its control, vectors
without meaning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    Context,
    LabelSpace,
    Lexicon,
    check_label_vectors,
    label_texts,
    label_word_vectors,
)
from merbench_encoders.labels.base import LabelTextConfig, LabelTexts


class PhraseConfig(LabelTextConfig):
    context_tokens: Annotated[int, Field(ge=0)] = 0
    """Learned vectors that are averaged with each label's phrase vector (after CoOp, Zhou et al.
    2022, 2109.01134).
    """


class Phrases(LabelTexts):
    """One vector a label text: fixed (a buffer) unless ``tuned``. In another space, a text of the
    run's own keeps its vector.

    ``look_up(space)`` gives [C, base] and raises RequestError where it cannot.
    """

    base_CD: Tensor

    def __init__(
        self, config: PhraseConfig, context: Context, look_up: Callable[[LabelSpace], Tensor]
    ) -> None:
        base_CD = look_up(context.space)
        super().__init__(config, context, base_CD.shape[1])
        self.look_up = look_up
        if config.tuned:
            self.base_CD = nn.Parameter(base_CD)
        else:
            self.register_buffer("base_CD", base_CD)
        self.context_ND = (
            nn.Parameter(0.02 * torch.randn(config.context_tokens, base_CD.shape[1]))
            if config.context_tokens
            else None
        )

    def vectors(self, space: LabelSpace) -> Tensor:
        emb_CD = self.base_CD
        if space != self.space:
            emb_CD = self.look_up(space).to(emb_CD)
            row_of_text = {text: i for i, text in enumerate(self.texts(self.space))}
            for c, text in enumerate(self.texts(space)):
                if text in row_of_text:
                    emb_CD[c] = self.base_CD[row_of_text[text]]
        if self.context_ND is not None:
            emb_CD = (emb_CD + self.context_ND.sum(0)) / (1 + len(self.context_ND))
        return emb_CD


class LabelVectors(Phrases):
    """Label texts -> Queries [C, D]: the mean of a text's known words, D = ``config.width`` or the
    lexicon's.

    Raises RequestError where the run has no vectors, no word of a label is known, or two labels
    have one vector.
    """

    class Config(PhraseConfig):
        pass

    def __init__(self, config: Config, context: Context) -> None:
        def look_up(space: LabelSpace) -> Tensor:
            return torch.from_numpy(_word_vectors(config, space, context.lexicon))

        super().__init__(config, context, look_up)

    @staticmethod
    def check(config: Config, space: LabelSpace, lexicon: Lexicon | None) -> None:
        _word_vectors(config, space, lexicon)


def _word_vectors(
    config: LabelVectors.Config, space: LabelSpace, lexicon: Lexicon | None
) -> np.ndarray:
    """[C, base]"""
    texts = label_texts(space, config.text, config.template)
    return label_word_vectors("label-vectors", space, lexicon, texts)


class LabelRandom(Phrases):
    """Label texts -> Queries [C, D] of random unit vectors, one a text, drawn with the run's seed:
    the control of ``label-vectors``.
    """

    class Config(PhraseConfig):
        dim: Annotated[int, Field(ge=2)] = 200
        """D of the random vectors, before any projection."""

    def __init__(self, config: Config, context: Context) -> None:
        seed = int(torch.randint(2**31, ()))

        def draw(text: str) -> Tensor:
            number = int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode()).digest()[:7])
            return F.normalize(
                torch.randn(config.dim, generator=torch.Generator().manual_seed(number)), dim=0
            )

        def look_up(space: LabelSpace) -> Tensor:
            emb_CD = torch.stack(
                [draw(text) for text in label_texts(space, config.text, config.template)]
            )
            check_label_vectors(space, emb_CD.numpy())
            return emb_CD

        super().__init__(config, context, look_up)

"""``label-moving``: label vectors that are trained and follow their training slowly (LSGMER)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    Config,
    Context,
    LabelSpace,
    Lexicon,
    Queries,
    RequestError,
    TextForm,
    Tune,
)
from merbench_related.label_words import word_vectors


class LabelMoving(nn.Module):
    """Labels -> Queries L_t = alpha L_(t-1) + (1 - alpha) L', [C, D].

    L' is trained. L_(t-1) is what the labels were after the last optimiser step, and passes no
    gradient; ``move()`` takes that step and is called by the objective ``consistency``. In another
    space, a text of the run's own keeps its vector. Raises RequestError where a vector is asked for
    and there is none.
    """

    class Config(Config):
        alpha: Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.99)] = 0.9
        """0: plain trained vectors."""
        start: Literal["words", "random"] = "words"
        """What L' starts from: the mean vector of the known words of each label's text, or a
        random unit vector of the same width (64 where the run has no vectors).
        """
        text: Annotated[TextForm, Tune(choices=("word", "template", "gloss", "word+gloss"))] = (
            "word"
        )
        """What is read of a label."""

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__()
        self.space, self.alpha, self.lexicon = context.space, config.alpha, context.lexicon
        self.start, self.text = config.start, config.text
        start_CD = self.start_of(context.space)
        self.width = start_CD.shape[1]
        self.trained_CD = nn.Parameter(start_CD)
        self.register_buffer("last_CD", start_CD.clone())

    @staticmethod
    def check(config: Config, space: LabelSpace, lexicon: Lexicon | None) -> None:
        if config.start == "words":
            _word_vectors(space, lexicon, config.text)

    def start_of(self, space: LabelSpace) -> Tensor:
        """[C, D]: unit vectors that training starts from."""
        if self.start == "random":
            width = 64 if self.lexicon is None else self.lexicon.width
            return F.normalize(torch.randn(len(space.words), width), dim=1)
        return _word_vectors(space, self.lexicon, self.text)

    def move(self) -> None:
        """L_(t-1) := L_t."""
        with torch.no_grad():
            self.last_CD.copy_(self.mixed())

    def mixed(self) -> Tensor:
        return self.alpha * self.last_CD + (1 - self.alpha) * self.trained_CD

    def forward(self, space: LabelSpace | None = None) -> Queries:
        own_CD = self.mixed()
        if space is None or space == self.space:
            return Queries(own_CD)
        number_of = {word: c for c, word in enumerate(self.space.words)}
        new = [word for word in space.words if word not in number_of]
        if new and self.start == "random":
            raise RequestError(
                f"label-moving started from random vectors and knows nothing of {', '.join(new)}; "
                "set label_encoder.start=words"
            )
        start_CD = self.start_of(space).to(own_CD) if new else own_CD
        rows = [
            own_CD[number_of[word]] if word in number_of else start_CD[c]
            for c, word in enumerate(space.words)
        ]
        return Queries(torch.stack(rows))


def _word_vectors(space: LabelSpace, lexicon: Lexicon | None, text: TextForm) -> Tensor:
    """[C, D]"""
    way_out = "set label_encoder.start=random"
    return word_vectors("label-moving", space, lexicon, text, otherwise=way_out)

"""What all label encoders that read the label texts share: base vectors -> (shuffled) -> projection
-> unit rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    Config,
    Context,
    LabelSpace,
    Queries,
    TextForm,
    Tune,
    derangement,
    label_texts,
)


class LabelTextConfig(Config):
    text: Annotated[TextForm, Tune(choices=("word", "template", "gloss", "word+gloss"))] = "word"
    """What is read of a label."""
    template: str = "a person who feels {}"
    """What ``text=template`` reads, with the label word in place of {}; other texts do without it.
    """
    width: Annotated[int, Field(ge=1)] | None = None
    """D of a trained linear projection; None = no projection."""
    tuned: bool = False
    shuffle: bool = False
    """Control: each label is given another label's vector, by a fixed derangement."""


class LabelTexts(nn.Module, ABC):
    """Label texts -> Queries [C, D], unit rows. A subclass gives their vectors, for the run's own
    space and any other.
    """

    def __init__(self, config: LabelTextConfig, context: Context, base: int) -> None:
        super().__init__()
        self.space, self.form, self.template, self.shuffle = (
            context.space,
            config.text,
            config.template,
            config.shuffle,
        )
        self.width = config.width or base
        self.project: nn.Linear | None = None
        if config.width:
            self.project = nn.Linear(base, config.width, bias=False)
            nn.init.orthogonal_(
                self.project.weight
            )  # training starts from the cosines of the words, or near them in a smaller width

    def texts(self, space: LabelSpace) -> tuple[str, ...]:
        return label_texts(space, self.form, self.template)

    @abstractmethod
    def vectors(self, space: LabelSpace) -> Tensor:
        """[C, base]: one vector a label of ``space``."""

    def forward(self, space: LabelSpace | None = None) -> Queries:
        """Raises RequestError where the labels of ``space`` cannot be distinguished."""
        emb_CD = self.vectors(space or self.space)
        if self.shuffle:
            emb_CD = emb_CD[derangement(len(emb_CD))]
        if self.project is not None:
            emb_CD = self.project(emb_CD)
        return Queries(F.normalize(emb_CD, dim=-1))

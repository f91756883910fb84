"""``label-table``: one learned vector a label, without a word read (the label embeddings of TAILOR,
Zhang et al. 2022, 2201.05834).
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from merbench.api import Config, Context, LabelSpace, Queries, RequestError, Tune


class LabelTable(nn.Module):
    """Labels -> Queries [C, config.width], about unit length at first. Raises RequestError in
    another label space.
    """

    class Config(Config):
        width: Annotated[int, Field(ge=1), Tune(choices=(32, 64, 128, 256))] = 64

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__()
        self.words, self.width = context.space.words, config.width
        self.emb_CD = nn.Parameter(torch.randn(len(self.words), config.width) * config.width**-0.5)

    def forward(self, space: LabelSpace | None = None) -> Queries:
        if space is not None and space.words != self.words:
            raise RequestError(
                f"label-table learned vectors for {', '.join(self.words)} and cannot read "
                "other labels; "
                "choose a label encoder that reads words, "
                "such as --part label-encoder=label-vectors"
            )
        return Queries(self.emb_CD)

"""``structured-prior``: label vectors that know their neighbours (Ding et al. 2023, SCPNet,
2303.13223).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import numpy as np
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
    derangement,
)
from merbench_related.fields import Width
from merbench_related.kggr.graphs import conditional, ordinal
from merbench_related.label_words import word_vectors
from merbench_related.scpnet import prior
from merbench_related.scpnet.prior import Contrast


class StructuredPrior(nn.Module):
    """Labels -> Queries: E' = E + GC3(lrelu(GC2(lrelu(GC1(E))))), GC(X) = A X W; E the projected
    words' vectors plus one trained offset that all labels share (for the authors' prompt tokens).

    ``graph_CC`` is A, and ``extras["calibration"]`` R [C, C], by which predictions of like labels
    calibrate each other. Both come from the words (of a score from its anchors), mixed with the
    train rows' co-occurrence where ``cooccurrence`` asks for it. RequestError where the run has no
    word vectors.
    """

    class Config(Config):
        width: Width = 64
        text: Annotated[TextForm, Tune(choices=("word", "gloss", "word+gloss"))] = "word"
        """What is read of a label."""
        template: str = "a person who feels {}"
        """What ``text=template`` reads, with the label word in place of {}; other texts do without
        it.
        """
        contrast: Annotated[
            Contrast,
            Tune(choices=("centre", "softmax", "none"), spaces=("class", "multilabel", "joint")),
        ] = "centre"
        """How affinities are made of vectors; ``none`` is the authors', and nearly uniform."""
        sharpness: Annotated[
            float, Field(gt=0), Tune(0.02, 0.5, log=True, spaces=("class", "multilabel", "joint"))
        ] = 0.05
        """Of contrast ``softmax``."""
        cooccurrence: Annotated[
            float, Field(ge=0, le=1), Tune(0.0, 1.0, spaces=("multilabel", "joint"))
        ] = 0.0
        """Share of the train rows' P(j | i) in the affinities, where labels can occur together."""
        neighbours: Annotated[int, Field(ge=1), Tune(1, 5)] = 2
        """That each label keeps."""
        share: Annotated[float, Field(ge=0, lt=1), Tune(0.1, 0.6)] = 0.2
        """Of its neighbours in a row of A (s)."""
        temperature: Annotated[float, Field(gt=0), Tune(0.1, 1.0, log=True)] = 0.3
        """Of R (T): .2 or .3 in the paper."""
        reach: Annotated[float, Field(gt=0), Tune(0.25, 4.0, log=True, spaces=("score",))] = 1.0
        """Affinity of anchors is exp(-distance / reach), in units of the score."""
        propagate: bool = True
        """False: E' = E."""
        shuffle: bool = False
        """Control: each label has another's vector, and that one's neighbours."""

    base_CD: Tensor
    graph_CC: Tensor
    calibration_CC: Tensor

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__()
        self.config, self.context, space = config, context, context.space
        self.width = width = config.width
        base_CD = self._read(space)
        self.order = derangement(len(base_CD)) if config.shuffle else np.arange(len(base_CD))
        self.register_buffer("base_CD", base_CD[self.order])
        adjacency_CC = self._adjacency(space)[self.order][:, self.order]
        self.register_buffer("graph_CC", _float(adjacency_CC))
        calibration_CC = prior.calibration(adjacency_CC, config.temperature)
        self.register_buffer("calibration_CC", _float(calibration_CC))
        self.offset_D = nn.Parameter(torch.zeros(base_CD.shape[1]))
        self.project = nn.Linear(base_CD.shape[1], width, bias=False)
        widths = (width, 2 * width, 2 * width, width)
        self.layers = nn.ModuleList(
            nn.Linear(i, o, bias=False) for i, o in pairwise(widths) if config.propagate
        )

    @staticmethod
    def check(config: Config, space: LabelSpace, lexicon: Lexicon | None) -> None:
        _word_vectors(config, space, lexicon)

    def forward(self, space: LabelSpace | None = None) -> Queries:
        if space is None or space == self.context.space:
            base_CD, graph_CC, calibration_CC = self.base_CD, self.graph_CC, self.calibration_CC
        else:
            adjacency_CC = self._adjacency(space)
            calibration = prior.calibration(adjacency_CC, self.config.temperature)
            base_CD = self._read(space).to(self.base_CD)
            graph_CC = _float(adjacency_CC).to(self.graph_CC)
            calibration_CC = _float(calibration).to(self.graph_CC)
        # Unit word vectors times sqrt(D), so that the layers see entries of variance 1.
        start_CD = self.project(base_CD * base_CD.shape[1] ** 0.5 + self.offset_D)
        e_CD = start_CD
        for number, layer in enumerate(self.layers):
            e_CD = graph_CC @ layer(e_CD if number == 0 else F.leaky_relu(e_CD, 0.2))
        emb_CD = start_CD + e_CD if len(self.layers) else start_CD
        return Queries(emb_CD, graph_CC, {"calibration": calibration_CC})

    def _read(self, space: LabelSpace) -> Tensor:
        return _word_vectors(self.config, space, self.context.lexicon)

    def _adjacency(self, space: LabelSpace) -> np.ndarray:
        config = self.config
        if space.kind == "score":
            affinity_CC = ordinal(np.array(space.anchors), config.reach)
        else:
            words_CD = self._read(space).numpy()
            affinity_CC = prior.contrasted(words_CD, config.contrast, config.sharpness)
        if config.cooccurrence and space == self.context.space:
            affinity_CC = self._mixed(space, affinity_CC)
        return prior.adjacency(affinity_CC, config.neighbours, config.share)

    def _mixed(self, space: LabelSpace, affinity_CC: np.ndarray) -> np.ndarray:
        if space.kind in ("class", "score"):
            raise RequestError(
                "label_encoder.cooccurrence counts labels that occur together, "
                f"and this is a {space.kind}; "
                "leave it out"
            )
        share = self.config.cooccurrence
        return (1 - share) * affinity_CC + share * conditional(self.context.counts)


def _float(x_CC: np.ndarray) -> Tensor:
    return torch.tensor(x_CC, dtype=torch.float32)


def _word_vectors(
    config: StructuredPrior.Config, space: LabelSpace, lexicon: Lexicon | None
) -> Tensor:
    """[C, D]"""
    return word_vectors("structured-prior", space, lexicon, config.text, config.template)

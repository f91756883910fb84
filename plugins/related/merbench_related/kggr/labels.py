"""``label-graph``: label vectors, and how much each label says of each other."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
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
from merbench_related.kggr import graphs
from merbench_related.kggr.graphs import Normalisation
from merbench_related.label_words import word_vectors

GraphKind = Literal["auto", "cooccurrence", "ordinal", "semantic", "uniform", "identity"]


class LabelGraph(nn.Module):
    """Labels -> Queries: unit vectors [C, D] and a graph [C, C] (Chen et al. 2022, 2009.09450,
    section 3.1), both fixed buffers unless the vectors are learned.

    In another space the vectors are those of its words, and the graph is of words (or anchors),
    since nothing was counted there.
    """

    class Config(Config):
        vectors: Literal["words", "learned"] = "words"
        """Where label vectors come from: the run's word vectors, or ``learned`` from random ones.
        """
        text: Annotated[TextForm, Tune(choices=("word", "gloss", "word+gloss"))] = "word"
        """What is read of a label."""
        template: str = "a person who feels {}"
        """What ``text=template`` reads, with the label word in place of {}; other texts do without
        it.
        """
        width: Annotated[int, Field(ge=1)] = 64
        """D of learned vectors; those of words have the width of the run's vectors."""
        graph: GraphKind = "auto"
        """``cooccurrence``: P(j | i) of the train rows, asymmetric. ``ordinal``: near anchors.
        ``semantic``: near words. ``uniform``: control, every label says as much of each other.
        ``identity``: control, the same network in which each label is by itself.
        ``auto``: co-occurrence where labels can occur together, anchors for a score, words for a
        class (uniform where no word is read).
        """
        normalise: Annotated[Normalisation, Tune(choices=("none", "row", "sym"))] = "none"
        """How edges are scaled: ``row``, so that each label's sum to 1; ``sym``, by the roots of
        the sums of both labels; ``none``, not at all.
        """
        threshold: Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.5)] = 0.0
        """Smaller edges are left out."""
        min_count: Annotated[float, Field(ge=0)] = 3.0
        """A label seen less often in train has no edges to others."""
        reach: Annotated[float, Field(gt=0), Tune(0.25, 4.0, log=True, spaces=("score",))] = 1.0
        """Of the ordinal graph, in units of the score."""
        shuffle: bool = False
        """Control: each label has another's vector, and that one's place in the graph."""

    emb_CD: Tensor
    graph_CC: Tensor

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__()
        self.config, self.context, space = config, context, context.space
        if config.vectors == "learned":
            start_CD = torch.randn(len(space.words), config.width) * config.width**-0.5
            self.emb_CD = nn.Parameter(start_CD)
        else:
            self.register_buffer("emb_CD", self._shuffled(self._read(space)))
        self.width = self.emb_CD.shape[1]
        graph_CC = self._graph(space, _graph_kind(config, space, config.graph))
        if config.shuffle:
            order = derangement(len(graph_CC))
            graph_CC = graph_CC[order][:, order]
        self.register_buffer("graph_CC", torch.tensor(graph_CC, dtype=torch.float32))

    @staticmethod
    def check(config: Config, space: LabelSpace, lexicon: Lexicon | None) -> None:
        kind = _graph_kind(config, space, config.graph)
        if config.vectors == "words" or kind == "semantic":
            _word_vectors(config, space, lexicon)

    def forward(self, space: LabelSpace | None = None) -> Queries:
        """RequestError for another space where the vectors are learned."""
        if space is None or space == self.context.space:
            return Queries(self.emb_CD, self.graph_CC)
        if self.config.vectors == "learned":
            learned_labels = ", ".join(self.context.space.words)
            raise RequestError(
                f"label-graph learned vectors for {learned_labels} and cannot read other labels; "
                "set label_encoder.vectors=words"
            )
        kind: GraphKind = "semantic" if space.kind != "score" else "ordinal"
        graph_CC = torch.tensor(self._graph(space, kind)).to(self.graph_CC)
        return Queries(self._read(space).to(self.emb_CD), graph_CC)

    def _read(self, space: LabelSpace) -> Tensor:
        return _word_vectors(self.config, space, self.context.lexicon)

    def _shuffled(self, emb_CD: Tensor) -> Tensor:
        return emb_CD[derangement(len(emb_CD))] if self.config.shuffle else emb_CD

    def _graph(self, space: LabelSpace, kind: GraphKind) -> np.ndarray:
        config, size = self.config, len(space.words)
        if kind == "cooccurrence":
            graph_CC = graphs.conditional(self.context.counts, config.min_count)
        elif kind == "ordinal":
            graph_CC = graphs.ordinal(np.array(space.anchors), config.reach)
        elif kind == "semantic":
            graph_CC = graphs.semantic(self._read(space).numpy())
        elif kind == "uniform":
            graph_CC = np.full((size, size), 1 / size)
        else:
            graph_CC = np.eye(size)
        graph_CC = np.where(graph_CC >= config.threshold, graph_CC, 0.0)
        return graphs.normalised(graph_CC, config.normalise)


def _word_vectors(config: LabelGraph.Config, space: LabelSpace, lexicon: Lexicon | None) -> Tensor:
    """[C, D]"""
    way_out = "set label_encoder.vectors=learned"
    return word_vectors("label-graph", space, lexicon, config.text, config.template, way_out)


def _graph_kind(config: LabelGraph.Config, space: LabelSpace, kind: GraphKind) -> GraphKind:
    """``auto`` resolved. RequestError where the space has no such graph."""
    if kind == "auto":
        of_class: GraphKind = "semantic" if config.vectors == "words" else "uniform"
        by_space: dict[str, GraphKind] = {"score": "ordinal", "class": of_class}
        return by_space.get(space.kind, "cooccurrence")
    if kind == "ordinal" and space.kind != "score":
        raise RequestError(
            "label_encoder.graph=ordinal is a graph of a score's anchors, "
            f"and this is a {space.kind}; "
            "choose cooccurrence or semantic"
        )
    return kind

"""The comprehension module of CMPC: from words and one non-verbal stream to steps that know which
of them matter, and how they hang together (Huang et al. 2020, arXiv 2010.00514, section 3.2).
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Config, Steps, Tune, masked_softmax
from merbench_related.layers import real

CONTENT, MODIFIER, RELATIONAL, FILLER, ACTION = range(5)
"""Word types. The paper's are entity, attribute, relation, unnecessary and, for videos, action."""
NULL = 1e-6
"""Mass of a word that carries nothing: where no word is relational, no step reaches another."""

Gate = Literal["logadd", "mul"]
Norm = Literal["rms", "unit"]


class Normalise(nn.Module):
    """Vectors of one length: 1 (``unit``, the authors') or sqrt(D) (``rms``). Products of unit
    vectors are of the order 1 / D, so that attention over them begins, and stays, nearly uniform.
    """

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.rms = norm == "rms"

    def forward(self, x: Tensor) -> Tensor:
        unit = F.normalize(x, dim=-1)
        return unit * x.shape[-1] ** 0.5 if self.rms else unit


class ComprehensionConfig(Config):
    width: Annotated[int, Field(ge=2), Tune(choices=(32, 64, 128))] = 64
    rank: Annotated[int, Field(ge=1), Tune(1, 8)] = 5
    """Of the bilinear entity perception."""
    entities: bool = True
    """False: no word chooses among the steps of a stream."""
    relations: bool = True
    """False: steps do not reach each other through relational words."""
    gate: Gate = "logadd"
    """How relational words are weighed; ``mul`` is the authors' form."""
    segments: Annotated[int, Field(ge=0), Tune(0, 8)] = 3
    """Of the temporal context; 0 = none, and no word type ``action``."""
    norm: Norm = "rms"
    """Length of all normalised vectors; ``unit`` is the authors'."""


class WordParser(nn.Module):
    """[B, T, D] -> p [B, T, types] = softmax(W2 ReLU(W1 h_t)): the type of each word."""

    def __init__(self, width: int, types: int) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Linear(width, max(width // 2, types)),
            nn.ReLU(),
            nn.Linear(max(width // 2, types), types),
        )

    def forward(self, h_BTD: Tensor) -> Tensor:
        return self.score(h_BTD).softmax(-1)


def pool_words(weight_BT: Tensor, words: Steps) -> Tensor:
    """[B, D]: sum_t weight_t h_t over real words; zeros where there are none."""
    weight_BT = torch.where(words.mask_BL, weight_BT, 0.0)
    return torch.einsum("bt,btd->bd", weight_BT, words.x_BLD)


def places(mask_BL: Tensor) -> Tensor:
    """[B, L, 2]: where a real step stands in its row, in (0, 1), and the row's log length over 10;
    in place of the paper's coordinates of a pixel.
    """
    n_B1 = mask_BL.sum(1, keepdim=True)
    at_BL = (mask_BL.cumsum(1) - 0.5) / n_B1.clamp(min=1)
    log_BL = (torch.log1p(n_B1) / 10).expand_as(at_BL)
    return torch.where(mask_BL[..., None], torch.stack((at_BL, log_BL), -1), 0.0)


class Mutan(nn.Module):
    """Entity perception: M [B, L, D] = l2(tanh(sum_r tanh(V_r [v; s]) * tanh(U_r q))), a bilinear
    form of rank R (Ben-younes et al. 2017, MUTAN).
    """

    def __init__(self, width: int, rank: int, norm: Norm) -> None:
        super().__init__()
        self.rank, self.normalise = rank, Normalise(norm)
        self.of_step = nn.Linear(width + 2, rank * width)
        self.of_query = nn.Linear(width, rank * width)

    def forward(self, v_BLD: Tensor, place_BL2: Tensor, q_BD: Tensor) -> Tensor:
        v_BLRD = self.of_step(torch.cat((v_BLD, place_BL2), -1)).tanh()
        q_BRD = self.of_query(q_BD).tanh()
        product_BLRD = v_BLRD.unflatten(-1, (self.rank, -1)) * q_BRD.unflatten(
            -1, (self.rank, -1)
        ).unsqueeze(1)
        return self.normalise(product_BLRD.sum(2).tanh())


def bridge(
    score_BLT: Tensor, relational_BT: Tensor, mask_BL: Tensor, mask_BT: Tensor, gate: Gate
) -> tuple[Tensor, Tensor]:
    """Step -> word [B, L, T] and word -> step [B, T, L]; their product is the adjacency of steps.

    ``logadd``: softmax_t(B + log p_R), with a null word of mass 1e-6 beside the real ones, so that
    a word which is not relational has no weight and a row of steps sums to 1 (to 0 where no word
    is relational). ``mul``: softmax_t(B * p_R), the authors' form, in which a word with p_R = 0
    keeps the weight exp(0).
    """
    words_B1T, steps_BL1 = mask_BT[:, None], mask_BL[..., None]
    if gate == "mul":
        score_BLT = score_BLT * relational_BT[:, None]
        to_word_BLT = masked_softmax(score_BLT, words_B1T)
    else:
        gated_BLT = score_BLT + relational_BT.clamp(min=1e-30).log()[:, None]
        gated_BLT = gated_BLT.masked_fill(~words_B1T, torch.finfo(gated_BLT.dtype).min)
        null_BL1 = torch.full_like(gated_BLT[..., :1], math.log(NULL))
        to_word_BLT = torch.cat((gated_BLT, null_BL1), -1).softmax(-1)[..., :-1]
    to_step_BLT = masked_softmax(score_BLT, steps_BL1, 1)
    return to_word_BLT, to_step_BLT.transpose(1, 2)


class Relations(nn.Module):
    """Relation-aware reasoning with words as bridges between steps.

    B = (M Wm)(H Wh)^T / sqrt(D); Adj = softmax_t(gate(B)) softmax_l(B)^T, in its factored form;
    G = ReLU(M + LN(Adj M)); G = l2(ReLU(LN(G W))). The norms are over each step's own vector.
    """

    def __init__(self, width: int, gate: Gate, norm: Norm) -> None:
        super().__init__()
        self.gate, self.normalise = gate, Normalise(norm)
        self.of_step, self.of_word = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.norm_context, self.norm_out = nn.LayerNorm(width), nn.LayerNorm(width)
        self.out = nn.Linear(width, width)

    def forward(self, m: Steps, words: Steps, relational_BT: Tensor) -> Tensor:
        step_BLD, word_BTD = self.of_step(m.x_BLD), self.of_word(words.x_BLD)
        score_BLT = step_BLD @ word_BTD.transpose(1, 2) / word_BTD.shape[-1] ** 0.5
        to_word, to_step = bridge(score_BLT, relational_BT, m.mask_BL, words.mask_BL, self.gate)
        reached_BLD = to_word @ (to_step @ m.x_BLD)
        g_BLD = (m.x_BLD + self.norm_context(reached_BLD)).relu()
        return self.normalise(self.norm_out(self.out(g_BLD)).relu())


class Segments(nn.Module):
    """Temporal context, after the authors' model for videos: the action words look into each of K
    equal segments of a stream, the K segment vectors exchange over a graph, and every step attends
    to them.
    """

    def __init__(self, width: int, segments: int) -> None:
        super().__init__()
        self.segments = segments
        self.action, self.query, self.key = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.graph = nn.Linear(width, width)

    def forward(self, m: Steps, place_BL: Tensor, action_BD: Tensor) -> Tensor:
        root = m.x_BLD.shape[-1] ** 0.5
        segment_BL = (place_BL * self.segments).long().clamp(max=self.segments - 1)
        inside_BLK = F.one_hot(segment_BL, self.segments).bool() & m.mask_BL[..., None]
        score_BL = torch.einsum("bld,bd->bl", m.x_BLD, self.action(action_BD)) / root
        weight_BLK = masked_softmax(score_BL[..., None].expand_as(inside_BLK), inside_BLK, 1)
        node_BKD = weight_BLK.transpose(1, 2) @ m.x_BLD

        filled_B1K = inside_BLK.any(1, keepdim=True)
        edge_BKK = self.query(node_BKD) @ self.key(node_BKD).transpose(1, 2) / root
        edge_BKK = masked_softmax(edge_BKK, filled_B1K)
        node_BKD = (node_BKD + self.graph(edge_BKK @ node_BKD)).relu()
        reach_BLK = m.x_BLD @ node_BKD.transpose(1, 2) / root
        return masked_softmax(reach_BLK, filled_B1K) @ node_BKD


class Comprehension(nn.Module):
    """One non-verbal stream, understood through the words: F [B, L, D] = ReLU(Wf [M; G; C; q; s]),
    M entity perception, G relations (left out where ``relations`` is False), C temporal context
    (left out where ``segments`` is 0), q the content words, s the place. Without ``entities`` M is
    the projected stream itself.
    """

    def __init__(self, config: ComprehensionConfig) -> None:
        super().__init__()
        width, norm = config.width, config.norm
        self.normalise = Normalise(norm)
        self.entities = Mutan(width, config.rank, norm) if config.entities else None
        self.relations = Relations(width, config.gate, norm) if config.relations else None
        self.segments = Segments(width, config.segments) if config.segments else None
        n_features = 2 + (self.relations is not None) + (self.segments is not None)
        self.out = nn.Linear(n_features * width + 2, width)

    def forward(self, stream: Steps, words: Steps, type_BTK: Tensor) -> Steps:
        place_BL2 = places(stream.mask_BL)
        named_BT = type_BTK[..., CONTENT] + type_BTK[..., MODIFIER]
        q_BD = self.normalise(pool_words(named_BT, words))
        m_BLD = stream.x_BLD
        if self.entities is not None:
            m_BLD = self.entities(stream.x_BLD, place_BL2, q_BD)
        m = real(m_BLD, stream.mask_BL)
        columns = [m.x_BLD, q_BD[:, None].expand_as(m.x_BLD), place_BL2]
        if self.relations is not None:
            columns.append(self.relations(m, words, type_BTK[..., RELATIONAL]))
        if self.segments is not None:
            action_BD = self.normalise(pool_words(type_BTK[..., ACTION], words))
            columns.append(self.segments(m, place_BL2[..., 0], action_BD))
        f_BLD = self.out(torch.cat(columns, -1)).relu()
        return real(f_BLD, stream.mask_BL)

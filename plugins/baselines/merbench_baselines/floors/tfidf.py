"""Floor ``tfidf-ridge``: ridge regression on tf-idf weights of the transcript's words and word
pairs, and of their letters if asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from scipy import sparse
from scipy.sparse.linalg import lsmr
from torch import Tensor

from merbench.api import Batch, Output, RequestError, SplitView, Tune
from merbench_baselines.floors.floor import Floor, Strengths, choose, goals, logits_of, ridge, whole

Cells = tuple[Tensor, Tensor, Tensor]
"""A sparse matrix: row, column and value of its entries."""


def grams(ids_BL: Tensor, mask_BL: Tensor, bigrams: bool) -> tuple[Tensor, Tensor]:
    """``(row_E, key_E)`` int64 of every n-gram of every row: (a + 1) 2^31 of the word a, (a + 1)
    2^31 + b + 1 of a before b.
    """
    a_BL = ids_BL + 1
    keys, real = [a_BL << 31], [mask_BL]
    if bigrams:
        keys.append((a_BL[:, :-1] << 31) + a_BL[:, 1:])
        real.append(mask_BL[:, :-1] & mask_BL[:, 1:])
    row_E, column_E = torch.cat(real, 1).nonzero(as_tuple=True)
    return row_E, torch.cat(keys, 1)[row_E, column_E]


def spell(words: Sequence[str], longest: int) -> tuple[Tensor, Tensor]:
    """``(word_E, key_E)`` int64 of all runs of 3 to ``longest`` characters of every ``<word>``,
    with the marks of its beginning and end (Bojanowski et al. 2017, 1607.04606, section 3.2). A key
    is a hash and below 0, so that it is no word's and the same on any data."""
    word, keys = [], []
    for number, text in enumerate(words):
        marked = f"<{text}>"
        runs = [
            marked[i : i + n] for n in range(3, longest + 1) for i in range(len(marked) - n + 1)
        ]
        keys += [
            -1 - (int.from_bytes(blake2b(run.encode(), digest_size=8).digest()) >> 1)
            for run in runs
        ]
        word += [number] * len(runs)
    return torch.tensor(word, dtype=torch.long), torch.tensor(keys, dtype=torch.long)


def runs(
    ids_BL: Tensor, mask_BL: Tensor, vocab: Sequence[str], longest: int
) -> tuple[Tensor, Tensor]:
    """``(row_E, key_E)`` int64 of ``spell`` of every word of every row; each distinct word is
    spelled once.
    """
    row_W, column_W = mask_BL.nonzero(as_tuple=True)
    distinct_U, which_W = torch.unique(ids_BL[row_W, column_W], return_inverse=True)
    spelled = spell([vocab[word] for word in distinct_U.tolist()], longest)
    word_S, key_S = (x.to(ids_BL.device) for x in spelled)
    # The runs of a word stand side by side: ``count_U`` of them, from ``first_U`` on.
    count_U = torch.bincount(word_S, minlength=len(distinct_U))
    first_U = count_U.cumsum(0) - count_U
    count_W = count_U[which_W]
    earlier_W = count_W.cumsum(0) - count_W
    place_E = torch.arange(int(count_W.sum()), device=ids_BL.device)
    place_E = place_E + (first_U[which_W] - earlier_W).repeat_interleave(count_W)
    return row_W.repeat_interleave(count_W), key_S[place_E]


class TfidfRidge(Floor):
    """Row b, column g: tf(b, g) idf(g), each row scaled to length 1; idf(g) = ln((1 + N) / (1 +
    df(g))) + 1 over the N train rows. The columns of words and those of characters are scaled
    apart.

    Then ridge with the train mean as intercept (the columns are not centred, which keeps them
    sparse): exact up to ``dense`` rows, above that by LSMR (Fong and Saunders 2011). Validation
    chooses the penalty. Labels as in ``ridge``. Where it begins with weights of another run, it
    keeps their n-grams and idf, and the penalty is on the distance from these weights.
    """

    class Config(Strengths):
        low: Annotated[float, Field(gt=0)] = 0.1
        high: Annotated[float, Field(gt=0)] = 100.0
        bigrams: Annotated[bool, Tune(choices=(False, True))] = True
        """Count pairs of neighbouring words too."""
        sublinear: Annotated[bool, Tune(choices=(False, True))] = False
        """tf is 1 + ln(count) and not the count."""
        characters: Annotated[int, Field(ge=3)] | None = None
        """Count runs of 3 to so many characters within words too, so that words with a common stem
        help each other; None = no runs.
        """
        min_df: Annotated[int, Field(ge=1), Tune(choices=(1, 2, 3, 5))] = 1
        """Leave out what stands in fewer train rows."""
        dense: Annotated[int, Field(ge=0)] = 3000
        """Most train rows for which a [rows, rows] matrix is decomposed."""

    learned = ("key_G", "idf_G", "weight_GC", "bias_C", "scale")

    def grams(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """``(row_E, key_E)`` of all that is counted."""
        encoder: Any = self.encoders["text"]
        x_BL1, mask_BL = encoder(batch.inputs["text"])
        ids_BL = x_BL1[..., 0]
        counted = [grams(ids_BL, mask_BL, self.config.bigrams)]
        if self.config.characters:
            counted.append(runs(ids_BL, mask_BL, encoder.vocab, self.config.characters))
        rows, keys = zip(*counted, strict=True)
        return torch.cat(rows), torch.cat(keys)

    def cells(self, batch: Batch) -> Cells:
        """The tf-idf matrix [B, G] of a batch."""
        row_E, key_E = self.grams(batch)
        at_E = torch.searchsorted(self.key_G, key_E).clamp(max=len(self.key_G) - 1)
        known_E = self.key_G[at_E] == key_E
        cell, count = torch.unique(
            row_E[known_E] * len(self.key_G) + at_E[known_E], return_counts=True
        )
        row, column = cell // len(self.key_G), cell % len(self.key_G)
        tf = 1 + count.log() if self.config.sublinear else count
        value = tf * self.idf_G[column]
        part = 2 * row + (self.key_G[column] < 0)
        norm_P = (
            torch.zeros(2 * len(batch), device=value.device).index_add_(0, part, value**2).sqrt()
        )
        return row, column, value / norm_P[part]

    def matrix(self, view: SplitView) -> sparse.csr_array:
        """[N, G] float64."""
        blocks = []
        for batch in view.batches():
            row, column, value = (t.cpu().numpy() for t in self.cells(batch))
            blocks.append(
                sparse.csr_array(
                    (value.astype(np.float64), (row, column)), shape=(len(batch), len(self.key_G))
                )
            )
        return sparse.vstack(blocks, format="csr")

    def count(self, train: SplitView) -> None:
        """Learn the n-grams and their idf."""
        size, keys = 0, []
        for batch in train.batches():
            row_E, key_E = self.grams(batch)
            keys.append(torch.unique(torch.stack((row_E, key_E)), dim=1)[1])
            size += len(batch)
        key_G, df_G = torch.unique(torch.cat(keys), return_counts=True)
        key_G, df_G = key_G[df_G >= self.config.min_df], df_G[df_G >= self.config.min_df]
        if not len(key_G):
            min_df = self.config.min_df
            raise RequestError(
                f"tfidf-ridge: no word occurs in {min_df} train transcripts; lower model.min_df "
                "or choose another text stream"
            )
        self.keep(key_G=key_G, idf_G=((1 + size) / (1 + df_G.double())).log() + 1)

    @torch.no_grad()
    def fit(self, train: SplitView, valid: SplitView) -> None:
        has_weights = len(self.key_G) > 0
        if not has_weights:
            self.count(train)
        x_NG, v_NG = self.matrix(train), self.matrix(valid)
        y_NC = goals(whole(train), self.space).cpu()
        start_GC = (
            self.weight_GC.cpu().double().numpy()
            if has_weights
            else np.zeros((x_NG.shape[1], y_NC.shape[1]))
        )
        y_NC = y_NC - torch.from_numpy(x_NG @ start_GC)
        bias_C = y_NC.mean(0)
        weights = [start_GC + w_GC for w_GC in self._weights(x_NG, y_NC - bias_C)]
        p_ANC = torch.from_numpy(np.stack([v_NG @ w_GC for w_GC in weights])) + bias_C
        best = choose(p_ANC, _on_cpu(whole(valid)), self.space)
        self.keep(
            weight_GC=torch.from_numpy(weights[best.which]),
            bias_C=bias_C,
            scale=torch.tensor(best.scale),
        )

    def _weights(self, x_NG: sparse.csr_array, y_NC: Tensor) -> list[np.ndarray]:
        """[G, C] for each penalty."""
        alphas = self.config.grid()
        if x_NG.shape[0] > self.config.dense:
            return descend(x_NG, y_NC.numpy(), alphas.numpy())
        gram_NN = torch.from_numpy((x_NG @ x_NG.T).toarray())
        return [x_NG.T @ dual_NC for dual_NC in ridge(gram_NN, y_NC, alphas).numpy()]

    def forward(self, batch: Batch) -> Output:
        row, column, value = self.cells(batch)
        p_BC = self.bias_C.repeat(len(batch), 1).index_add_(
            0, row, value[:, None] * self.weight_GC[column]
        )
        return Output(logits_of(p_BC, self.scale, self.space))


def descend(x_NG: sparse.csr_array, y_NC: np.ndarray, alphas: np.ndarray) -> list[np.ndarray]:
    """[G, C] for each alpha, by LSMR from zero (started elsewhere it would penalise the distance
    from there).
    """
    return [
        np.stack([lsmr(x_NG, y_N, damp=alpha**0.5)[0] for y_N in y_NC.T], axis=1)
        for alpha in alphas
    ]


def _on_cpu(rows: Batch) -> Batch:
    known = None if rows.known is None else rows.known.cpu()
    return Batch(rows.ids_B.cpu(), {}, rows.target.cpu(), known)

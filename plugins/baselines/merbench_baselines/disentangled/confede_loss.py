"""ConFEDE's contrast of a row's features with each other and with those of its neighbours (Yang et
al. 2023, ACL, section 3.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Batch, Config, Context, Model, Output, Progress, Tune, known_rows


class Neighbours(NamedTuple):
    """Rows of the batch [B, K] beside each row, and which of them count.

    ``near``: of the same rounded score, the most alike; of another score ``near_other``, the most
    alike, and ``far_other``, the least. A row whose score is not known has none and is none.
    """

    near: tuple[Tensor, Tensor]
    far_other: tuple[Tensor, Tensor]
    near_other: tuple[Tensor, Tensor]

    def all(self) -> tuple[Tensor, Tensor]:
        rows, counts = zip(*self, strict=True)
        return torch.cat(rows, 1), torch.cat(counts, 1)

    def others(self) -> tuple[Tensor, Tensor]:
        """Those of another score, from which a row is pushed away."""
        pairs = (self.far_other, self.near_other)
        rows, counts = zip(*pairs, strict=True)
        return torch.cat(rows, 1), torch.cat(counts, 1)


def neighbours(utterances_BD: Tensor, target_B: Tensor, known_B: Tensor, count: int) -> Neighbours:
    """By the cosine of what was read of all modalities."""
    unit_BD = F.normalize(utterances_BD, dim=1)
    alike_BB, label_B = unit_BD @ unit_BD.T, target_B.round()
    known_BB = known_B[:, None] & known_B
    same_BB = known_BB & (label_B[:, None] == label_B)
    other_BB = known_BB & ~same_BB
    itself_BB = torch.eye(len(label_B), dtype=torch.bool, device=label_B.device)
    count = min(count, len(label_B))

    def best(score_BB: Tensor, among_BB: Tensor) -> tuple[Tensor, Tensor]:
        top = score_BB.masked_fill(~among_BB, -torch.inf).topk(count, dim=1)
        return top.indices, top.values > -torch.inf

    return Neighbours(
        best(alike_BB, same_BB & ~itself_BB), best(-alike_BB, other_BB), best(alike_BB, other_BB)
    )


def pair_loss(positive: Tensor, negatives: Tensor) -> Tensor:
    """-log (e^p / (e^p + sum_n e^n)): ``positive`` [...], ``negatives`` [..., N], -inf where there
    is none.
    """
    all_pairs = torch.cat((positive[..., None], negatives), -1)
    return all_pairs.logsumexp(-1) - positive


class DecompositionContrast(nn.Module):
    """``contrast``: a row's similarity features near to each other, centred around the text's, and
    away from its dissimilarity features; near to those of its ``near`` neighbours, modality by
    modality, and away from those of neighbours of another score.

    Pairs of positive features (cosines over ``temperature``), each against the negatives of its
    first: (s_text, s_m) of the row and of each of its neighbours, negatives d_text, d_m; (s_m,
    s_m of a near neighbour), negatives s_m of neighbours of another score. s_text of the row has
    both kinds of negatives in all of its pairs. Mean over a row's pairs, then over rows. Without
    text the first modality stands in its place.
    """

    class Config(Config):
        weight: Annotated[float, Field(ge=0), Tune(0.01, 1.0, log=True)] = 0.1
        temperature: Annotated[float, Field(gt=0), Tune(0.1, 1.0, log=True)] = 0.5
        neighbours: Annotated[int, Field(ge=0)] = 2
        """Of each of the three kinds; 0: a row is contrasted with itself alone."""

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config = config

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        aux, config = out.aux, self.config
        neighbour_rows = neighbours(
            aux["utterances"].detach(), batch.target, known_rows(batch), config.neighbours
        )
        similar_BMH, dissimilar_BMH = (
            F.normalize(aux[name], dim=2) / config.temperature**0.5
            for name in ("similar", "dissimilar")
        )
        loss_B = row_losses(similar_BMH, dissimilar_BMH, aux["present"], neighbour_rows)
        return {"contrast": config.weight * loss_B.mean()}


def row_losses(
    similar_BMH: Tensor, dissimilar_BMH: Tensor, present_BM: Tensor, neighbour_rows: Neighbours
) -> Tensor:
    """[B]; 0 for a row without a pair. Features of unit length over the root of the temperature."""
    anchor_BH, there_B1 = similar_BMH[:, 0], present_BM[:, :1]
    own_BM = torch.einsum("bh,bmh->bm", anchor_BH, similar_BMH)[:, 1:]
    own_there_BM = (present_BM & there_B1)[:, 1:]
    apart_BM = torch.einsum("bh,bmh->bm", anchor_BH, dissimilar_BMH)
    apart_BM = apart_BM.masked_fill(~present_BM, -torch.inf)
    across_MBB = torch.einsum("bmh,cmh->mbc", similar_BMH, similar_BMH)
    both_MBB = present_BM.T[:, :, None] & present_BM.T[:, None, :]
    across_MBB = across_MBB.masked_fill(~both_MBB, -torch.inf)

    others_BK, counts_BK = neighbour_rows.others()
    index_MBK = others_BK.expand(len(across_MBB), -1, -1)
    pushed_MBK = across_MBB.gather(2, index_MBK).masked_fill(~counts_BK, -torch.inf)
    near_BK, near_counts_BK = neighbour_rows.near
    pulled_MBK = across_MBB.gather(2, near_BK.expand(len(across_MBB), -1, -1))
    pulled_there_MBK = near_counts_BK & (pulled_MBK > -torch.inf)

    # The row itself: its text has both kinds of negatives.
    anchor_negatives_BN = torch.cat((apart_BM, pushed_MBK[0]), 1)
    pairs = [(pair_loss(own_BM, _for_each(anchor_negatives_BN, own_BM)), own_there_BM)]
    for m, (pulled_BK, there_BK) in enumerate(zip(pulled_MBK, pulled_there_MBK, strict=True)):
        negatives_BN = anchor_negatives_BN if m == 0 else pushed_MBK[m]
        safe_BK = torch.where(there_BK, pulled_BK, 0.0)
        pairs.append((pair_loss(safe_BK, _for_each(negatives_BN, safe_BK)), there_BK))
    # Its neighbours, each with itself.
    itself_BM = pair_loss(own_BM, _for_each(apart_BM, own_BM))
    rows_BK, rows_count_BK = neighbour_rows.all()
    pairs.append(
        (
            itself_BM[rows_BK].flatten(1),
            (own_there_BM[rows_BK] & rows_count_BK[..., None]).flatten(1),
        )
    )
    loss_BP, there_BP = (torch.cat(columns, 1) for columns in zip(*pairs, strict=True))
    total_B = torch.where(there_BP, loss_BP, 0.0).sum(1)
    return total_B / there_BP.sum(1).clamp(min=1)


def _for_each(negatives_BN: Tensor, positive_BP: Tensor) -> Tensor:
    """[B, P, N]."""
    return negatives_BN[:, None].expand(-1, positive_BP.shape[1], -1)

"""Tensor Fusion Network (Zadeh et al. 2017, arXiv 1707.07250)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Config, Context, Fused, Modality, Queries, Steps, Tune
from merbench_baselines.fields import Dropout, Width
from merbench_baselines.layers import UtteranceNets


def outer(h: Iterable[Tensor]) -> Tensor:
    """[B, prod (D_m + 1)]: [h_1; 1] (x) [h_2; 1] (x) ... of vectors [B, D_m], flattened row by row
    (section 4.2, eq. 2).
    """
    z_BP = None
    for h_BD in h:
        h_BD = F.pad(h_BD, (0, 1), value=1.0)
        z_BP = h_BD if z_BP is None else (z_BP[:, :, None] * h_BD[:, None]).flatten(1)
    assert z_BP is not None
    return z_BP


class TFN(nn.Module):
    """z = ReLU(W vec([h_t; 1] (x) [h_a; 1] (x) [h_v; 1]) + b): all products of one, two and three
    modalities.

    h_m is that of ``UtteranceNets``; a missing modality has h_m = 0, so that only its products
    vanish.
    """

    class Config(Config):
        hidden: Width = 128
        width: Annotated[int, Field(ge=1), Tune(8, 48, log=True)] = 16
        """Of each h_m; the product has (width + 1) ** modalities entries."""
        post: Width = 64
        """Width of z, which is made of the products."""
        products: Literal["all", "proper", "single"] = "all"
        """Which modalities may stand in one product: all of them; all but all at once (no trimodal
        one); one (no fusion).
        """
        dropout: Dropout = 0.3
        post_dropout: Dropout = 0.3
        """On the products."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        self.width = config.post
        self.nets = UtteranceNets(widths, config.hidden, config.width, config.dropout)
        most = {"all": len(widths), "proper": len(widths) - 1, "single": 1}[config.products]
        # 2 for a coordinate of h_m and 1 for its constant, so that an entry's product counts its
        # modalities in powers of two.
        factors_P = outer(torch.full((1, config.width), 2.0) for _ in widths)[0]
        self.register_buffer("keep_P", (factors_P <= 2**most).nonzero()[:, 0], persistent=False)
        self.keeps_all = len(self.keep_P) == len(factors_P)
        self.post = nn.Sequential(
            nn.Dropout(config.post_dropout), nn.Linear(len(self.keep_P), config.post), nn.ReLU()
        )

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        z_BP = outer(self.nets(parts).values())
        return Fused(self.post(z_BP if self.keeps_all else z_BP[:, self.keep_P])[:, None])

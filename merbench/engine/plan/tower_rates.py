"""Pretrained weights that the user has trained along learn at a rate of their own.

At the rate of parts that begin from nothing they are lost in the first epoch. A recipe that tunes
its tower by itself has named its rates.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from merbench.api import TrainConfig
from merbench.engine.plan.plan import Part

FACTOR = 0.05
"""On ``train.lr``: 5e-5 at 1e-3, the highest rate that BERT is fine-tuned at in Devlin et al. 2019
(1810.04805, A.3)."""


def with_tower_rates(
    train: TrainConfig, parts: Mapping[str, Part], set_by_user: Set[tuple[str, str]]
) -> TrainConfig:
    """``train.lr_factors`` with ``FACTOR`` for the pretrained weights of each part that is tuned
    because ``set_by_user`` has it ((slot, field) pairs), unless some are named there already; and
    without the recipe's own rate and decay for weights that stay frozen.
    """
    rates, decays = dict(train.lr_factors), dict(train.decay_factors)
    for slot, part in parts.items():
        kind = slot.partition(".")[0]
        weights = getattr(part.factory, "weights_prefix", "")
        if not (weights and part.pretrained):
            continue
        owner = slot.replace("encoder.", "encoders.") if kind == "encoder" else slot
        prefix = f"{owner}.{weights}"
        if not getattr(part.config, "tuned", False):
            for field, factors in (("lr_factors", rates), ("decay_factors", decays)):
                if ("train", field) not in set_by_user:
                    factors.pop(prefix, None)
        elif set_by_user & {(slot, "tuned"), (kind, "tuned")} and not any(
            prefix.startswith(known_prefix) for known_prefix in rates
        ):
            rates[prefix] = FACTOR
    return train.model_copy(update={"lr_factors": rates, "decay_factors": decays})

"""The settings of training, with the ranges that a search draws them from, whatever the model: a
recipe that wants others says so in its ``search``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from merbench.api.declarations.config import LATER, Config
from merbench.api.declarations.tune import Tune
from merbench.api.declarations.weight_schedule import parse
from merbench.api.errors import RequestError

Beta = Annotated[float, Field(ge=0, lt=1)]


class TrainConfig(Config):
    """How the one training loop trains (``--set train.lr=...``)."""

    epochs: Annotated[int, Field(ge=0)] = 50
    """At most so many passes over the train split, in each stage that does not say otherwise."""
    patience: Annotated[int, Field(ge=1)] = 8
    """Stop after so many epochs without a better validation score."""
    batch_size: Annotated[int, Field(ge=1), Tune(choices=(16, 32, 64, 128))] = 32
    """Rows of a batch."""
    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    """``adamw`` decays weights apart from the gradient; the others add the decay to it."""
    lr: Annotated[float, Field(gt=0), Tune(1e-5, 1e-2, log=True)] = 1e-3
    """Learning rate at the top of the schedule."""
    lr_factors: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Prefix of parameter names -> factor on ``lr`` (the longest matching prefix counts)."""
    decay_factors: Annotated[dict[str, Annotated[float, Field(ge=0)]], LATER] = {}
    """The same for ``weight_decay``."""
    weight_decay: Annotated[float, Field(ge=0), Tune(1e-6, 1e-1, log=True)] = 1e-2
    """Of all parameters; ``decay_factors`` changes it for some."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Of ``sgd``; the others ignore it."""
    betas: Annotated[tuple[Beta, Beta], LATER] = (0.9, 0.999)
    """Of ``adamw`` and ``adam``."""
    eps: Annotated[float, Field(gt=0), LATER] = 1e-8
    """Of ``adamw`` and ``adam``."""
    schedule: Literal["constant", "cosine", "linear", "polynomial", "one-cycle", "plateau"] = (
        "cosine"
    )
    """``one-cycle`` (Smith & Topin 2019, 1708.07120, in cosine form): from ``lr`` / 25 up to ``lr``
    over the share ``warmup`` of all steps (.3 where it is 0), then down to ``lr`` / 250,000."""
    power: Annotated[float, Field(gt=0), LATER] = 1.0
    """Of ``polynomial``: the rate is ``lr * (1 - share) ** power``."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of all steps in which the rate rises linearly from 0."""
    clip_norm: Annotated[float, Field(ge=0)] = 1.0
    """Global gradient norm is clipped to this; 0 = not at all."""
    clip_value: Annotated[float, Field(ge=0), LATER] = 0.0
    """Each gradient is clipped to [-this, this], before the norm is; 0 = not at all."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Batches to one optimiser step (the last, incomplete group of an epoch counts too)."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of an exponential moving average of the weights, used for scoring, and the teacher of
    objectives that need one; 0 = none."""
    objective_schedules: Annotated[dict[str, str], LATER] = {}
    """Objective -> how much it counts as the stage goes on: ``constant``, ``ramp:0:0.3`` (rising
    from 0 to its weight over the first 30 % of the batches), ``warm-up:0.1`` (not before 10 %),
    ``decay:0.5:1``."""
    select: str = ""
    """Validation metric that chooses the epoch; empty = ``mae`` for a score and for a score with
    labels, ``accuracy`` for a class, ``micro_f1`` for multilabel."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """``bf16``: the forward pass and the loss in autocast; weights stay in ``fp32``."""
    by_length: Annotated[bool, LATER] = False
    """Batches of rows of like length, so that little is padded (a text tower trains in half the
    time): rows are shuffled, sorted in pools of 32 batches, and the batches shuffled."""
    stack: Annotated[bool, LATER] = False
    """Seeds train together, their parameters stacked, where the model allows it: for GPUs, which
    one small model leaves idle.
    """

    @field_validator("objective_schedules")
    @classmethod
    def _parse_schedules(cls, schedules: dict[str, str]) -> dict[str, str]:
        for schedule in schedules.values():
            try:
                parse(schedule)
            except RequestError as error:
                raise ValueError(str(error)) from None
        return schedules

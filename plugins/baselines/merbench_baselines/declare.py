"""What the declarations of every family share. Imports no torch."""

from __future__ import annotations

import dataclasses
from typing import Any

from merbench.api import Ablation, Case, Component, Tune

VECTORS = {"words": "word-vectors", "strings": "word-vectors", "features": "features"}
"""What a fusion method reads: fixed word vectors, and features as they are."""


TOWER = "encoders.text.net."
"""How the parameters of a pretrained tower begin that reads the text."""


def with_tower(rate: float = 0.05, **fusion: Any) -> Case:
    """Where a pretrained tower reads the text: it is trained along at ``rate`` times the rate."""
    settings = {"encoder.text.tuned": True, "train.lr_factors": {TOWER: rate}}
    settings |= {f"fusion.{name}": value for name, value in fusion.items()}
    return Case(offers=("text.tower",), settings=settings)


def inside_tower(rate: float, **fusion: Any) -> Case:
    """The same for a fusion that works inside the tower, between its layers."""
    case = with_tower(rate, **fusion)
    return dataclasses.replace(case, encoders={"text.strings": "hf-inside"})


def mosei_tower(rate: float = 0.0, decay: float = 0.0) -> Case:
    """What was published of the tower for MOSEI alone: factors on rate and weight decay (0: as
    elsewhere). It comes after ``with_tower``.
    """
    factors = {"train.lr_factors": rate, "train.decay_factors": decay}
    settings = {name: {TOWER: factor} for name, factor in factors.items() if factor}
    return Case(datasets=("mosei",), offers=("text.tower",), settings=settings)


NO_DECAY = {"train.weight_decay": Tune(0.0, 1e-2)}
"""The search range where the published weight decay is 0."""

PAIRS = (
    Ablation(name="text-audio", summary="without video", modalities=("text", "audio")),
    Ablation(name="text-video", summary="without audio", modalities=("text", "video")),
    Ablation(name="audio-video", summary="without text", modalities=("audio", "video")),
)
SINGLES = (
    Ablation(name="only-text", summary="text alone", modalities=("text",)),
    Ablation(name="only-audio", summary="audio alone", modalities=("audio",)),
    Ablation(name="only-video", summary="video alone", modalities=("video",)),
)


def part(kind: Any, name: str, target: str, summary: str, **declared: Any) -> Component:
    """A component whose ``target`` lies in this package."""
    target = f"merbench_baselines.{target}"
    return Component(kind=kind, name=name, target=target, summary=summary, **declared)

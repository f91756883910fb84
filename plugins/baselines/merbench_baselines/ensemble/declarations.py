"""Models whose prediction is the mean of several."""

from __future__ import annotations

from collections.abc import Iterator

from merbench.api import Ablation, Case, Component, Recipe, Stage
from merbench_baselines.declare import TOWER, part

MEMBERS = 5
"""As many as in the paper's experiments."""

COPIES = "copies."
"""How the parameters of all members' encoders but the first one's begin."""


def components() -> Iterator[Component]:
    yield part(
        "model",
        "deep-ensemble",
        "ensemble.deep:DeepEnsemble",
        "members that learn one after another, and the mean of what they predict",
    )


def recipes() -> Iterator[Recipe]:
    yield Recipe(
        name="text-ensemble",
        paper="Lakshminarayanan et al. 2017, NeurIPS, arXiv 1612.01474",
        summary="five models of the text alone, averaged (after Lakshminarayanan et al. 2017)",
        encoders={"words": "word-bilstm", "strings": "word-bilstm", "features": "feature-bilstm"},
        model="deep-ensemble",
        modalities=("text",),
        settings={"encoder.width": 128, "model.pooling": "max"},
        stages=tuple(_stage(member) for member in range(MEMBERS)),
        cases=(
            Case(
                offers=("text.tower",),
                settings={
                    "encoder.text.tuned": True,
                    "model.pooling": "mean",
                    "train.lr_factors": {TOWER: 0.05, COPIES: 0.05},
                },
            ),
        ),
        ablations=(
            Ablation(
                name="one-member",
                summary="the first member alone",
                settings={f"stage.{_stage(k).name}.epochs": 0 for k in range(1, MEMBERS)},
            ),
        ),
    )


def _stage(member: int) -> Stage:
    encoders = f"{COPIES}{member - 1}." if member else "encoders."
    return Stage(name=f"member-{member + 1}", trains=(encoders, f"readers.{member}."))

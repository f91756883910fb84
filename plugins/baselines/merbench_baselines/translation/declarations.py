"""Modalities translated to each other in training, of which one is needed afterwards."""

from __future__ import annotations

from collections.abc import Iterator

from merbench.api import Ablation, Component, Recipe
from merbench_baselines.declare import NO_DECAY, PAIRS, VECTORS, part, with_tower


def components() -> Iterator[Component]:
    yield part(
        "fusion",
        "mctn",
        "translation.mctn:MCTN",
        "states of one modality from which the others can be translated",
        min_modalities=2,
        required_modalities=("text",),
        provides=("joint.1",),
    )
    yield part(
        "objective",
        "cyclic-translation",
        "translation.cycle:CyclicTranslation",
        "the other modalities translated from the states that predict, and back",
        needs=("composed", "steps", "joint.1"),
    )


def recipes() -> Iterator[Recipe]:
    yield Recipe(
        name="mctn",
        paper="Pham et al. 2019, AAAI, arXiv 1812.07809",
        summary="multimodal cyclic translation network (Pham et al. 2019)",
        encoders=VECTORS,
        fusion="mctn",
        head="linear",
        objective=("task", "cyclic-translation"),
        min_modalities=2,
        settings={
            "train.epochs": 200,
            "train.patience": 20,
            "train.batch_size": 32,
            "train.lr": 1e-4,
            "train.weight_decay": 0.0,
            "train.optimiser": "adam",
            "train.schedule": "constant",
            "train.clip_norm": 0.0,
        },
        search=NO_DECAY,
        cases=(with_tower(),),
        ablations=(
            Ablation(
                name="no-cycle",
                summary="translated forward, not back",
                settings={"objective.cyclic-translation.back": 0.0},
            ),
            Ablation(
                name="no-translation",
                summary="the task on the source alone",
                settings={"objective": ("task",)},
            ),
            *PAIRS[:2],
        ),
    )

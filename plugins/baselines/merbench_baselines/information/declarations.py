"""Mutual information between modalities, and between them and what is fused."""

from __future__ import annotations

from collections.abc import Iterator

from merbench.api import Ablation, Component, Recipe
from merbench_baselines.declare import PAIRS, VECTORS, part, with_tower


def components() -> Iterator[Component]:
    provided = ("utterances", "present")
    yield part(
        "fusion",
        "mmim",
        "information.mmim:MMIM",
        "a vector a modality, fused by two layers",
        provides=provided,
        min_modalities=2,
    )
    yield part(
        "objective",
        "mutual-information",
        "information.mmim_loss:MutualInformation",
        "bounds of the information between modalities and in the fused vector",
        needs=(*provided, "fused"),
        spaces=("score",),
    )


def recipes() -> Iterator[Recipe]:
    yield Recipe(
        name="mmim",
        paper="Han et al. 2021, EMNLP, arXiv 2109.00412",
        summary="multimodal InfoMax (Han et al. 2021)",
        encoders=VECTORS,
        fusion="mmim",
        head="linear",
        objective=("task", "mutual-information"),
        min_modalities=2,
        spaces=("score",),
        settings={
            "train.batch_size": 32,
            "train.lr": 1e-3,
            "train.weight_decay": 1e-4,
            "train.optimiser": "adam",
            "train.schedule": "plateau",
            "train.clip_norm": 1.0,
        },
        cases=(with_tower(text="first"),),
        ablations=(
            Ablation(
                name="no-bound",
                summary="no information between modalities",
                settings={"objective.mutual-information.beta": 0.0},
            ),
            Ablation(
                name="no-contrast",
                summary="no information between the fused vector and the modalities",
                settings={"objective.mutual-information.alpha": 0.0},
            ),
            Ablation(
                name="no-memory",
                summary="the entropy of each batch by itself",
                settings={"objective.mutual-information.memory": 0},
            ),
            *PAIRS,
        ),
    )

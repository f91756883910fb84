"""A task a modality beside the fused one, with generated labels."""

from __future__ import annotations

from collections.abc import Iterator

from merbench.api import Ablation, Case, Component, Recipe
from merbench_baselines.declare import PAIRS, VECTORS, part, with_tower


def components() -> Iterator[Component]:
    provided = ("utterances", "present")
    yield part(
        "fusion",
        "self-mm",
        "unimodal.self_mm:SelfMM",
        "a vector a modality, fused by one layer",
        provides=provided,
        min_modalities=2,
    )
    yield part(
        "objective",
        "unimodal-labels",
        "unimodal.labels:UnimodalLabels",
        "a task a modality, with labels generated in training",
        needs=(*provided, "fused"),
        spaces=("score",),
    )


def recipes() -> Iterator[Recipe]:
    yield Recipe(
        name="self-mm",
        summary="self-supervised unimodal tasks (Yu et al. 2021)",
        encoders=VECTORS,
        fusion="self-mm",
        head="mlp",
        objective=("task", "unimodal-labels"),
        min_modalities=2,
        spaces=("score",),
        settings={
            "head.hidden": 128,
            "head.dropout": 0.0,
            "train.batch_size": 16,
            "train.accumulate": 4,
            "train.lr": 1e-3,
            "train.lr_factors": {"fusion.read.audio.": 5.0, "fusion.read.video.": 5.0},
            "train.weight_decay": 1e-3,
            "train.optimiser": "adam",
            "train.schedule": "constant",
        },
        cases=(
            Case(
                datasets=("mosei",),
                settings={
                    "fusion.dropout": 0.1,
                    "objective.unimodal-labels.dropout_text": 0.0,
                    "objective.unimodal-labels.dropout_audio": 0.0,
                    "train.batch_size": 32,
                    "train.lr_factors": {"fusion.read.audio.": 5.0, "fusion.read.video.": 0.1},
                    "train.weight_decay": 1e-2,
                },
            ),
            with_tower(text="first"),
        ),
        known_failures={
            "gradient reaches every parameter": "a unimodal task counts from the first generated "
            "labels on, and those are of the second epoch"
        },
        ablations=(
            Ablation(
                name="no-unimodal-tasks",
                summary="the fused task alone",
                settings={"objective": ("task",)},
            ),
            Ablation(
                name="no-generated-labels",
                summary="every modality trained by the row's own label",
                settings={"objective.unimodal-labels.labels": "multimodal"},
            ),
            *(
                Ablation(
                    name=f"task-{m}",
                    summary=f"a task of its own for {m} alone",
                    settings={"objective.unimodal-labels.tasks": [m]},
                )
                for m in ("text", "audio", "video")
            ),
            Ablation(
                name="plain-distance",
                summary="distances not squared, as in the authors' code",
                settings={"objective.unimodal-labels.distance": "plain"},
            ),
            *PAIRS,
        ),
    )

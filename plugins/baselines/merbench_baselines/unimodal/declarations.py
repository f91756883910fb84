"""A task a modality beside the fused one, with generated labels."""

from __future__ import annotations

from collections.abc import Iterator

from merbench.api import Ablation, Case, Component, Recipe
from merbench_baselines.declare import PAIRS, VECTORS, mosei_tower, part, with_tower


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
        "fusion",
        "tetfn",
        "unimodal.tetfn:TETFN",
        "modalities attend to each other as the text enhances them",
        provides=provided,
        required_modalities=("text",),
        min_modalities=2,
    )
    yield part(
        "objective",
        "unimodal-labels",
        "unimodal.generated_labels:UnimodalLabels",
        "a task a modality, with labels generated in training",
        needs=(*provided, "fused"),
        spaces=("score",),
    )


def recipes() -> Iterator[Recipe]:
    yield _tetfn()
    yield _self_mm()


def _self_mm() -> Recipe:
    return Recipe(
        name="self-mm",
        paper="Yu et al. 2021, AAAI, arXiv 2102.04830",
        code="https://github.com/thuiar/Self-MM",
        licence="MIT",
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
                    "train.decay_factors": {"fusion.read.audio.": 0.0, "fusion.read.video.": 0.0},
                },
            ),
            with_tower(text="first"),
            mosei_tower(decay=0.1),
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


def _tetfn() -> Recipe:
    rates = {"fusion.lstm.audio.": 1.67, "fusion.convolve.audio.": 1.67}
    return Recipe(
        name="tetfn",
        paper="Wang et al. 2023, Pattern Recognition 136, doi 10.1016/j.patcog.2022.109259",
        summary="text enhanced transformer fusion network (Wang et al. 2023)",
        encoders=VECTORS,
        fusion="tetfn",
        head="mlp",
        objective=("task", "unimodal-labels"),
        min_modalities=2,
        spaces=("score",),
        settings={
            "head.hidden": 64,
            "head.dropout": 0.0,
            "objective.unimodal-labels.hidden_audio": 32,
            "objective.unimodal-labels.hidden_video": 16,
            "objective.unimodal-labels.dropout_text": 0.0,
            "objective.unimodal-labels.dropout_audio": 0.0,
            "train.batch_size": 64,
            "train.accumulate": 4,
            "train.lr": 3e-4,
            "train.lr_factors": rates,
            "train.weight_decay": 1e-2,
            "train.optimiser": "adam",
            "train.schedule": "constant",
        },
        cases=(
            Case(
                datasets=("mosei",),
                settings={
                    "fusion.lstm_audio": 32,
                    "fusion.lstm_video": 32,
                    "fusion.kernel_video": 1,
                    "fusion.relu_dropout": 0.1,
                    "fusion.embed_dropout": 0.1,
                    "fusion.res_dropout": 0.0,
                    "fusion.out_dropout": 0.1,
                    "objective.unimodal-labels.hidden_text": 64,
                    "objective.unimodal-labels.dropout_text": 0.1,
                    "objective.unimodal-labels.dropout_video": 0.1,
                    "train.batch_size": 32,
                    "train.lr": 1e-4,
                    "train.lr_factors": {
                        **dict.fromkeys(rates, 10.0),
                        "fusion.lstm.video.": 50.0,
                        "fusion.convolve.video.": 50.0,
                    },
                    "train.decay_factors": {
                        **dict.fromkeys(rates, 0.0),
                        "fusion.lstm.video.": 0.1,
                        "fusion.convolve.video.": 0.1,
                    },
                },
            ),
            with_tower(0.1),
            mosei_tower(rate=0.3, decay=0.1),
        ),
        known_failures={
            "gradient reaches every parameter": "a unimodal task counts from the first generated "
            "labels on, and those are of the second epoch"
        },
        ablations=(
            Ablation(
                name="no-text-enhancement",
                summary="audio and video attend to each other as they are",
                settings={"fusion.enhanced": False},
            ),
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
            *PAIRS[:2],
        ),
    )

"""An expert a modality, and a router that says how much each counts for a row."""

from __future__ import annotations

from collections.abc import Iterator

from merbench.api import Ablation, Case, Component, Recipe, Stage
from merbench_baselines.declare import NO_DECAY, PAIRS, VECTORS, mosei_tower, part, with_tower

NO_GRADIENT = (
    "the noise on gates is drawn in training alone, and experts that no row chose get none"
)


def components() -> Iterator[Component]:
    provided = ("branches", "routes", "present")
    yield part(
        "fusion",
        "emoe",
        "experts.emoe:EMOE",
        "a transformer a modality, weighted by a router",
        provides=provided,
        min_modalities=2,
    )
    yield part(
        "objective",
        "routed-experts",
        "experts.emoe_loss:RoutedExperts",
        "a task a modality, and a router that knows how well each does",
        needs=(*provided, "fused"),
        spaces=("score", "class", "multilabel"),
    )

    yield part(
        "fusion",
        "glomo",
        "experts.glomo:GLoMo",
        "global and local vectors, the local ones of a mixture of experts",
        provides=("gates", "load"),
        min_modalities=2,
        known_failures={"gradient reaches every parameter": NO_GRADIENT},
    )
    yield part(
        "objective",
        "expert-balance",
        "experts.mixture:ExpertBalance",
        "every expert of a mixture counts alike over a batch",
        needs=("gates", "load"),
    )

    guiding = ("scores", "means", "scored")
    yield part(
        "fusion",
        "kuda",
        "experts.kuda:KuDA",
        "attention to each modality, as much as its own score agrees with the others'",
        provides=guiding,
        min_modalities=2,
    )
    yield part(
        "objective",
        "modality-correlation",
        "experts.kuda_loss:Correlation",
        "the fused vector near to each modality of its row, and not to those of others",
        needs=(*guiding, "fused"),
    )


def recipes() -> Iterator[Recipe]:
    yield _glomo()
    yield _kuda()
    yield _emoe()


def _emoe() -> Recipe:
    return Recipe(
        name="emoe",
        paper="Fang et al. 2025, CVPR",
        summary="modality-specific enhanced dynamic emotion experts (Fang et al. 2025)",
        encoders=VECTORS,
        fusion="emoe",
        head="linear",
        objective=("task", "routed-experts"),
        min_modalities=2,
        spaces=("score", "class", "multilabel"),
        settings={
            "train.batch_size": 16,
            "train.accumulate": 10,
            "train.lr": 1e-4,
            "train.weight_decay": 0.0,
            "train.optimiser": "adam",
            "train.schedule": "plateau",
            "train.clip_norm": 0.0,
        },
        cases=(
            Case(
                datasets=("mosei",),
                settings={
                    "fusion.width": 30,
                    "fusion.heads": 5,
                    "fusion.kernel_audio": 1,
                    "fusion.kernel_video": 3,
                    "fusion.text_dropout": 0.3,
                    "fusion.attn_dropout_text": 0.4,
                    "fusion.attn_dropout_audio": 0.0,
                    "fusion.embed_dropout": 0.0,
                },
            ),
            with_tower(1.0),
        ),
        search=NO_DECAY,
        ablations=(
            Ablation(
                name="no-router",
                summary="every modality counts alike",
                settings={
                    "fusion.routed": False,
                    "objective.routed-experts.balance": 0.0,
                    "objective.routed-experts.ability": 0.0,
                },
            ),
            *(
                Ablation(
                    name=f"no-{term}",
                    summary=f"without the loss of {term}",
                    settings={f"objective.routed-experts.{term}": 0.0},
                )
                for term in ("branches", "balance", "ability", "distillation")
            ),
            *PAIRS,
        ),
    )


def _glomo() -> Recipe:
    return Recipe(
        name="glomo",
        summary="global-local modal fusion (Zhuang et al. 2024)",
        paper="Zhuang et al. 2024, ACM Multimedia, doi 10.1145/3664647.3681527",
        encoders=VECTORS,
        fusion="glomo",
        head="linear",
        objective=("task", "expert-balance"),
        min_modalities=2,
        settings={
            "train.batch_size": 60,
            "train.accumulate": 4,
            "train.lr": 1e-3,
            "train.weight_decay": 1e-4,
            "train.schedule": "constant",
            "train.clip_norm": 0.0,
        },
        search={"train.batch_size": None},
        known_failures={"gradient reaches every parameter": NO_GRADIENT},
        cases=(
            Case(
                datasets=("mosei",),
                settings={
                    "fusion.width": 192,
                    "fusion.layers": 3,
                    "train.batch_size": 64,
                    "train.accumulate": 1,
                },
            ),
            with_tower(0.04),
            mosei_tower(0.01),
        ),
        ablations=(
            Ablation(
                name="one-expert",
                summary="one network in place of a mixture",
                settings={"fusion.experts": 1, "fusion.chosen": 1},
            ),
            Ablation(
                name="no-balance",
                summary="experts may be used unevenly",
                settings={"objective": ("task",)},
            ),
            Ablation(
                name="one-window",
                summary="local vectors of the whole sequence",
                settings={"fusion.windows": 1},
            ),
            Ablation(
                name="no-guidance",
                summary="every modality's own vectors count alike",
                settings={"fusion.guided": False},
            ),
            *PAIRS,
        ),
    )


def _kuda() -> Recipe:
    knowledge = Stage(
        name="knowledge",
        epochs=10,
        trains=("encoders.", "fusion.read.", "fusion.adapt.", "fusion.score."),
        objectives=("unimodal-scores",),
        selects=False,
        settings={"lr": 1e-4, "weight_decay": 1e-3},
    )
    fusing = ("encoders.", "fusion.read.", "fusion.narrow.", "fusion.blocks.", "head.")
    main = Stage(name="main", trains=fusing, objectives=("squared-error", "modality-correlation"))
    return Recipe(
        name="kuda",
        paper="Feng et al. 2024, EMNLP Findings, arXiv 2410.04491",
        code="https://github.com/MKMaS-GUET/KuDA",
        summary="knowledge-guided dynamic modality attention (Feng et al. 2024)",
        encoders=VECTORS,
        fusion="kuda",
        head="mlp",
        objective=("squared-error", "modality-correlation", "unimodal-scores"),
        stages=(knowledge, main),
        min_modalities=2,
        spaces=("score",),
        settings={
            "head.hidden": 64,
            "head.dropout": 0.0,
            "train.batch_size": 32,
            "train.lr": 3e-5,
            "train.weight_decay": 1e-5,
            "train.schedule": "cosine",
            "train.warmup": 0.1,
            "train.clip_norm": 0.0,
        },
        cases=(Case(offers=("text.tower",), settings={"encoder.text.tuned": True}),),
        ablations=(
            Ablation(
                name="no-guidance",
                summary="every modality counts alike",
                settings={"fusion.guided": False},
            ),
            Ablation(
                name="inside",
                summary="ratios inside the norm, without effect, as in the authors' code",
                settings={"fusion.weighing": "inside"},
            ),
            Ablation(
                name="no-knowledge",
                summary="no adapters beside the reading transformers",
                settings={"fusion.adapters": 0},
            ),
            Ablation(
                name="no-pretraining",
                summary="all trained for the task at once, modalities by themselves never",
                stages=(Stage(objectives=("squared-error", "modality-correlation")),),
            ),
            Ablation(
                name="no-correlation",
                summary="without the correlation loss",
                settings={"objective.modality-correlation.weight": 0.0},
            ),
            *PAIRS,
        ),
    )

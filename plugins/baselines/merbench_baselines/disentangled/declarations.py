"""What modalities share and what each has to itself, in spaces of their own."""

from __future__ import annotations

from collections.abc import Iterator

from merbench.api import Ablation, Case, Component, Recipe, Tune
from merbench_baselines.declare import NO_DECAY, PAIRS, VECTORS, part, with_tower

STEP_SPACES = {
    "train.batch_size": 16,
    "train.accumulate": 10,
    "train.lr": 1e-4,
    "train.weight_decay": 0.0,
    "train.optimiser": "adam",
    "train.schedule": "plateau",
    "train.clip_norm": 0.0,
    "train.clip_value": 0.6,
}
"""How DLF and DMD are trained, whose spaces hold steps and not one vector a row."""


def components() -> Iterator[Component]:
    yield part(
        "fusion",
        "misa",
        "disentangled.misa:MISA",
        "shared and private vectors of every modality",
        provides=("shared", "private", "utterances", "reconstructed", "present"),
        min_modalities=2,
    )
    yield part(
        "objective",
        "misa",
        "disentangled.misa_loss:MISALoss",
        "similarity, difference and reconstruction of shared and private vectors",
        needs=("shared", "private", "utterances", "reconstructed", "present"),
    )
    provided = ("reconstruction", "specific", "orthogonality", "aligned", "branches", "present")
    yield part(
        "fusion",
        "dlf",
        "disentangled.dlf:DLF",
        "the text attends to what audio and video have to themselves",
        provides=provided,
        required_modalities=("text",),
        min_modalities=2,
    )
    yield part(
        "objective",
        "dlf",
        "disentangled.dlf_loss:DLFLoss",
        "shared and private steps apart, and a task for every branch",
        needs=provided,
    )

    yield part(
        "fusion",
        "dmd",
        "disentangled.dmd:DMD",
        "shared and private steps, the private ones attend across modalities",
        provides=provided,
        min_modalities=2,
    )
    yield part(
        "objective",
        "dmd",
        "disentangled.dmd_loss:DMDLoss",
        "shared and private steps apart, a task for every branch, graph distillation",
        needs=provided,
    )

    provided = ("similar", "dissimilar", "utterances", "scores", "scored", "present")
    yield part(
        "fusion",
        "confede",
        "disentangled.confede:ConFEDE",
        "a similarity and a dissimilarity feature of every modality",
        provides=provided,
        min_modalities=2,
    )
    yield part(
        "objective",
        "decomposition-contrast",
        "disentangled.confede_loss:DecompositionContrast",
        "similarity features near to each other, away from dissimilarity features and other rows",
        needs=provided,
        spaces=("score",),
    )


def recipes() -> Iterator[Recipe]:
    yield _confede()
    yield _dlf()
    yield _dmd()
    yield _misa()


def _misa() -> Recipe:
    return Recipe(
        name="misa",
        paper="Hazarika et al. 2020, ACM MM, arXiv 2005.03545",
        summary="modality-invariant and -specific representations (Hazarika et al. 2020)",
        encoders=VECTORS,
        fusion="misa",
        head="mlp",
        objective=("squared-error", "misa"),
        min_modalities=2,
        settings={
            "head.hidden": 384,
            "head.dropout": 0.2,
            "train.batch_size": 16,
            "train.accumulate": 2,
            "train.lr": 1e-4,
            "train.weight_decay": 0.0,
            "train.optimiser": "adam",
            "train.schedule": "constant",
            "train.clip_norm": 0.0,
            "train.clip_value": 0.8,
        },
        cases=(
            Case(
                datasets=("mosei",),
                settings={
                    "head.dropout": 0.5,
                    "objective.misa.similarity": 0.8,
                    "objective.misa.difference": 0.3,
                    "train.batch_size": 64,
                },
            ),
            with_tower(1.0, text="mean"),
        ),
        search={**NO_DECAY, "head.hidden": Tune(64, 512, log=True)},
        ablations=(
            *_without("misa", "similarity", "difference", "reconstruction"),
            Ablation(
                name="shared-only",
                summary="only the shared vectors are fused",
                settings={"fusion.fused": "shared"},
            ),
            Ablation(
                name="private-only",
                summary="only the private vectors are fused",
                settings={"fusion.fused": "private"},
            ),
            Ablation(
                name="l1",
                summary="trained by absolute error",
                settings={"objective": ("task", "misa")},
            ),
            *PAIRS,
        ),
    )


def _confede() -> Recipe:
    return Recipe(
        name="confede",
        paper="Yang et al. 2023, ACL, 2023.acl-long.421",
        code="https://github.com/XpastaX/ConFEDE",
        summary="contrastive feature decomposition (Yang et al. 2023)",
        encoders=VECTORS,
        fusion="confede",
        head="mlp",
        objective=("squared-error", "decomposition-contrast", "unimodal-scores"),
        min_modalities=2,
        spaces=("score",),
        settings={
            "head.hidden": 256,
            "head.dropout": 0.0,
            "objective.unimodal-scores.weight": 0.01,
            "train.batch_size": 16,
            "train.lr": 1e-4,
            "train.weight_decay": 1e-3,
            "train.schedule": "cosine",
            "train.warmup": 0.04,
            "train.clip_norm": 0.0,
        },
        cases=(
            Case(datasets=("mosei",), settings={"fusion.layers": 3}),
            with_tower(text="first"),
        ),
        ablations=(
            Ablation(
                name="no-contrast",
                summary="without the contrast",
                settings={"objective.decomposition-contrast.weight": 0.0},
            ),
            Ablation(
                name="no-neighbours",
                summary="a row is contrasted with itself alone",
                settings={"objective.decomposition-contrast.neighbours": 0},
            ),
            Ablation(
                name="no-unimodal-scores",
                summary="features need not predict the score by themselves",
                settings={"objective": ("squared-error", "decomposition-contrast")},
            ),
            *PAIRS,
        ),
    )


def _dlf() -> Recipe:
    return Recipe(
        name="dlf",
        paper="Wang et al. 2025, AAAI, arXiv 2412.12225",
        code="https://github.com/pwang322/DLF",
        licence="MIT",
        summary="disentangled, language-focused (Wang et al. 2025)",
        encoders=VECTORS,
        fusion="dlf",
        head="linear",
        objective=("task", "dlf"),
        min_modalities=2,
        settings=STEP_SPACES,
        cases=(
            Case(
                datasets=("mosei",),
                settings={
                    "fusion.kernel": 3,
                    "fusion.text_dropout": 0.1,
                    "fusion.attn_dropout_text": 0.5,
                    "fusion.attn_dropout_audio": 0.0,
                    "fusion.embed_dropout": 0.0,
                },
            ),
            with_tower(1.0),
        ),
        search=NO_DECAY,
        ablations=(
            *_without("dlf", "reconstruction", "specific", "orthogonality", "triplet"),
            Ablation(
                name="no-branch-tasks",
                summary="the fused task alone",
                settings={"objective.dlf.branches": 0.0},
            ),
            Ablation(
                name="no-attractor",
                summary="audio and video attend to themselves, the text to neither",
                settings={"fusion.attractor": False},
            ),
            *PAIRS[:2],
        ),
    )


def _dmd() -> Recipe:
    return Recipe(
        name="dmd",
        paper="Li et al. 2023, CVPR, arXiv 2303.13802",
        code="https://github.com/mdswyz/DMD",
        licence="MIT",
        summary="decoupled multimodal distilling (Li et al. 2023)",
        encoders=VECTORS,
        fusion="dmd",
        head="linear",
        objective=("task", "dmd"),
        min_modalities=2,
        settings=STEP_SPACES,
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
            *_without("dmd", "reconstruction", "specific", "triplet", "orthogonality"),
            *_without("dmd", "homogeneous", "heterogeneous"),
            Ablation(
                name="no-crossmodal-attention",
                summary="private steps attend to their own modality",
                settings={"fusion.crossmodal": False},
            ),
            *PAIRS,
        ),
    )


def _without(objective: str, *terms: str) -> Iterator[Ablation]:
    for term in terms:
        yield Ablation(
            name=f"no-{term}",
            summary=f"without the {term} loss",
            settings={f"objective.{objective}.{term}": 0.0},
        )

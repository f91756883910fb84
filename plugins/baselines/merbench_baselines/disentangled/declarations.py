"""What modalities share and what each has to itself, in spaces of their own."""

from __future__ import annotations

from collections.abc import Iterator

from merbench.api import Ablation, Case, Component, Recipe, Tune
from merbench_baselines.declare import NO_DECAY, PAIRS, VECTORS, part, with_tower


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
        "disentangled.misa:MISALoss",
        "similarity, difference and reconstruction of shared and private vectors",
        needs=("shared", "private", "utterances", "reconstructed", "present"),
    )


def recipes() -> Iterator[Recipe]:
    yield Recipe(
        name="misa",
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
            with_tower(text="mean"),
        ),
        search={**NO_DECAY, "head.hidden": Tune(64, 512, log=True)},
        ablations=(
            _without("similarity"),
            _without("difference"),
            _without("reconstruction"),
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


def _without(term: str) -> Ablation:
    return Ablation(
        name=f"no-{term}",
        summary=f"without the {term} loss",
        settings={f"objective.misa.{term}": 0.0},
    )

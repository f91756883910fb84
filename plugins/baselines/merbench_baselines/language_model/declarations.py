"""What is heard and seen enters the model that reads the text."""

from __future__ import annotations

from collections.abc import Iterator

from merbench.api import Ablation, Case, Component, Recipe
from merbench_baselines.declare import PAIRS, VECTORS, inside_tower, mosei_tower, part


def components() -> Iterator[Component]:
    yield part(
        "fusion",
        "mag",
        "language_model.mag:MAG",
        "text steps shifted by audio and video, inside the model that reads the text",
        reads=("language_model",),
        required_modalities=("text",),
        min_modalities=2,
    )

    yield part(
        "fusion",
        "cenet",
        "language_model.cenet:CENET",
        "text steps shifted by what they find in audio and video, inside the model that reads them",
        reads=("language_model",),
        required_modalities=("text",),
        min_modalities=2,
    )


def recipes() -> Iterator[Recipe]:
    yield _cenet()
    yield _mag()


def _cenet() -> Recipe:
    return Recipe(
        name="cenet",
        paper="Wang et al. 2022, IEEE Transactions on Multimedia, doi 10.1109/TMM.2022.3183830",
        summary="cross-modal enhancement network (Wang et al. 2022)",
        encoders=VECTORS,
        fusion="cenet",
        head="linear",
        min_modalities=2,
        settings={
            "train.batch_size": 64,
            "train.lr": 1e-3,
            "train.weight_decay": 1e-4,
            "train.clip_norm": 2.0,
            "train.schedule": "constant",
        },
        cases=(inside_tower(0.01, read="first"),),
        ablations=(
            Ablation(
                name="before-the-layers",
                summary="the enhancement comes before the first layer",
                settings={"fusion.after": 0},
            ),
            Ablation(
                name="after-the-layers",
                summary="the enhancement comes after the last layer",
                settings={"fusion.after": 2},
            ),
            *PAIRS[:2],
        ),
    )


def _mag() -> Recipe:
    return Recipe(
        name="mag",
        paper="Rahman et al. 2020, ACL, arXiv 1908.05787",
        code="https://github.com/WasifurRahman/BERT_multimodal_transformer",
        summary="multimodal adaptation gate (Rahman et al. 2020)",
        encoders=VECTORS,
        fusion="mag",
        head="linear",
        objective=("squared-error",),
        min_modalities=2,
        settings={
            "train.batch_size": 32,
            "train.lr": 1e-3,
            "train.weight_decay": 1e-2,
            "train.schedule": "linear",
            "train.warmup": 0.1,
        },
        cases=(
            Case(datasets=("mosei",), settings={"fusion.dropout": 0.2}),
            inside_tower(0.02),
            mosei_tower(0.01),
        ),
        ablations=(
            Ablation(
                name="no-transformer",
                summary="the shifted text steps as they are",
                settings={"fusion.layers": 0},
            ),
            *PAIRS[:2],
        ),
    )

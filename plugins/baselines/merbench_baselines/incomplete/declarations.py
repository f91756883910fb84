"""Methods for rows that lack modalities, or steps of them: they learn from a view of each batch in
which steps are hidden.
"""

from __future__ import annotations

from collections.abc import Iterator

from merbench.api import Ablation, Case, Component, Recipe, View
from merbench_baselines.declare import PAIRS, VECTORS, mosei_tower, part, with_tower

INCOMPLETE = View("incomplete", ("hide-steps",))
HIDE = "view.incomplete.hide-steps"
NEEDS = ("view.incomplete", "composed", "steps")


def components() -> Iterator[Component]:
    yield part(
        "fusion",
        "tfr-net",
        "incomplete.tfr_net:TFRNet",
        "steps restored from all modalities, and a gated summary of each",
        min_modalities=2,
    )
    yield part(
        "objective",
        "reconstruction",
        "incomplete.reconstruction:Reconstruction",
        "the task on an incomplete view, and its hidden steps restored",
        needs=NEEDS,
    )
    yield part(
        "fusion",
        "emt",
        "incomplete.emt:EMT",
        "context tokens and each modality's steps promote each other",
        provides=("attracted", "present"),
        min_modalities=2,
    )
    yield part(
        "objective",
        "dual-level-restoration",
        "incomplete.attraction:DualLevelRestoration",
        "an incomplete view drawn to the complete one, and its hidden steps restored",
        needs=(*NEEDS, "attracted", "present"),
    )
    provided = ("tokens", "proxy", "completeness", "present")
    yield part(
        "fusion",
        "lnln",
        "incomplete.lnln:LNLN",
        "ALMT on text tokens that audio and video correct",
        provides=provided,
        required_modalities=("text",),
        min_modalities=2,
    )
    yield part(
        "objective",
        "correction",
        "incomplete.correction:Correction",
        "the task on an incomplete view, how complete its text is, and its tokens restored",
        needs=(*NEEDS, *provided),
    )


def recipes() -> Iterator[Recipe]:
    yield _tfr_net()
    yield _emt_dlfr()
    yield _lnln()


def _tfr_net() -> Recipe:
    return Recipe(
        name="tfr-net",
        paper="Yuan et al. 2021, ACM Multimedia, doi 10.1145/3474085.3475585",
        summary="transformer-based feature reconstruction (Yuan et al. 2021)",
        encoders=VECTORS,
        fusion="tfr-net",
        head="mlp",
        objective=("reconstruction",),
        views=(INCOMPLETE,),
        min_modalities=2,
        settings={
            "head.hidden": 128,
            "head.dropout": 0.0,
            "train.batch_size": 24,
            "train.accumulate": 4,
            "train.lr": 2e-3,
            "train.weight_decay": 1e-3,
            "train.optimiser": "adam",
            "train.schedule": "plateau",
            "train.clip_norm": 0.0,
            "train.clip_value": 0.8,
        },
        search={"train.batch_size": None},
        known_failures={"gradient reaches every parameter": "steps are restored from epoch 2 on"},
        cases=(with_tower(0.005),),
        ablations=(
            Ablation(
                name="no-reconstruction",
                summary="the task on incomplete rows alone",
                settings={"objective.reconstruction.weight": 0.0},
            ),
            Ablation(
                name="no-cross-attention",
                summary="each modality attends to itself alone",
                settings={"fusion.across": False},
            ),
            Ablation(
                name="complete-rows",
                summary="tfr-net trained on rows as they are, nothing hidden",
                settings={f"{HIDE}.high": 0.0},
            ),
            *PAIRS,
        ),
    )


def _emt_dlfr() -> Recipe:
    return Recipe(
        name="emt-dlfr",
        paper="Sun et al. 2023, IEEE Transactions on Affective Computing, arXiv 2208.07589",
        summary="efficient multimodal transformer, dual-level restoration (Sun et al. 2023)",
        encoders=VECTORS,
        fusion="emt",
        head="mlp",
        objective=("dual-level-restoration",),
        views=(INCOMPLETE,),
        min_modalities=2,
        settings={
            "head.hidden": 256,
            "head.dropout": 0.0,
            "train.batch_size": 32,
            "train.accumulate": 4,
            "train.lr": 1e-3,
            "train.lr_factors": {"fusion.read.video.": 0.1},
            "train.decay_factors": {"fusion.read.audio.": 10.0},
            "train.weight_decay": 1e-3,
            "train.optimiser": "adam",
            "train.schedule": "constant",
            "train.clip_norm": 0.0,
        },
        cases=(
            Case(
                datasets=("mosei",),
                settings={
                    "fusion.layers": 2,
                    "fusion.attn_dropout": 0.0,
                    "fusion.dropout": 0.0,
                    "fusion.out_dropout": 0.0,
                    "fusion.lstm_audio": 16,
                    "fusion.lstm_video": 32,
                    "head.hidden": 128,
                    "train.batch_size": 16,
                    "train.lr": 1e-4,
                    "train.lr_factors": {"fusion.read.video.": 1.0},
                    "train.decay_factors": {"fusion.read.audio.": 1.0},
                },
            ),
            with_tower(text="first"),
            mosei_tower(0.2),
        ),
        ablations=(
            Ablation(
                name="no-attraction",
                summary="without the complete view",
                settings={"objective.dual-level-restoration.attraction": 0.0},
            ),
            Ablation(
                name="no-reconstruction",
                summary="hidden steps are not restored",
                settings={"objective.dual-level-restoration.reconstruction": 0.0},
            ),
            Ablation(
                name="not-shared",
                summary="a promotion unit a layer, modality and direction",
                settings={"fusion.shared": False},
            ),
            *PAIRS,
        ),
    )


def _lnln() -> Recipe:
    return Recipe(
        name="lnln",
        paper="Zhang et al. 2024, NeurIPS, arXiv 2409.20012",
        summary="language-dominated noise-resistant learning (Zhang et al. 2024)",
        encoders=VECTORS,
        fusion="lnln",
        head="linear",
        objective=("correction",),
        views=(INCOMPLETE,),
        min_modalities=2,
        settings={
            f"{HIDE}.high": 1.0,
            f"{HIDE}.rows": 0.5,
            f"{HIDE}.together": False,
            "train.batch_size": 64,
            "train.lr": 1e-4,
            "train.weight_decay": 1e-4,
            "train.schedule": "cosine",
            "train.warmup": 0.1,
        },
        cases=(with_tower(1.0),),
        known_failures={
            "overfits 8 samples": "it learns from views alone, in which half of the rows of each "
            "modality lack steps"
        },
        ablations=(
            Ablation(
                name="no-correction",
                summary="the text's tokens as they are",
                settings={
                    "fusion.correct": False,
                    "objective.correction.completeness": 0.0,
                    "objective.correction.adversarial": 0.0,
                },
            ),
            *(
                Ablation(
                    name=f"no-{term}",
                    summary=f"without the {term} loss",
                    settings={f"objective.correction.{term}": 0.0},
                )
                for term in ("completeness", "adversarial", "reconstruction")
            ),
            *PAIRS[:2],
        ),
    )

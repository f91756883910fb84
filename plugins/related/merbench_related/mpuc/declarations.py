"""MPUC: contrast between every pair of modalities, without labels, then a linear read-out."""

from collections.abc import Iterator

from merbench.api import Ablation, Component, Recipe, Stage
from merbench_related.declare import FEATURES, PAIRS, SINGLES, part, published_training

PRETRAIN = Stage(
    name="pretrain",
    trains=("encoders.", "objective.modality-contrast."),
    objectives=("modality-contrast",),
    selects=False,
)
PROBE = Stage(name="probe", trains=("head.",), objectives=("task",))
TUNE = Stage(name="tune", objectives=("task",), settings={"lr": 3e-4})
HEAD_RATE = 10.0
"""One linear layer reads the encoders' means as they are: at their rate it is far from fitted when
its epochs are over (docs/methods/mpuc.md).
"""
NO_PRETRAINING = Ablation(
    name="no-pretraining",
    summary="without the label-free stage: what it adds",
    settings={"stage.pretrain.epochs": 0},
)
ABLATIONS = (
    NO_PRETRAINING,
    Ablation(
        name="all-at-once",
        summary="both views see all steps",
        settings={"objective.modality-contrast.crop": 1.0},
    ),
    Ablation(
        name="within-modalities",
        summary="each modality also against itself",
        settings={"objective.modality-contrast.within": True},
    ),
    Ablation(
        name="same-moment",
        summary="two modalities in the same view are positives too",
        settings={"objective.modality-contrast.same_view": True},
    ),
    Ablation(
        name="published-projection",
        summary="the authors' widths of what is compared: 1,024 within, 512 at the end",
        settings={
            "objective.modality-contrast.hidden": 1024,
            "objective.modality-contrast.width": 512,
        },
    ),
    published_training(optimiser="sgd", schedule="constant", lr_factors={"head.": 1.0}),
    *SINGLES,
    *PAIRS,
)


def declarations() -> Iterator[Component | Recipe]:
    """Its parts and its recipes."""
    yield part(
        "fusion",
        "side-by-side",
        "mpuc.fusion:SideBySide",
        "the means of the modalities, concatenated; no parameter",
    )
    yield part(
        "objective",
        "modality-contrast",
        "mpuc.objective:ModalityContrast",
        "the modalities of one clip resemble each other, label-free",
        needs=("composed",),
    )
    paper = {
        "encoders": FEATURES,
        "fusion": "side-by-side",
        "head": "linear",
        "objective": ("task", "modality-contrast"),
        "settings": {
            "train.lr": 1e-3,
            "train.lr_factors": {"head.": HEAD_RATE},
            "train.batch_size": 32,
            "train.weight_decay": 1e-3,
        },
        "unlabelled": True,
        "caveat": "from clips of faces and voices; its encoders are ours, and no test row is seen",
    }
    yield Recipe(
        name="mpuc",
        paper="Franceschini et al. 2022, arXiv 2207.11482",
        summary=(
            "MPUC: label-free contrast of modalities, "
            "then a linear classifier (Franceschini et al. 2022)"
        ),
        stages=(PRETRAIN, PROBE),
        ablations=ABLATIONS,
        **paper,
    )
    yield Recipe(
        name="mpuc-tuned",
        paper="Franceschini et al. 2022, arXiv 2207.11482",
        summary="MPUC's contrast as a start: all weights are trained for the task afterwards",
        stages=(PRETRAIN, TUNE),
        ablations=(NO_PRETRAINING,),
        **paper,
    )
    yield Recipe(
        name="mpuc-aside",
        paper="Franceschini et al. 2022, arXiv 2207.11482",
        summary="MPUC's contrast beside the task's loss, in one stage",
        ablations=(
            Ablation(
                name="no-contrast",
                summary="the task's loss alone: what the contrast adds",
                settings={"objective": "task"},
            ),
        ),
        **{**paper, "settings": {**paper["settings"], "objective.modality-contrast.weight": 0.1}},
    )

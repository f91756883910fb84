"""SCPNet: a structured label prior for labels of which some are not known."""

from collections.abc import Iterator

from merbench.api import Ablation, Component, Recipe
from merbench_related.declare import FEATURES, PAIRS, SINGLES, part, published_training

ABLATIONS = (
    Ablation(
        name="no-graph",
        summary="label vectors as the words are, and predictions are not calibrated",
        settings={"label_encoder.propagate": False, "objective.prior-ssl.distillation": 0.0},
    ),
    Ablation(
        name="identity-graph",
        summary="control: the same network, in which each label is by itself",
        settings={"label_encoder.share": 0.0},
    ),
    Ablation(
        name="no-propagation",
        summary="label vectors as the words are",
        settings={"label_encoder.propagate": False},
    ),
    Ablation(
        name="no-distillation",
        summary="predictions are not calibrated by like labels",
        settings={"objective.prior-ssl.distillation": 0.0},
    ),
    Ablation(
        name="no-consistency",
        summary="no pseudo-labels from the weak view",
        settings={"objective.prior-ssl.consistency": 0.0},
    ),
    Ablation(
        name="supervised",
        summary="without the terms of the two views",
        settings={"objective": "splc"},
    ),
    Ablation(
        name="flat-prior",
        summary="the authors' prior of raw cosines, in which all labels are alike",
        settings={"label_encoder.contrast": "none", "label_encoder.neighbours": 99},
    ),
    Ablation(
        name="label-shuffled",
        summary="control: each label has another's vector and neighbours",
        settings={"label_encoder.shuffle": True},
    ),
    # On COCO. Their average decays by .82 an epoch; this is that of the 11 steps that MOSI's train
    # rows make.
    published_training(
        optimiser="adam",
        lr=3e-5,
        lr_factors={"label_encoder.layers.": 1 / 3},
        batch_size=128,
        schedule="one-cycle",
        warmup=0.2,
        ema=0.982,
    ),
    *SINGLES,
    *PAIRS,
)


def declarations() -> Iterator[Component | Recipe]:
    """Its parts and its recipe."""
    yield part(
        "label-encoder",
        "structured-prior",
        "scpnet.labels:StructuredPrior",
        "label vectors that know their neighbours, and a calibration matrix",
        pretrained=("vectors",),
        provides=("graph", "calibration"),
    )
    yield part(
        "head",
        "cosine-label",
        "scpnet.head:CosineLabel",
        "scaled cosine to each label's vector, with a bias",
        accepts=("pooled", "labels"),
        needs=("queries",),
    )
    yield part(
        "objective",
        "splc",
        "scpnet.splc:SPLC",
        "focal loss with a margin; labels that are not known may turn positive",
    )
    yield part(
        "objective",
        "prior-ssl",
        "scpnet.consistency:PriorSSL",
        "a weak view, calibrated by like labels, teaches a strong one",
        needs=("calibration",),
    )
    yield Recipe(
        name="scpnet",
        paper="Ding et al. 2023, arXiv 2303.13223",
        summary="SCPNet: structured semantic prior for incomplete labels (Ding et al. 2023)",
        encoders=FEATURES,
        label_encoder="structured-prior",
        fusion="pool",
        head="cosine-label",
        objective=("splc", "prior-ssl"),
        settings={"train.lr": 1e-3, "train.batch_size": 32, "train.weight_decay": 1e-4},
        unlabelled=True,
        ablations=ABLATIONS,
        caveat=(
            "from image recognition: word vectors in place of CLIP, "
            "views of sequences in place of images"
        ),
    )

"""TAILOR: common and private parts, encoded from coarse to fine, read by label queries."""

from collections.abc import Iterator

from merbench.api import Ablation, Case, Component, Recipe, Tune
from merbench_related.declare import FEATURES, PAIRS, SINGLES, part, published_settings

PUBLISHED = {
    "encoder.width": 256,
    "encoder.heads": 8,
    "encoder.dropout": 0.3,
    "encoder.positions": "learned",
    "encoder.text.layers": 6,
    "encoder.audio.layers": 4,
    "encoder.video.layers": 4,
    "label_encoder.width": 256,
    "fusion.width": 256,
    "fusion.heads": 8,
    "fusion.cross_layers": 3,
    "head.width": 256,
    "head.heads": 8,
    "train.lr": 5e-5,
    "train.batch_size": 64,
    "train.epochs": 20,
    "train.eps": 1e-6,
}
"""Of the authors' runs on CMU-MOSEI; the defaults are sized for data of MOSI's size."""

ABLATIONS = (
    Ablation(
        name="no-adversary",
        summary="no discriminator names the modalities",
        settings={"objective.refine.adversary": 0.0},
    ),
    Ablation(
        name="no-orthogonality",
        summary="private and shared parts may overlap",
        settings={"objective.refine.orthogonal": 0.0},
    ),
    Ablation(
        name="no-common-labels",
        summary="the common part predicts nothing by itself",
        settings={"objective.refine.common_labels": 0.0},
    ),
    Ablation(
        name="no-common",
        summary="private parts alone are encoded",
        settings={"fusion.common": False},
    ),
    Ablation(
        name="no-private",
        summary="the common part alone is encoded",
        settings={"fusion.private": False},
    ),
    Ablation(
        name="fine-to-coarse",
        summary="text is encoded first, audio last",
        settings={"fusion.order": ("text", "video", "audio")},
    ),
    Ablation(
        name="no-label-decoder",
        summary="the mean of the fused sequence, one hidden layer",
        settings={"label_encoder": None, "head": "mlp"},
    ),
    Ablation(
        name="label-words",
        summary="word vectors of the labels in place of learned ones",
        settings={"label_encoder": "label-vectors"},
    ),
    Ablation(
        name="first-step",
        summary="the common part is read at its first step, as in the authors' code",
        settings={"objective.refine.pool": "first"},
    ),
    published_settings(PUBLISHED),
    *SINGLES,
    *PAIRS,
)


def declarations() -> Iterator[Component | Recipe]:
    refined = ("private", "shared", "refined_mask", "common", "common_mask")
    yield part(
        "fusion",
        "tailor",
        "tailor.fusion:Tailor",
        "private and common parts, encoded from coarse to fine",
        returns="sequence",
        provides=refined,
    )
    yield part(
        "head",
        "label-query-decoder",
        "tailor.head:LabelQueryDecoder",
        "label queries read a fused sequence",
        accepts=("sequence",),
        needs=("queries",),
    )
    yield part(
        "objective",
        "refine",
        "tailor.refine:Refine",
        "adversary, orthogonality and labels of the common part",
        needs=refined,
    )
    yield Recipe(
        name="tailor",
        paper="Zhang et al. 2022, arXiv 2201.05834",
        code="https://github.com/kniter1/TAILOR",
        summary="TAILOR: versatile multi-modal learning (Zhang et al. 2022)",
        encoders=FEATURES,
        label_encoder="label-table",
        fusion="tailor",
        head="label-query-decoder",
        objective=("task", "refine"),
        settings={
            "train.lr": 1e-3,
            "train.batch_size": 32,
            "train.epochs": 50,
            "train.schedule": "linear",
            "train.warmup": 0.1,
        },
        cases=(Case(datasets=("mosei",), settings=PUBLISHED),),
        search={"encoder.text.layers": Tune(1, 6), "objective.task.soft_weight": None},
        ablations=ABLATIONS,
    )

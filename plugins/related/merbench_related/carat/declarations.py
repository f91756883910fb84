"""CARAT: label-wise reconstruction of each modality from the others, with prototypes."""

from collections.abc import Iterator

from merbench.api import Ablation, Case, Component, Recipe, Tune
from merbench_related.declare import FEATURES, PAIRS, part, published_settings

PUBLISHED = {
    "encoder.width": 256,
    "encoder.heads": 8,
    "encoder.dropout": 0.3,
    "encoder.positions": "learned",
    "encoder.text.layers": 6,
    "encoder.audio.layers": 4,
    "encoder.video.layers": 4,
    "fusion.width": 256,
    "objective.carat.queue": 8192,
    "train.lr": 5e-5,
    "train.batch_size": 64,
    "train.epochs": 20,
    "train.eps": 1e-6,
}
"""Of the authors' runs on CMU-MOSEI; the defaults are sized for data of MOSI's size."""


def _without(term: str, summary: str) -> Ablation:
    return Ablation(name=f"no-{term}", summary=summary, settings={f"objective.carat.{term}": 0.0})


ABLATIONS = (
    _without("contrast", "latents are not contrasted"),
    _without("shuffled", "no shuffled slots"),
    _without("rebuilt", "no loss of reconstruction"),
    Ablation(
        name="no-reconstruction",
        summary="label-wise attention alone fills the slots",
        settings={"fusion.levels": 0},
    ),
    Ablation(
        name="one-level", summary="modalities are rebuilt once", settings={"fusion.levels": 1}
    ),
    Ablation(
        name="no-aggregation",
        summary="the best modality of each label alone",
        settings={"head.aggregate": False},
    ),
    Ablation(
        name="no-queue",
        summary="contrast within the batch alone",
        settings={"objective.carat.queue": 0},
    ),
    Ablation(
        name="published-substitute",
        summary="the nearer prototype in evaluation, both in training",
        settings={"fusion.substitute": "published"},
    ),
    published_settings(PUBLISHED),
    *PAIRS,
)


def declarations() -> Iterator[Component | Recipe]:
    rebuilt = ("attended", "rebuilt", "first_level", "latents", "present")
    logits = ("level_logits", "slot_logits")
    yield part(
        "fusion",
        "carat",
        "carat.fusion:Carat",
        "each modality rebuilt from the others, label by label",
        returns="slots",
        provides=rebuilt,
        min_modalities=2,
    )
    yield part(
        "head",
        "carat-aggregate",
        "carat.head:CaratAggregate",
        "every slot says all labels, the best slot each label",
        accepts=("slots",),
        needs=("attended", "first_level", "present"),
        provides=logits,
    )
    yield part(
        "objective",
        "carat",
        "carat.objective:CaratLoss",
        "CARAT's branches, reconstruction, contrast and shuffle",
        needs=(*rebuilt, *logits),
    )
    yield Recipe(
        name="carat",
        paper="Peng et al. 2024, arXiv 2312.10201",
        code="https://github.com/chengzju/CARAT",
        summary="CARAT: contrastive feature reconstruction and aggregation (Peng et al. 2024)",
        encoders=FEATURES,
        fusion="carat",
        head="carat-aggregate",
        objective=("carat",),
        settings={
            "train.lr": 1e-3,
            "train.batch_size": 32,
            "train.epochs": 50,
            "train.schedule": "linear",
            "train.warmup": 0.1,
        },
        cases=(Case(datasets=("mosei",), settings=PUBLISHED),),
        search={"encoder.text.layers": Tune(1, 6)},
        min_modalities=2,
        ablations=ABLATIONS,
    )

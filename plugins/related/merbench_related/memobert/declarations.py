"""MEmoBERT: emotion recognition as the prediction of a masked word."""

from collections.abc import Iterator

from merbench.api import Ablation, Case, Component, Recipe
from merbench_related.declare import PAIRS, SINGLES, part

PUBLISHED = {
    "encoder.text.tuned": True,
    "train.lr": 5e-5,
    "train.batch_size": 64,
    "train.accumulate": 2,
    "train.weight_decay": 1e-2,
    "train.betas": (0.9, 0.98),
}
"""For a pretrained language model. The authors train 500 steps, about 50 epochs of MOSI."""

ABLATIONS = (
    Ablation(
        name="no-prompt",
        summary="a linear layer on the mean state in place of a masked word",
        settings={"model.predict": "linear"},
    ),
    Ablation(
        name="other-template",
        summary="the mask in another sentence",
        settings={"model.template": "it was {} ."},
    ),
    Ablation(name="bare-mask", summary="the mask without words", settings={"model.template": "{}"}),
    SINGLES[0],
    *PAIRS[:2],
)


def declarations() -> Iterator[Component | Recipe]:
    yield part(
        "model",
        "memobert",
        "memobert.model:MEmoBERT",
        "the label word behind a mask, in one sequence of all modalities",
        required_modalities=("text",),
    )
    yield Recipe(
        name="memobert",
        paper="Zhao et al. 2022, arXiv 2111.00865",
        summary="MEmoBERT: emotion as a masked word (after Zhao et al. 2022)",
        # Fixed word vectors run anywhere; --encoder text=hf-masked brings a pretrained model.
        encoders={"words": "word-vectors", "strings": "word-vectors", "features": "features"},
        model="memobert",
        settings={
            "train.lr": 1e-3,
            "train.batch_size": 32,
            "train.epochs": 50,
            "train.schedule": "linear",
            "train.warmup": 0.1,
        },
        cases=(
            Case(
                offers=("text.tower",),
                encoders={"text.strings": "hf-masked"},
                settings=PUBLISHED,
            ),
        ),
        ablations=ABLATIONS,
        caveat=(
            "without its multimodal pretraining; "
            "over word vectors the language model is trained from scratch"
        ),
    )

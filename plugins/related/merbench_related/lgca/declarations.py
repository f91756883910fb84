"""LGCA: labels pick their tokens and frames, and weigh the modalities."""

from collections.abc import Iterator

from merbench.api import Ablation, Component, Recipe
from merbench_related.declare import FEATURES, PAIRS, SINGLES, part

ABLATIONS = (
    Ablation(
        name="no-interaction",
        summary="every label reads the mean over tokens and frames",
        settings={"fusion.interaction": False},
    ),
    Ablation(
        name="no-guided-fusion",
        summary="the mean over modalities, whatever the label",
        settings={"fusion.guided": False},
    ),
    Ablation(
        name="label-random",
        summary="control: random label vectors",
        settings={"label_encoder": "label-random"},
    ),
    Ablation(
        name="label-shuffled",
        summary="control: each label has another's vector",
        settings={"label_encoder.shuffle": True},
    ),
    *SINGLES,
    *PAIRS,
)


def declarations() -> Iterator[Component | Recipe]:
    yield part(
        "fusion",
        "label-attentive",
        "lgca.fusion:LabelAttentive",
        "label-token and label-frame attention, label-guided fusion",
        returns="labels",
        needs=("queries",),
        reads=("by_modality",),
    )
    yield Recipe(
        name="lgca",
        paper="Wang et al. 2023, arXiv 2309.02106",
        summary="LGCA: labels attend to tokens and frames (after Wang et al. 2023)",
        encoders=FEATURES,
        label_encoder="label-vectors",
        fusion="label-attentive",
        head="mlp",
        settings={"train.lr": 1e-3, "train.batch_size": 32, "train.epochs": 50},
        search={"objective.task.soft_weight": None},
        ablations=ABLATIONS,
        caveat="rebuilt from the paper's abstract; its formulas, encoders and rates are ours",
    )

"""LSGMER: label signals enhance each modality; attribution and prediction agree."""

from collections.abc import Iterator

from merbench.api import Ablation, Component, Recipe
from merbench_related.declare import FEATURES, PAIRS, SINGLES, part

ABLATIONS = (
    Ablation(
        name="no-label-signal",
        summary="the mean of each modality, no label looks at it",
        settings={"fusion.enhance": False},
    ),
    Ablation(
        name="no-consistency",
        summary="without the Jensen-Shannon term",
        settings={"objective.consistency.weight": 0.0},
    ),
    Ablation(
        name="no-moving-average",
        summary="plain trained label vectors",
        settings={"label_encoder.alpha": 0.0},
    ),
    Ablation(
        name="label-random",
        summary="control: label vectors start at random",
        settings={"label_encoder.start": "random"},
    ),
    *SINGLES,
    *PAIRS,
)


def declarations() -> Iterator[Component | Recipe]:
    vectors = ("fused_vector", "label_vectors")
    yield part(
        "label-encoder",
        "label-moving",
        "lsgmer.labels:LabelMoving",
        "trained label vectors with a moving average",
        pretrained=("vectors",),
    )
    yield part(
        "fusion",
        "label-signal",
        "lsgmer.fusion:LabelSignal",
        "label vectors attend to each modality and gate it",
        needs=("queries",),
        provides=vectors,
    )
    yield part(
        "objective",
        "consistency",
        "lsgmer.consistency:Consistency",
        "attribution by cosine agrees with the prediction",
        needs=vectors,
    )
    yield Recipe(
        name="lsgmer",
        paper="Shao et al. 2025, arXiv 2504.05158",
        summary="LSGMER: label signals enhance each modality (after Shao et al. 2025)",
        encoders=FEATURES,
        label_encoder="label-moving",
        fusion="label-signal",
        head="word-mlp",
        objective=("task", "consistency"),
        settings={"train.lr": 1e-3, "train.batch_size": 32, "train.epochs": 50},
        search={"objective.task.soft_weight": None},
        ablations=ABLATIONS,
        caveat=(
            "rebuilt from a secondary review of the paper; its encoders, weights and rates are ours"
        ),
    )

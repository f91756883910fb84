"""mCL-NER, re-formulated: contrast of views and of relations between steps."""

from collections.abc import Iterator
from dataclasses import replace

from merbench.api import Ablation, Component, Recipe
from merbench_related.declare import FEATURES, PAIRS, SINGLES, part

RELATIONS = (
    "relation_vectors",
    "relation_logits",
    "relation_cells",
    "step_mass",
    "step_stream",
    "step_index",
    "step_time",
)
ABLATIONS = (
    Ablation(
        name="no-contrast",
        summary="the pair grid and the task's loss alone",
        settings={"objective": "task"},
    ),
    Ablation(
        name="no-semantic-view",
        summary="without the contrast of views",
        settings={"objective": "task,relation-contrast"},
    ),
    Ablation(
        name="no-relation-view",
        summary="without the contrast of relations",
        settings={"objective": "task,multiview-contrast"},
    ),
    Ablation(
        name="no-switch",
        summary="views without switched spans",
        settings={
            "objective.multiview-contrast.switch_ratio": 0.0,
            "objective.relation-contrast.switch_ratio": 0.0,
        },
    ),
    Ablation(
        name="no-relation-types",
        summary="no structural relation types",
        settings={"objective.relation-contrast.types": 0.0},
    ),
    Ablation(
        name="no-agreement",
        summary="relations need not agree between the views",
        settings={"objective.relation-contrast.agree": 0.0},
    ),
    Ablation(
        name="no-guard",
        summary="rows with one target are negatives of each other",
        settings={"objective.multiview-contrast.guard": False},
    ),
    *SINGLES,
    *PAIRS,
)

NO_SELF_TRAINING = Ablation(
    name="no-self-training",
    summary="hidden labels are left hidden",
    settings={"objective.self-training.weight": 0.0},
)


def declarations() -> Iterator[Component | Recipe]:
    """Its parts and its recipes."""
    yield part(
        "fusion",
        "pair-relation",
        "mclner.fusion:PairRelation",
        "the relation of every pair of steps, pooled by attention",
        provides=RELATIONS,
    )
    yield part(
        "objective",
        "multiview-contrast",
        "mclner.multiview_contrast:MultiviewContrast",
        "an utterance, its modality-switched view and each modality mean the same",
        needs=("steps",),
    )
    yield part(
        "objective",
        "relation-contrast",
        "mclner.relation_contrast:RelationContrast",
        "relations agree between an utterance and its modality-switched view",
        needs=("composed", *RELATIONS),
    )
    yield part(
        "objective",
        "self-training",
        "mclner.self_training:SelfTraining",
        "what a teacher is sure of stands in for hidden labels",
        needs=("teacher",),
        spaces=("score", "class", "multilabel"),
    )
    whole = Recipe(
        name="mcl-ner",
        paper="Mo et al. 2024, arXiv 2308.09073",
        summary="mCL-NER-style multi-view contrast, re-formulated for emotions "
        "(after Mo et al. 2024)",
        encoders=FEATURES,
        fusion="pair-relation",
        head="mlp",
        objective=("task", "multiview-contrast", "relation-contrast"),
        settings={"train.lr": 1e-3, "train.batch_size": 32, "train.weight_decay": 1e-2},
        ablations=ABLATIONS,
        caveat="from named entities: its views and relations are carried over, "
        "the formulas are ours",
    )
    yield whole
    yield replace(
        whole,
        name="mcl-ner-self-training",
        summary="mcl-ner whose teacher labels what is hidden (--labels)",
        objective=(*whole.objective, "self-training"),
        settings={
            **whole.settings,
            "train.ema": 0.99,
            "train.objective_schedules": {"self-training": "ramp:0:0.3"},
        },
        unlabelled=True,
        ablations=(NO_SELF_TRAINING,),
        known_failures={
            "ablation no-self-training differs": "the tiny data of a score hide no label"
        },
    )

"""KGGR: knowledge-guided graph routing, a label graph for features and for classifier weights."""

from collections.abc import Iterator

from merbench.api import Ablation, Component, Recipe
from merbench_related.declare import FEATURES, PAIRS, SINGLES, part, published_training

ABLATIONS = (
    Ablation(
        name="no-graph",
        summary="the same network, in which each label is by itself",
        settings={"label_encoder.graph": "identity"},
    ),
    Ablation(
        name="no-propagation",
        summary="a smaller network, without the gated units of the exchange",
        settings={"fusion.steps": 0, "head.steps": 0},
    ),
    Ablation(
        name="no-feature-graph",
        summary="no exchange between the labels' features",
        settings={"fusion.steps": 0},
    ),
    Ablation(
        name="no-classifier-graph",
        summary="no exchange between the labels' classifiers",
        settings={"head.steps": 0},
    ),
    Ablation(
        name="no-semantic-attention",
        summary="every label has the mean of all steps",
        settings={"fusion.attend": False},
    ),
    Ablation(
        name="uniform-graph",
        summary="control: every label says as much of each other",
        settings={"label_encoder.graph": "uniform"},
    ),
    Ablation(
        name="semantic-graph",
        summary="edges between like words, nothing counted",
        settings={"label_encoder.graph": "semantic"},
    ),
    Ablation(
        name="row-normalised-graph",
        summary="edges of a label sum to 1",
        settings={"label_encoder.normalise": "row"},
    ),
    Ablation(
        name="label-shuffled",
        summary="control: each label has another's vector and place in the graph",
        settings={"label_encoder.shuffle": True},
    ),
    Ablation(
        name="label-learned",
        summary="learned label vectors, no word read",
        settings={"label_encoder.vectors": "learned"},
    ),
    Ablation(
        name="cosine-classifier",
        summary="cosine of feature and classifier in place of the inner product",
        settings={"head.score": "cosine"},
    ),
    Ablation(
        name="classifier-penalty",
        summary="the public code's penalty of .001 on the classifiers' squares",
        settings={"objective": ("task", "classifier-l2")},
    ),
    published_training(
        optimiser="adam", lr=1e-5, batch_size=4, weight_decay=0.0, schedule="constant"
    ),
    *SINGLES,
    *PAIRS,
)


def declarations() -> Iterator[Component | Recipe]:
    """Its parts and its recipe."""
    yield part(
        "label-encoder",
        "label-graph",
        "kggr.labels:LabelGraph",
        "label vectors and a label graph: co-occurrence, anchors or words",
        pretrained=("vectors",),
        provides=("graph",),
    )
    yield part(
        "fusion",
        "kggr",
        "kggr.fusion:KGGR",
        "each label attends to its steps; labels exchange over their graph",
        returns="labels",
        needs=("queries",),
        provides=("attention",),
    )
    yield part(
        "head",
        "graph-classifier",
        "kggr.head:GraphClassifier",
        "classifier weights that labels lend each other over their graph",
        accepts=("labels",),
        needs=("queries",),
        provides=("classifiers",),
    )
    yield part(
        "objective",
        "classifier-l2",
        "kggr.classifier_l2:ClassifierPenalty",
        "a penalty on the squares of the classifiers that the graph makes",
        needs=("classifiers",),
    )
    yield Recipe(
        name="kggr",
        paper="Chen et al. 2022, TPAMI, arXiv 2009.09450",
        summary="KGGR: a label graph for features and classifiers (Chen et al. 2022)",
        encoders=FEATURES,
        label_encoder="label-graph",
        fusion="kggr",
        head="graph-classifier",
        settings={"train.lr": 1e-3, "train.batch_size": 32, "train.weight_decay": 1e-2},
        search={"objective.task.soft_weight": None},
        ablations=ABLATIONS,
        caveat="from image recognition: label words attend to steps in place of image positions",
    )

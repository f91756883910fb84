"""CMPC + TGFE: cross-modal progressive comprehension and text-guided feature exchange."""

from collections.abc import Iterator

from merbench.api import Ablation, Component, Recipe, Tune
from merbench_related.declare import part, published_training

ENCODERS = {
    "words": "word-bilstm",
    "strings": "word-bilstm",
    "features": "feature-bilstm",
}
STREAMS = ("stream_vectors", "stream_present")
TEXT_PAIRS = tuple(
    Ablation(name=f"text-{m}", summary=f"text and {m} alone", modalities=("text", m))
    for m in ("audio", "video")
)
TRAINING = published_training(
    optimiser="adam", lr=2.5e-4, batch_size=1, schedule="polynomial", power=0.9
)
EXCHANGE = (
    Ablation(
        name="no-exchange",
        summary="the streams meet in the aggregation alone",
        settings={"fusion.rounds": 0},
    ),
    Ablation(name="one-round", summary="one round of exchange", settings={"fusion.rounds": 1}),
    Ablation(
        name="unguided-exchange",
        summary="gates that do not know the words",
        settings={"fusion.guided": False},
    ),
    Ablation(
        name="pooled-exchange",
        summary="streams exchange their pooled vectors, not step by step",
        settings={"fusion.exchange": "pooled"},
    ),
    Ablation(
        name="mean-aggregation",
        summary="the mean of the streams in place of the LSTM over them",
        settings={"fusion.aggregate": "mean"},
    ),
)
COMPREHENSION = (
    Ablation(
        name="no-entities",
        summary="no word chooses among the steps of a stream",
        settings={"fusion.entities": False},
    ),
    Ablation(
        name="no-relations",
        summary="no graph of steps bridged by relational words",
        settings={"fusion.relations": False},
    ),
    Ablation(
        name="multiplied-gate",
        summary="the authors' gate: logits times p_R, under which fillers keep their weight",
        settings={"fusion.gate": "mul"},
    ),
    Ablation(name="no-segments", summary="no temporal context", settings={"fusion.segments": 0}),
    Ablation(
        name="unit-vectors",
        summary="the authors' vectors of length 1, over which attention stays nearly uniform",
        settings={"fusion.norm": "unit"},
    ),
    Ablation(
        name="no-comprehension",
        summary="the exchange alone, between projected streams",
        settings={"fusion": "tgfe", "objective": "task,stream-supervision"},
    ),
    Ablation(
        name="no-stream-supervision",
        summary="the task's loss on the fused vector alone",
        settings={"objective": "task,word-types", "objective.task.weight": 1.0},
    ),
    Ablation(
        name="unbalanced-types",
        summary="nothing keeps the word types apart",
        settings={"objective": "task,stream-supervision"},
    ),
)


def declarations() -> Iterator[Component | Recipe]:
    """Its parts and its recipe."""
    yield part(
        "fusion",
        "cmpc",
        "cmpc.fusion:CMPC",
        "non-verbal steps comprehended through the words, then text-guided exchange",
        min_modalities=2,
        required_modalities=("text",),
        provides=(*STREAMS, "word_types", "word_mask"),
    )
    yield part(
        "fusion",
        "tgfe",
        "cmpc.fusion:TGFE",
        "text-guided exchange between streams, without the comprehension",
        min_modalities=2,
        provides=STREAMS,
    )
    yield part(
        "objective",
        "stream-supervision",
        "cmpc.objective:StreamSupervision",
        "each stream predicts by itself",
        needs=STREAMS,
    )
    yield part(
        "objective",
        "word-types",
        "cmpc.objective:WordTypes",
        "no word type takes all words",
        needs=("word_types", "word_mask"),
    )
    yield Recipe(
        name="cmpc-tgfe",
        paper="Huang et al. 2020, arXiv 2010.00514",
        summary="CMPC + TGFE: progressive comprehension and text-guided exchange "
        "(Huang et al. 2020)",
        encoders=ENCODERS,
        fusion="cmpc",
        head="mlp",
        objective=("task", "stream-supervision", "word-types"),
        settings={
            "objective.task.weight": 0.7,
            "train.lr": 1e-3,
            "train.batch_size": 32,
            "train.weight_decay": 5e-4,
        },
        search={"objective.task.weight": Tune(0.3, 1.0)},
        min_modalities=2,
        ablations=(*COMPREHENSION, *EXCHANGE, TRAINING, *TEXT_PAIRS),
        caveat="from image segmentation: words are its expression, "
        "audio and video steps its pixels",
    )

"""What this package offers to merbench. Imports no torch."""

from collections.abc import Iterator

from merbench.api import Ablation, Component, Recipe, hookimpl

VECTORS = {"words": "word-vectors", "strings": "word-vectors", "features": "features"}
"""What a fusion method reads: fixed word vectors, and features as they are."""
IDS = {"words": "word-ids", "strings": "word-ids"}

STEADY = {"encoder.word_dropout": None}
"""A closed form is fitted once, on words as they are."""

PAIRS = (
    Ablation(name="text-audio", summary="without video", modalities=("text", "audio")),
    Ablation(name="text-video", summary="without audio", modalities=("text", "video")),
    Ablation(name="audio-video", summary="without text", modalities=("audio", "video")),
)
SINGLES = (
    Ablation(name="only-text", summary="text alone", modalities=("text",)),
    Ablation(name="only-audio", summary="audio alone", modalities=("audio",)),
    Ablation(name="only-video", summary="video alone", modalities=("video",)),
)


def _part(kind: str, name: str, target: str, summary: str, **more: object) -> Component:
    return Component(
        kind=kind, name=name, target=f"merbench_baselines.{target}", summary=summary, **more
    )  # type: ignore[arg-type]


def _components() -> Iterator[Component]:
    both = ("pooled", "labels")
    yield _part("objective", "task", "task:Task", "the task's own loss")
    yield _part("head", "linear", "heads:Linear", "linear logits", accepts=both)
    yield _part("head", "mlp", "heads:MLP", "one hidden layer, then logits", accepts=both)

    yield _part(
        "model", "majority", "majority:Majority", "train median or label shares", min_modalities=0
    )
    yield _part("model", "ridge", "ridge:Ridge", "ridge on pooled inputs")
    yield _part(
        "model",
        "tfidf-ridge",
        "tfidf:TfidfRidge",
        "ridge on tf-idf of words and word pairs",
        requires=("text",),
    )
    yield _part(
        "model",
        "zero-shot",
        "zero_shot:ZeroShot",
        "transcript against label words",
        requires=("text",),
        uses=("vectors",),
    )

    yield _part("fusion", "pool", "pool:Pool", "pool each modality, concatenate, project")
    yield _part(
        "fusion",
        "early-lstm",
        "early:EarlyFusionLSTM",
        "one LSTM over all modalities, step by step",
    )
    yield _part("fusion", "late-dnn", "late:LateFusionDNN", "a network a modality, concatenated")
    yield _part("fusion", "tfn", "tfn:TFN", "outer product of the modalities", min_modalities=2)
    yield _part("fusion", "lmf", "lmf:LMF", "low-rank product of the modalities", min_modalities=2)
    yield _part(
        "fusion",
        "mult",
        "mult:MulT",
        "crossmodal transformers for every ordered pair",
        min_modalities=2,
    )


def _recipes() -> Iterator[Recipe]:
    yield Recipe(
        name="majority", summary="the same answer for every row", model="majority", encoders={},
        objective=(), min_modalities=0, fits=True, floor=True,
    )  # fmt: skip
    yield Recipe(
        name="ridge", summary="ridge on mean, max and min pooled inputs", model="ridge", encoders=VECTORS,
        objective=(), fits=True, floor=True, search=STEADY, ablations=(*SINGLES, *PAIRS),
    )  # fmt: skip
    yield Recipe(
        name="tfidf-ridge", summary="ridge on tf-idf of the transcript's words and word pairs", model="tfidf-ridge", encoders=IDS,
        objective=(), modalities=("text",), fits=True, continues=True, floor=True,
        ablations=(Ablation(name="no-bigrams", summary="single words only", settings={"model.bigrams": False}),),
    )  # fmt: skip
    yield Recipe(
        name="zero-shot", summary="cosine of the transcript to the label words", model="zero-shot", modalities=("text",),
        encoders={"words": "word-vectors", "strings": "word-vectors"}, objective=(), fits=True, floor=True, search=STEADY,
        ablations=(Ablation(name="gloss", summary="label glosses in place of label words", settings={"model.text": "gloss"}),),
    )  # fmt: skip
    yield Recipe(
        name="text-only", summary="BiLSTM over the text alone: the control of every fusion model", modalities=("text",),
        encoders={"words": "word-bilstm", "strings": "word-bilstm", "features": "feature-bilstm"}, fusion="pool", head="mlp",
        settings={"encoder.width": 128, "fusion.pooling": "max"},
    )  # fmt: skip
    yield Recipe(
        name="early-fusion-lstm", summary="EF-LSTM: all modalities side by side into one LSTM",
        encoders=VECTORS, fusion="early-lstm", head="mlp", ablations=(*SINGLES, *PAIRS),
        settings={"head.hidden": 128, "train.batch_size": 32, "train.lr": 1e-3, "train.weight_decay": 5e-3},
    )  # fmt: skip
    yield Recipe(
        name="late-fusion-dnn", summary="LF-DNN: a network a modality, concatenated",
        encoders=VECTORS, fusion="late-dnn", head="mlp", ablations=(*SINGLES, *PAIRS),
        settings={"head.hidden": 128, "train.batch_size": 64, "train.lr": 1e-3, "train.weight_decay": 1e-2},
    )  # fmt: skip
    yield Recipe(
        name="tfn", summary="Tensor Fusion Network (Zadeh et al. 2017)", min_modalities=2,
        encoders=VECTORS, fusion="tfn", head="mlp",
        settings={"train.batch_size": 32, "train.lr": 1e-3, "train.weight_decay": 1e-2},
        ablations=(
            Ablation(name="no-full-product", summary="no product of all modalities at once", settings={"fusion.products": "proper"}),
            Ablation(name="no-products", summary="the modalities' vectors side by side", settings={"fusion.products": "single"}),
            *PAIRS,
        ),
    )  # fmt: skip
    yield Recipe(
        name="lmf", summary="Low-rank Multimodal Fusion (Liu et al. 2018)", min_modalities=2,
        encoders=VECTORS, fusion="lmf", head="linear",
        settings={"train.batch_size": 64, "train.lr": 1e-3, "train.weight_decay": 5e-3},
        ablations=(Ablation(name="rank-1", summary="a weight tensor of rank 1", settings={"fusion.rank": 1}), *PAIRS),
    )  # fmt: skip
    yield Recipe(
        name="mult", summary="Multimodal Transformer (Tsai et al. 2019)", min_modalities=2,
        encoders=VECTORS, fusion="mult", head="linear",
        settings={"train.batch_size": 64, "train.lr": 1e-3, "train.weight_decay": 5e-3},
        ablations=(
            Ablation(name="text-target", summary="only text attends to the others", settings={"fusion.targets": ["text"]}),
            Ablation(name="no-memory", summary="no self-attention after the crossmodal one", settings={"fusion.memory_layers": 0}),
            *PAIRS,
        ),
    )  # fmt: skip


@hookimpl
def merbench_components() -> Iterator[Component | Recipe]:
    yield from _components()
    yield from _recipes()

"""Early and late fusion, products of modalities, the crossmodal transformer."""

from __future__ import annotations

from collections.abc import Iterator

from merbench.api import Ablation, Case, Component, Recipe
from merbench_baselines.declare import PAIRS, SINGLES, VECTORS, part, with_tower


def components() -> Iterator[Component]:
    yield part("fusion", "pool", "fusions.pool:Pool", "pool each modality, concatenate, project")
    yield part(
        "fusion",
        "early-lstm",
        "fusions.early_lstm:EarlyFusionLSTM",
        "one LSTM over all modalities, step by step",
    )
    yield part(
        "fusion", "late-dnn", "fusions.late_dnn:LateFusionDNN", "a network a modality, concatenated"
    )
    yield part(
        "fusion", "tfn", "fusions.tfn:TFN", "outer product of the modalities", min_modalities=2
    )
    yield part(
        "fusion", "lmf", "fusions.lmf:LMF", "low-rank product of the modalities", min_modalities=2
    )
    yield part(
        "fusion",
        "mult",
        "fusions.mult:MulT",
        "crossmodal transformers for every ordered pair",
        min_modalities=2,
    )
    yield part(
        "fusion",
        "almt",
        "fusions.almt:ALMT",
        "tokens that gather of audio and video what the text asks for",
        required_modalities=("text",),
        min_modalities=2,
    )


def recipes() -> Iterator[Recipe]:
    yield _text_only()
    yield _early_fusion_lstm()
    yield _late_fusion_dnn()
    yield from _products()
    yield _mult()
    yield _almt()


def _text_only() -> Recipe:
    return Recipe(
        name="text-only",
        summary="the text alone: the control of every fusion model",
        encoders={"words": "word-bilstm", "strings": "word-bilstm", "features": "feature-bilstm"},
        fusion="pool",
        head="mlp",
        modalities=("text",),
        settings={"encoder.width": 128, "fusion.pooling": "max"},
        # A BiLSTM's states are pooled by their maximum; those of a frozen tower mean little there.
        cases=(Case(offers=("text.tower",), settings={"fusion.pooling": "attention"}),),
    )


def _early_fusion_lstm() -> Recipe:
    return Recipe(
        name="early-fusion-lstm",
        summary="EF-LSTM: all modalities side by side into one LSTM",
        encoders=VECTORS,
        fusion="early-lstm",
        head="mlp",
        settings={
            "head.hidden": 128,
            "train.batch_size": 32,
            "train.lr": 1e-3,
            "train.weight_decay": 5e-3,
        },
        ablations=(*SINGLES, *PAIRS),
    )


def _late_fusion_dnn() -> Recipe:
    return Recipe(
        name="late-fusion-dnn",
        summary="LF-DNN: a network a modality, concatenated",
        encoders=VECTORS,
        fusion="late-dnn",
        head="mlp",
        settings={
            "head.hidden": 128,
            "train.batch_size": 64,
            "train.lr": 1e-3,
            "train.weight_decay": 1e-2,
        },
        ablations=(*SINGLES, *PAIRS),
    )


def _mult() -> Recipe:
    return Recipe(
        name="mult",
        paper="Tsai et al. 2019, arXiv 1906.00295",
        code="https://github.com/yaohungt/Multimodal-Transformer",
        licence="MIT",
        summary="Multimodal Transformer (Tsai et al. 2019)",
        encoders=VECTORS,
        fusion="mult",
        head="linear",
        min_modalities=2,
        settings={"train.batch_size": 64, "train.lr": 1e-3, "train.weight_decay": 5e-3},
        ablations=(
            Ablation(
                name="text-target",
                summary="only text attends to the others",
                settings={"fusion.targets": ["text"]},
            ),
            Ablation(
                name="no-memory",
                summary="no self-attention after the crossmodal one",
                settings={"fusion.memory_layers": 0},
            ),
            *PAIRS,
        ),
    )


def _products() -> Iterator[Recipe]:
    yield Recipe(
        name="tfn",
        paper="Zadeh et al. 2017, arXiv 1707.07250",
        summary="Tensor Fusion Network (Zadeh et al. 2017)",
        encoders=VECTORS,
        fusion="tfn",
        head="mlp",
        min_modalities=2,
        settings={"train.batch_size": 32, "train.lr": 1e-3, "train.weight_decay": 1e-2},
        ablations=(
            Ablation(
                name="no-full-product",
                summary="no product of all modalities at once",
                settings={"fusion.products": "proper"},
            ),
            Ablation(
                name="no-products",
                summary="the modalities' vectors side by side",
                settings={"fusion.products": "single"},
            ),
            *PAIRS,
        ),
    )
    yield Recipe(
        name="lmf",
        paper="Liu et al. 2018, arXiv 1806.00064",
        summary="Low-rank Multimodal Fusion (Liu et al. 2018)",
        encoders=VECTORS,
        fusion="lmf",
        head="linear",
        min_modalities=2,
        settings={"train.batch_size": 64, "train.lr": 1e-3, "train.weight_decay": 5e-3},
        ablations=(
            Ablation(
                name="rank-1", summary="a weight tensor of rank 1", settings={"fusion.rank": 1}
            ),
            *PAIRS,
        ),
    )


def _almt() -> Recipe:
    return Recipe(
        name="almt",
        paper="Zhang et al. 2023, EMNLP, arXiv 2310.05804",
        code="https://github.com/Haoyu-ha/ALMT",
        licence="MIT",
        summary="adaptive language-guided multimodal transformer (Zhang et al. 2023)",
        encoders=VECTORS,
        fusion="almt",
        head="linear",
        objective=("squared-error",),
        min_modalities=2,
        settings={
            "train.batch_size": 64,
            "train.lr": 1e-4,
            "train.weight_decay": 1e-4,
            "train.schedule": "cosine",
            "train.warmup": 0.1,
        },
        cases=(Case(datasets=("mosei",), settings={"fusion.fusion_layers": 4}), with_tower(1.0)),
        ablations=(
            Ablation(
                name="high-scale",
                summary="the highest scale of the text guides every layer",
                settings={"fusion.guide": "last"},
            ),
            Ablation(
                name="no-guidance",
                summary="the hyper-modality asks in place of the text",
                settings={"fusion.guide": "itself"},
            ),
            Ablation(
                name="no-fusion-transformer",
                summary="hyper-modality and text tokens side by side",
                settings={"fusion.summary": "concatenation"},
            ),
            Ablation(
                name="text-summary",
                summary="z of the text tokens, which published code never reads",
                settings={"fusion.summary": "text"},
            ),
            *PAIRS[:2],
        ),
    )

"""All that a plugin may import. Importing this package imports neither torch nor pydantic; a name is loaded when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merbench.api.component import API, Ablation, Component, Recipe, Stage
    from merbench.api.config import Config, TrainConfig, Tune
    from merbench.api.corpus import Corpus, Protocol, Split, Stream, Task
    from merbench.api.errors import DataError, MerbenchError, RequestError, RunError
    from merbench.api.hookspecs import hookimpl
    from merbench.api.labels import GLOSSES, SENTIMENT, check_label_vectors, label_texts
    from merbench.api.lexicon import Lexicon, Vectors, pieces_of, words_of
    from merbench.api.ops import last_step, masked_max, masked_mean, read_out, soft_targets, task_loss
    from merbench.api.parts import (
        Dataset,
        Encoder,
        FittedModel,
        Fusion,
        Head,
        LabelEncoder,
        Metric,
        Model,
        Objective,
        Prepared,
        SplitView,
    )
    from merbench.api.rows import FeatureRows, Rows, TensorRows, TextRows, WordRows, gather
    from merbench.api.types import (
        MODALITIES,
        Batch,
        Context,
        Fused,
        LabelCounts,
        LabelSpace,
        Modality,
        Output,
        Progress,
        Queries,
        Steps,
        StreamSpec,
        Tokens,
    )

_HOME = {
    "component": ("API", "Ablation", "Component", "Recipe", "Stage"),
    "config": ("Config", "TrainConfig", "Tune"),
    "corpus": ("Corpus", "Protocol", "Split", "Stream", "Task"),
    "errors": ("DataError", "MerbenchError", "RequestError", "RunError"),
    "hookspecs": ("hookimpl",),
    "labels": ("GLOSSES", "SENTIMENT", "check_label_vectors", "label_texts"),
    "lexicon": ("Lexicon", "Vectors", "pieces_of", "words_of"),
    "ops": ("last_step", "masked_max", "masked_mean", "read_out", "soft_targets", "task_loss"),
    "parts": ("Dataset", "Encoder", "FittedModel", "Fusion", "Head", "LabelEncoder", "Metric", "Model", "Objective", "Prepared", "SplitView"),
    "rows": ("FeatureRows", "Rows", "TensorRows", "TextRows", "WordRows", "gather"),
    "types": (
        "MODALITIES", "Batch", "Context", "Fused", "LabelCounts", "LabelSpace", "Modality", "Output", "Progress", "Queries",
        "Steps", "StreamSpec", "Tokens",
    ),
}  # fmt: skip
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"merbench.api has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"merbench.api.{_MODULE[name]}"), name)

"""All that a plugin may import. Importing this package imports neither torch nor pydantic; a name
is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merbench.api.dataset_forms import PICKLES as PICKLES
    from merbench.api.dataset_forms import Form as Form
    from merbench.api.dataset_forms import Sink as Sink
    from merbench.api.dataset_forms import Source as Source
    from merbench.api.declarations.command import Command as Command
    from merbench.api.declarations.component import Component as Component
    from merbench.api.declarations.config import LATER as LATER
    from merbench.api.declarations.config import Config as Config
    from merbench.api.declarations.config import require_heads as require_heads
    from merbench.api.declarations.declaration import API as API
    from merbench.api.declarations.hookspecs import hookimpl as hookimpl
    from merbench.api.declarations.metrics import MetricDef as MetricDef
    from merbench.api.declarations.metrics import SumMetric as SumMetric
    from merbench.api.declarations.metrics import WeightedMetric as WeightedMetric
    from merbench.api.declarations.recipe import Ablation as Ablation
    from merbench.api.declarations.recipe import Case as Case
    from merbench.api.declarations.recipe import Recipe as Recipe
    from merbench.api.declarations.recipe import Stage as Stage
    from merbench.api.declarations.recipe import View as View
    from merbench.api.declarations.train_settings_and_ranges import TrainConfig as TrainConfig
    from merbench.api.declarations.tune import Tune as Tune
    from merbench.api.errors import DataError as DataError
    from merbench.api.errors import MerbenchError as MerbenchError
    from merbench.api.errors import RequestError as RequestError
    from merbench.api.errors import RunError as RunError
    from merbench.api.language_model import LanguageModel as LanguageModel
    from merbench.api.material.alignment import at_pieces as at_pieces
    from merbench.api.material.alignment import resample as resample
    from merbench.api.material.by_length import by_length as by_length
    from merbench.api.material.clips import ClipRows as ClipRows
    from merbench.api.material.corpus import Corpus as Corpus
    from merbench.api.material.corpus import Law as Law
    from merbench.api.material.corpus import Protocol as Protocol
    from merbench.api.material.corpus import Split as Split
    from merbench.api.material.corpus import Stream as Stream
    from merbench.api.material.corpus import Task as Task
    from merbench.api.material.delimited import header_of as header_of
    from merbench.api.material.delimited import number_of as number_of
    from merbench.api.material.label_prompts import GLOSSES as GLOSSES
    from merbench.api.material.label_prompts import SENTIMENT as SENTIMENT
    from merbench.api.material.label_prompts import TextForm as TextForm
    from merbench.api.material.label_prompts import check_label_vectors as check_label_vectors
    from merbench.api.material.label_prompts import derangement as derangement
    from merbench.api.material.label_prompts import label_texts as label_texts
    from merbench.api.material.label_prompts import label_word_vectors as label_word_vectors
    from merbench.api.material.lstm import lstm_memories as lstm_memories
    from merbench.api.material.lstm import lstm_states as lstm_states
    from merbench.api.material.modalities import complete as complete
    from merbench.api.material.modalities import present_modalities as present_modalities
    from merbench.api.material.ops import attendable as attendable
    from merbench.api.material.ops import compact as compact
    from merbench.api.material.ops import known_rows as known_rows
    from merbench.api.material.ops import last_step as last_step
    from merbench.api.material.ops import masked_max as masked_max
    from merbench.api.material.ops import masked_mean as masked_mean
    from merbench.api.material.ops import masked_softmax as masked_softmax
    from merbench.api.material.ops import read_out as read_out
    from merbench.api.material.ops import reverse_gradient as reverse_gradient
    from merbench.api.material.ops import soft_targets as soft_targets
    from merbench.api.material.ops import task_loss as task_loss
    from merbench.api.material.rows import FeatureRows as FeatureRows
    from merbench.api.material.rows import Rows as Rows
    from merbench.api.material.rows import StepRows as StepRows
    from merbench.api.material.rows import TensorRows as TensorRows
    from merbench.api.material.rows import TextRows as TextRows
    from merbench.api.material.rows import WordRows as WordRows
    from merbench.api.material.rows import gather as gather
    from merbench.api.material.types import MODALITIES as MODALITIES
    from merbench.api.material.types import Batch as Batch
    from merbench.api.material.types import Context as Context
    from merbench.api.material.types import Fused as Fused
    from merbench.api.material.types import LabelCounts as LabelCounts
    from merbench.api.material.types import LabelSpace as LabelSpace
    from merbench.api.material.types import Modality as Modality
    from merbench.api.material.types import Output as Output
    from merbench.api.material.types import Progress as Progress
    from merbench.api.material.types import Queries as Queries
    from merbench.api.material.types import Steps as Steps
    from merbench.api.material.types import StreamSpec as StreamSpec
    from merbench.api.material.types import Tokens as Tokens
    from merbench.api.material.types import Turns as Turns
    from merbench.api.material.word_vectors import Lexicon as Lexicon
    from merbench.api.material.word_vectors import Vectors as Vectors
    from merbench.api.material.word_vectors import pieces_of as pieces_of
    from merbench.api.material.word_vectors import words_of as words_of
    from merbench.api.media.decoded import Decoded as Decoded
    from merbench.api.media.pictures import read_frames as read_frames
    from merbench.api.media.sound import read_wave as read_wave
    from merbench.api.parts import ComposedModel as ComposedModel
    from merbench.api.parts import Dataset as Dataset
    from merbench.api.parts import Encoder as Encoder
    from merbench.api.parts import Executor as Executor
    from merbench.api.parts import FittedModel as FittedModel
    from merbench.api.parts import Fusion as Fusion
    from merbench.api.parts import Head as Head
    from merbench.api.parts import LabelEncoder as LabelEncoder
    from merbench.api.parts import Logger as Logger
    from merbench.api.parts import Model as Model
    from merbench.api.parts import Objective as Objective
    from merbench.api.parts import Prepared as Prepared
    from merbench.api.parts import SplitView as SplitView
    from merbench.api.parts import ViewTransform as ViewTransform
    from merbench.api.parts import own_method as own_method
    from merbench.api.pickles import Array as Array
    from merbench.api.pickles import as_text as as_text
    from merbench.api.pickles import unpickle as unpickle
    from merbench.api.pickles import unpickle_npz as unpickle_npz
    from merbench.api.plural import are as are
    from merbench.api.plural import count_of as count_of
    from merbench.api.plural import have as have
    from merbench.api.processes import pool as pool

_HOME = {
    "declarations.command": ("Command",),
    "declarations.component": ("Component",),
    "declarations.config": ("LATER", "Config", "require_heads"),
    "declarations.declaration": ("API",),
    "declarations.hookspecs": ("hookimpl",),
    "declarations.metrics": ("MetricDef", "SumMetric", "WeightedMetric"),
    "declarations.recipe": ("Ablation", "Case", "Recipe", "Stage", "View"),
    "declarations.train_settings_and_ranges": ("TrainConfig",),
    "declarations.tune": ("Tune",),
    "errors": ("DataError", "MerbenchError", "RequestError", "RunError"),
    "dataset_forms": ("PICKLES", "Form", "Sink", "Source"),
    "language_model": ("LanguageModel",),
    "material.alignment": ("at_pieces", "resample"),
    "material.by_length": ("by_length",),
    "material.clips": ("ClipRows",),
    "material.corpus": ("Corpus", "Law", "Protocol", "Split", "Stream", "Task"),
    "material.delimited": ("header_of", "number_of"),
    "material.label_prompts": (
        "GLOSSES",
        "SENTIMENT",
        "TextForm",
        "check_label_vectors",
        "derangement",
        "label_texts",
        "label_word_vectors",
    ),
    "material.lstm": ("lstm_memories", "lstm_states"),
    "material.word_vectors": ("Lexicon", "Vectors", "pieces_of", "words_of"),
    "material.modalities": ("complete", "present_modalities"),
    "material.ops": (
        "attendable", "compact", "known_rows", "last_step", "masked_max", "masked_mean",
        "masked_softmax", "read_out", "reverse_gradient", "soft_targets", "task_loss",
    ),
    "material.rows": (
        "FeatureRows", "Rows", "StepRows", "TensorRows", "TextRows", "WordRows", "gather",
    ),
    "material.types": (
        "MODALITIES", "Batch", "Context", "Fused", "LabelCounts", "LabelSpace", "Modality",
        "Output", "Progress", "Queries",
        "Steps", "StreamSpec", "Tokens", "Turns",
    ),
    "media.decoded": ("Decoded",),
    "media.pictures": ("read_frames",),
    "media.sound": ("read_wave",),
    "parts": (
        "ComposedModel", "Dataset", "Encoder", "Executor", "FittedModel", "Fusion", "Head",
        "LabelEncoder", "Logger", "Model", "Objective", "Prepared", "SplitView", "ViewTransform",
        "own_method",
    ),
    "plural": ("are", "count_of", "have"),
    "pickles": ("Array", "as_text", "unpickle", "unpickle_npz"),
    "processes": ("pool",),
}  # fmt: skip
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE)


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"merbench.api has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"merbench.api.{_MODULE[name]}"), name)

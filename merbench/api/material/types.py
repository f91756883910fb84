"""What flows between the harness and the parts. Shape suffixes: B batch, L steps, D width, C
labels.

Nothing here imports torch when it is imported, so that declarations stay cheap to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from merbench.api.language_model import LanguageModel
    from merbench.api.material.word_vectors import Lexicon

Modality = Literal["text", "audio", "video"]
MODALITIES: tuple[Modality, ...] = ("text", "audio", "video")
StreamKind = Literal["strings", "words", "features", "clip", "steps"]
SpaceKind = Literal["score", "class", "multilabel", "joint"]


class Steps(NamedTuple):
    """A padded sequence of one modality. Never pooled before fusion.

    ``x_BLD`` float [B, L, D] (an encoder that only tokenises may give long [B, L, 1]); ``mask_BL``
    bool [B, L], True = a real step. A row of ``mask_BL`` that is all False means that the modality
    is missing for that utterance. L is at least 1. The content of masked steps is arbitrary and
    must never change an output.
    """

    x_BLD: Tensor
    mask_BL: Tensor


class Tokens(NamedTuple):
    """What a language model eats: ``ids_BL`` long, ``mask_BL`` bool, ``word_BL`` long (which of the
    text's words, from 0, a piece belongs to; -1 = none, as the model's own start and end).
    """

    ids_BL: Tensor
    mask_BL: Tensor
    word_BL: Tensor


class Queries(NamedTuple):
    """What a label encoder makes of the label words: ``emb_CD`` [C, D] and, where it has one, a
    label graph ``graph_CC``.

    ``extras``: further tensors by the names that its declaration ``provides`` (a prior, the words'
    own vectors, ...); ``graph`` in ``provides`` stands for ``graph_CC``, and ``by_modality`` for
    vectors [C, D_m] that a modality has of its own, read by a tower that shares its space.
    ``space``: which labels these are, where others than the run's own were asked for (label
    generalisation); merbench sets it.
    """

    emb_CD: Tensor
    graph_CC: Tensor | None = None
    extras: Mapping[str, Tensor] = MappingProxyType({})
    by_modality: Mapping[Modality, Tensor] = MappingProxyType({})
    space: LabelSpace | None = None

    def of(self, modality: Modality) -> Tensor:
        """[C, D_m]: the label vectors for a modality; ``emb_CD`` where it has none of its own."""
        return self.by_modality.get(modality, self.emb_CD)


class Fused(NamedTuple):
    """What a fusion returns, in the form that its declaration ``returns``.

    ``pooled``: ``z_BCD`` [B, 1, D]. ``labels``: ``z_BCD`` [B, C, D], one row a label word.
    ``sequence``: ``steps``, a fused sequence [B, L, D], and its pooled ``z_BCD`` [B, 1, D].
    ``slots``: ``slots_BMCD`` [B, M, C, D], one vector a label for each of M slots (modalities,
    say), and ``z_BCD`` [B, C, D] over them. So a head that accepts ``pooled`` also reads a
    sequence, and one that accepts ``labels`` also reads slots. ``aux``: extras by the names in
    ``provides``.
    """

    z_BCD: Tensor
    aux: Mapping[str, Tensor] = MappingProxyType({})
    steps: Steps | None = None
    slots_BMCD: Tensor | None = None


class Progress(NamedTuple):
    """Where training stands: ``epoch`` of at most ``epochs`` of the ``stage`` (a name), and in it
    ``step`` of ``steps`` batches, both from 0.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    stage: str

    @property
    def share(self) -> float:
        """Of the stage's batches that are over, from 0 to 1."""
        return (self.epoch + self.step / self.steps) / self.epochs


@dataclass(frozen=True)
class LabelSpace:
    """What is predicted, in words that a label encoder can read.

    ``score``: ``words`` are the ordinal words of the ``anchors`` (the value each stands for,
    ascending). ``class`` and ``multilabel``: one word a class or label, in the order of the
    target's columns; ``anchors`` is None. ``joint``: a score and a multilabel space at once, its
    ``parts``; words, logits and columns of the target are those of the score and then those of the
    labels (``LabelSpace.joint`` makes it). ``glosses``: one sentence a word.
    """

    kind: SpaceKind
    words: tuple[str, ...]
    glosses: tuple[str, ...]
    anchors: tuple[float, ...] | None = None
    parts: tuple[LabelSpace, ...] = ()

    def __post_init__(self) -> None:
        if len(self.glosses) != len(self.words):
            raise ValueError(
                f"LabelSpace has {len(self.words)} words and {len(self.glosses)} glosses; "
                "give one gloss a word"
            )
        if (self.kind == "score") != (self.anchors is not None):
            raise ValueError("LabelSpace: anchors belong to kind 'score' and to no other")
        if self.anchors is not None and (
            len(self.anchors) != len(self.words) or list(self.anchors) != sorted(set(self.anchors))
        ):
            raise ValueError("LabelSpace: give one anchor a word, in ascending order")
        if [part.kind for part in self.parts] != (
            ["score", "multilabel"] if self.kind == "joint" else []
        ):
            raise ValueError(
                "LabelSpace: a joint space has two parts, a score and a multilabel space, "
                "and no other space has parts"
            )

    @classmethod
    def joint(cls, score: LabelSpace, labels: LabelSpace) -> LabelSpace:
        """Both at once."""
        return cls(
            "joint",
            score.words + labels.words,
            score.glosses + labels.glosses,
            parts=(score, labels),
        )

    @property
    def logit_count(self) -> int:
        """Number of logits of a head that is not label-wise: 1 for a score, else one a word; of a
        joint space both.
        """
        return (
            sum(part.logit_count for part in self.parts)
            if self.parts
            else 1
            if self.kind == "score"
            else len(self.words)
        )

    @property
    def tasks(self) -> tuple[LabelSpace, ...]:
        """The parts of a joint space, any other space alone: what a formula for one task goes
        through.
        """
        return self.parts or (self,)

    def split_logits(self, x: Any, axis: int = -1) -> tuple[Any, ...]:
        """What each space of ``tasks`` has of a tensor or array whose ``axis`` is words or logits
        (None: of None).
        """
        if x is None or not self.parts:
            return (x,) * len(self.tasks)
        axis %= x.ndim
        leading, labels = (slice(None),) * axis, x.shape[axis] - len(self.parts[1].words)
        return x[(*leading, slice(labels))], x[(*leading, slice(labels, None))]

    def split_targets(self, x: Any) -> tuple[Any, ...]:
        """What each space of ``tasks`` has of targets, predictions or a mask of known cells [N,
        ...], in its own form (None: of None).
        """
        if x is None or not self.parts:
            return (x,) * len(self.tasks)
        return x[:, 0], x[:, 1:]


@dataclass(frozen=True)
class StreamSpec:
    """One modality's signal, by name. ``width``: D of ``features`` and ``steps``, else None;
    ``note``: where it came from.
    """

    name: str
    modality: Modality
    kind: StreamKind
    width: int | None = None
    note: str = ""


@dataclass(frozen=True)
class LabelCounts:
    """Counted by the harness on the TRAIN split only, over known targets.

    ``known_C`` how many rows have label c observed; ``positive_C`` how many of those are positive
    (for a score: total weight of anchor c when each target is split between its two neighbouring
    anchors); ``together_CC`` rows in which labels i and j are both positive (for a score: products
    of those weights); ``median`` of the targets of a score, else 0; ``positive_known_CC`` rows in
    which label i is positive and label j is observed, so that ``together_CC / positive_known_CC``
    is P(j | i) also where cells are hidden (None: all are observed). A joint space has them for
    all its words: anchors, then labels.
    """

    known_C: np.ndarray
    positive_C: np.ndarray
    together_CC: np.ndarray
    median: float = 0.0
    positive_known_CC: np.ndarray | None = None


@dataclass(frozen=True)
class Context:
    """All that a factory may know: no paths, no test split.

    ``streams``: the stream that each used modality reads, in the canonical order text, audio,
    video. ``lexicon``: the word vectors offered to this run (all files side by side), or None.
    ``language_model``: that of the text encoder, where it provides one; not for encoders, which are
    made first. ``query_widths``: D_m of the modalities that have label vectors of their own, for
    fusion, head and objectives.
    """

    space: LabelSpace
    streams: Mapping[Modality, StreamSpec]
    n_train: int
    counts: LabelCounts
    lexicon: Lexicon | None = None
    language_model: LanguageModel | None = None
    query_widths: Mapping[Modality, int] = field(default_factory=dict)


class Turns(NamedTuple):
    """The position of rows in their dialogue or video, for methods that read the context of a row.

    ``video_B`` long: which video (in MELD: dialogue) a row is of; ``turn_B`` long: its place among
    ALL rows of that video, from 0, so two rows with turns 3 and 4 follow each other.
    """

    video_B: Tensor
    turn_B: Tensor


@dataclass(frozen=True)
class Batch:
    """Rows of one split.

    ``ids_B`` long: position in the split (methods may keep state per sample). ``inputs``: per
    modality, what the encoder's ``prepare()`` made, for these rows. ``target``: float [B] of a
    score, long [B] of a class, float [B, C] of a multilabel task, float [B, 1 + C] of a joint one
    (``LabelSpace.split_targets`` takes it apart). ``known``: bool, of the shape of a ``target``
    with columns, which cells are observed; None = all. ``views``: of a recipe that has them, for
    its objectives: by name, the encoded modalities as the view changed them;
    ``model.decode(batch.views["weak"])`` takes one. ``turns``: which rows are of one video,
    and in what order; None where nobody knows (rows that are not of the data set).
    """

    ids_B: Tensor
    inputs: Mapping[Modality, Any]
    target: Tensor
    known: Tensor | None = None
    views: Mapping[str, Mapping[Modality, Steps]] = field(default_factory=dict)
    turns: Turns | None = None

    def __len__(self) -> int:
        return len(self.ids_B)


@dataclass(frozen=True)
class Output:
    """What a model returns.

    ``logits_BC``: C = ``space.logit_count``, or for a score also C = number of anchors (read out as
    the softmax-weighted sum of anchors); of a joint space those of the score and then those of the
    labels. Any other C needs a read-out and a loss of the head's (or model's) own. ``steps``:
    encoded modalities, for objectives that contrast them. ``aux``: for objectives, by declared
    name. ``fused`` and ``queries``: what a composed model's fusion and label encoder returned.
    """

    logits_BC: Tensor
    steps: Mapping[Modality, Steps] = field(default_factory=dict)
    aux: Mapping[str, Tensor] = field(default_factory=dict)
    fused: Fused | None = None
    queries: Queries | None = None

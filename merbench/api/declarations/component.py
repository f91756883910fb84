"""One part that a plugin offers, as frozen data. Its implementation is named by string and loaded
when a run uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from merbench.api.declarations.declaration import API, Declaration
from merbench.api.material.types import Modality, SpaceKind, StreamKind

ComponentKind = Literal[
    "encoder",
    "label-encoder",
    "fusion",
    "head",
    "objective",
    "view",
    "model",
    "dataset",
    "form",
    "executor",
    "logger",
]
COMPONENT_KINDS: tuple[ComponentKind, ...] = get_args(ComponentKind)

FusedForm = Literal["pooled", "labels", "sequence", "slots"]
"""What a fusion may return; see ``merbench.api.Fused``."""
READABLE_AS: Mapping[FusedForm, FusedForm] = {"sequence": "pooled", "slots": "labels"}
"""Forms whose ``z_BCD`` a head can read that accepts the simpler one."""


LANGUAGE_MODEL = "language_model"
"""In ``provides`` of a text encoder, and in ``needs`` or ``reads`` of what works inside it."""
BY_MODALITY = "by_modality"
"""In ``provides`` of a label encoder with vectors for single modalities, and in ``reads``."""

ACCEPTS: Mapping[ComponentKind, tuple[str, ...]] = {
    "encoder": get_args(StreamKind),
    "head": get_args(FusedForm),
}
"""What an encoder or a head may accept."""


@dataclass(frozen=True, kw_only=True)
class Component(Declaration):
    """One part that a plugin offers.

    kind, name, summary   what it is; ``name`` is unique within its kind.
    target                ``"package.module:Factory"``. The factory's signature is the Protocol of
                          its kind in ``merbench.api.parts``; its class attribute ``Config`` is its
                          settings (a ``merbench.api.Config``).
    accepts               encoder: the stream kinds it reads. head: what it takes from a fusion, of
                          ``pooled``, ``labels``, ``sequence`` and ``slots``.
    modalities            encoder: of which modalities it can read such streams, where not of all: a
                          clip has sound and pictures.
    returns               fusion: one of these forms; see ``merbench.api.Fused``.
    needs                 what must be there: ``queries`` (a label encoder), and names that parts
                          before it provide. Fusion: those of the label encoder; head: the fusion's
                          too; objective: the head's too, ``logits``, ``steps``, ``fused`` and
                          ``composed`` (which every composed model has), ``view.NAME`` (a view of
                          the recipe) and ``teacher`` (``model.teacher``, the moving average of the
                          weights: ``train.ema``).
                          Any part after the encoders: ``language_model``
                          (``context.language_model``).
    reads                 what it makes use of where it is there, and can do without:
                          ``language_model``, ``queries``, and of a fusion ``by_modality``. A label
                          encoder that no part needs or reads is refused, and so is one that
                          provides ``by_modality`` beside a fusion that reads none.
    provides              fusion, head, model: the names it puts into ``aux`` (a model also
                          ``steps`` where it fills them). label encoder: the names of its
                          ``extras``, ``graph`` where it gives ``graph_CC``, ``by_modality`` where
                          it gives that. text encoder: ``language_model``, where it has one.
    min_modalities        fusion, model: it is refused with fewer;
                          ``required_modalities``: those it cannot do without.
    spaces                the kinds of task it is for, of ``score``, ``class``, ``multilabel`` and
                          ``joint``; empty = all. A run for another kind is refused.
    pretrained            pretrained material it starts from: ``vectors`` (the run's word vectors),
                          ``weights`` (then the factory has a static method ``pretrained(config) ->
                          {name: sha256}``, and may have ``sources(config) -> {name: where from}``
                          for the record's provenance). Its content hash becomes part of the run's
                          identity and of its track.
    tiny                  not declared: where the factory of an encoder or label encoder with such
                          weights has a static method ``tiny() -> config`` of a few random weights,
                          ``merbench plugins check`` checks it with these.
    check                 not declared: where the factory has a static method ``check(config, space,
                          lexicon)``, it is called when a run is planned, with the run's
                          ``LabelSpace`` and word vectors (or None), and raises RequestError where
                          the part could not be built for them.
    version               encoder: a number, from 1, of what it computes. Its factory then has a
                          static method ``fixed(config) -> bool``: whether the output for a row
                          depends on that row, the config and the pretrained files alone. Such
                          output is kept in the cache under this number; raise it when the same
                          input would give another. 0 = never kept.
    folder, obtain        dataset read from a feature folder of that name (then no target), and how
                          a user gets it.
    known_failures        conformance check -> reason. Strict: a check named here that passes is
                          itself a failure.
    """

    kind: ComponentKind
    name: str
    summary: str
    target: str = ""
    accepts: tuple[str, ...] = ()
    modalities: tuple[Modality, ...] = ()
    returns: FusedForm = "pooled"
    needs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    min_modalities: int = 1
    required_modalities: tuple[Modality, ...] = ()
    spaces: tuple[SpaceKind, ...] = ()
    pretrained: tuple[str, ...] = ()
    version: int = 0
    folder: str = ""
    obtain: str = ""
    known_failures: Mapping[str, str] = field(default_factory=dict)
    api: int = API

"""Declarations: what a plugin offers, as frozen data. Implementations are named by string and
loaded when a run uses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from merbench.api.did_you_mean import did_you_mean
from merbench.api.material.types import Modality, SpaceKind, StreamKind

if TYPE_CHECKING:
    from merbench.api.declarations.tune import Tune

API = 2
"""Version of this contract. A declaration made for another number is refused in one sentence."""

RENAMED = {
    "uses": "pretrained",
    "requires": "required_modalities",
    "fits": "closed_form",
    "continues": "warm_start",
}
"""Fields of API 1 by the names that they have since."""


class _Declaration:
    """Base of the dataclasses below: a field that does not exist is one sentence that names the
    declaration.
    """

    def __new__(cls, *args: Any, **given: Any) -> Self:
        known = [f.name for f in fields(cls)]  # type: ignore[arg-type]
        for name in given:
            if name not in known:
                advice = did_you_mean(RENAMED.get(name, name), known)
                who = f"{cls.__name__} {given.get('name', '')!r}"
                raise TypeError(f"{who} has no field {name!r}; {advice}")
        return super().__new__(cls)


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
COMPONENT_KINDS: tuple[ComponentKind, ...] = (
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
)


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
class Component(_Declaration):
    """One part that a plugin offers.

    kind, name, summary   what it is; ``name`` is unique within its kind.
    target                ``"package.module:Factory"``. The factory's signature is the Protocol of
                          its kind in ``merbench.api.parts``; its class attribute ``Config`` is its
                          settings (a ``merbench.api.Config``).
    accepts               encoder: the stream kinds it reads. head: what it takes from a fusion, of
                          ``pooled``, ``labels``, ``sequence`` and ``slots``.
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
                          ``language_model``, and of a fusion ``by_modality``. A label encoder that
                          provides ``by_modality`` is refused beside a fusion that does not.
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


@dataclass(frozen=True)
class View(_Declaration):
    """A view of every train batch, for objectives: ``batch.views[name]``.

    ``transforms``: components of kind ``view``, applied one after another to the encoded
    modalities. With none the view is the encoded batch itself (of which another pass draws other
    dropout). ``--part view.NAME=A,B`` replaces them; ``view.NAME.A.FIELD`` is a setting.
    """

    name: str
    transforms: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Ablation(_Declaration):
    """A change of a recipe that makes sense for it. ``settings`` is in the grammar of
    ``Recipe.settings``; ``stages``: in place of the recipe's.
    """

    name: str
    summary: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    modalities: tuple[Modality, ...] | None = None
    stages: tuple[Stage, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Stage(_Declaration):
    """One phase of training. Most recipes have a single stage with these defaults.

    epochs      None = the run's ``train.epochs``; never more than the user's ``--epochs``. 0 leaves
                the stage out.
    trains      prefixes of the parameter names that are updated (empty = all). Modules none of
                whose parameters are among them are in evaluation mode.
    objectives  names, a subset of the recipe's (empty = all).
    selects     the epoch with the best validation score is kept and training stops early; a stage
                that does not select keeps its last epoch.
    settings    train settings that differ in this stage, such as ``{"lr": 1e-3}``.
    within      the name of a stage in each of whose epochs this one makes a pass first, with an
                optimiser of its own (alternating training); it has no epochs and no selection of
                its own.

    ``--set stage.NAME.epochs=3`` and ``--set stage.NAME.lr=1e-4`` change them for a run, and
    ``Ablation.settings`` by the same names.
    """

    name: str = "main"
    epochs: int | None = None
    trains: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    selects: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    within: str = ""


@dataclass(frozen=True, kw_only=True)
class Case(_Declaration):
    """What a recipe does otherwise on data sets of certain names, or where the data OFFER any of
    certain streams, whichever of them a run then reads.

    ``offers``: stream kinds, as in ``Recipe.encoders``, and ``text.tower``: the transcripts are
    read by a pretrained network (``--text-tower``, ``--encoder text=NAME``). ``datasets``: names,
    for settings published for one data set. ``encoders`` and ``settings`` are laid over the
    recipe's own; of a setting that is a mapping (``train.lr_factors``), key by key.
    """

    offers: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    encoders: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Recipe(_Declaration):
    """A named method: which parts, with which defaults, and which ablations make sense.

    Either ``fusion`` and ``head`` (with ``label_encoder`` where there is one), composed by the
    harness, or a whole ``model``.
    encoders        stream kind -> encoder name; a key ``modality.kind`` (``"audio.features"``) goes
                    before a plain kind. A stream whose kind is in neither is not used by this
                    recipe.
    settings        defaults that differ from the parts' own, by dotted name: ``"fusion"``,
                    ``"head"``, ``"label_encoder"``, ``"model"``, ``"encoder.text"``,
                    ``"objective"`` name a part (None = none); ``"fusion.layers"``,
                    ``"encoder.text.width"``, ``"encoder.width"`` (every modality),
                    ``"objective.task.weight"``, ``"train.lr"`` set a field. ``--part`` and
                    ``--set`` of the command line and ``Ablation.settings`` use the same names.
                    ``"view.NAME"`` and ``"view.NAME.TRANSFORM.FIELD"`` are of a view, and
                    ``"stage.NAME.epochs"`` and ``"stage.NAME.lr"`` of a stage.
    views           views of every train batch that its objectives use.
    unlabelled      True: train rows without a known target stay in the train split, for objectives
                    that learn from them; ``Batch.known`` says which they are.
    cases           those that apply are laid over the recipe, one after another.
    search          search ranges that differ from the parts' own ``Tune``, by the same names of
                    fields; None = not searched.
    modalities      the modalities it looks at (None = all that are offered).
    min_modalities  it is refused with fewer.
    paper           where the method is published: authors, year, venue, identifier.
    code            address of its authors' implementation, where there is one.
    licence         of that implementation, as an SPDX identifier (``MIT``); empty = not known.
    caveat          a sentence that goes with every table, page and record of this method.
    spaces          the kinds of task it is for, as in ``Component.spaces``.
    closed_form     True: the model is fitted in closed form (``model.fit``) and the training loop
                    is not run.
    warm_start      True: such a model, when it holds the weights of another run already, is fitted
                    near them.
    floor           True: a floor is shown beside every model of a track.
    runs_along      of a floor: it is also run (one seed) with any model, where the store lacks it;
                    False: it is run by its name.
    """

    name: str
    summary: str
    encoders: Mapping[str, str]
    fusion: str | None = None
    head: str | None = None
    label_encoder: str | None = None
    model: str | None = None
    objective: tuple[str, ...] = ("task",)
    settings: Mapping[str, Any] = field(default_factory=dict)
    views: tuple[View, ...] = ()
    unlabelled: bool = False
    cases: tuple[Case, ...] = ()
    search: Mapping[str, Tune | None] = field(default_factory=dict)
    stages: tuple[Stage, ...] = (Stage(),)
    modalities: tuple[Modality, ...] | None = None
    min_modalities: int = 1
    ablations: tuple[Ablation, ...] = ()
    paper: str = ""
    code: str = ""
    licence: str = ""
    caveat: str = ""
    spaces: tuple[SpaceKind, ...] = ()
    closed_form: bool = False
    warm_start: bool = False
    floor: bool = False
    runs_along: bool = True
    known_failures: Mapping[str, str] = field(default_factory=dict)
    api: int = API


CommandGroup = Literal["measure", "look", "ask", "data", "extend"]


@dataclass(frozen=True, kw_only=True)
class Command(_Declaration):
    """A command of the program, ``merbench NAME``.

    group    under which heading of ``merbench --help`` it stands.
    summary  one sentence for that list; the command's own help is its docstring, as click shows it.
    target   ``"package.module:attribute"``, a ``click.Command``: imported when it is called, or
             when its own help is asked for.
    """

    name: str
    summary: str
    target: str
    group: CommandGroup = "extend"
    api: int = API

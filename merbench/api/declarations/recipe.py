"""A named method as frozen data: its parts, views, stages, cases and ablations."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from merbench.api.declarations.declaration import API, Declaration
from merbench.api.material.types import Modality, SpaceKind

if TYPE_CHECKING:
    from merbench.api.declarations.tune import Tune


@dataclass(frozen=True)
class View(Declaration):
    """A view of every train batch, for objectives: ``batch.views[name]``.

    ``transforms``: components of kind ``view``, applied one after another to the encoded
    modalities. With none the view is the encoded batch itself (of which another pass draws other
    dropout). ``--part view.NAME=A,B`` replaces them, ``=none`` takes them away;
    ``view.NAME.A.FIELD`` is a setting.
    """

    name: str
    transforms: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Ablation(Declaration):
    """A change of a recipe that makes sense for it. ``settings`` is in the grammar of
    ``Recipe.settings``; ``stages``: in place of the recipe's.
    """

    name: str
    summary: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    modalities: tuple[Modality, ...] | None = None
    stages: tuple[Stage, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Stage(Declaration):
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
class Case(Declaration):
    """What a recipe does otherwise on data sets of certain names, or where the data OFFER any of
    certain streams, whichever of them a run then reads; with both, where both hold.

    ``offers``: stream kinds, as in ``Recipe.encoders``, and ``text.tower``: the transcripts are
    read by a pretrained network (``--text-tower``, ``--encoder text=NAME``). ``datasets``: names,
    for settings published for one data set. ``encoders`` and ``settings`` are laid over the
    recipe's own; of a setting that is a mapping (``train.lr_factors``), key by key.
    """

    offers: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    encoders: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def holds(self, dataset: str, kinds: Set[str]) -> bool:
        """True on this data set with these kinds of streams."""
        if not (self.datasets or self.offers):
            return False
        named = not self.datasets or dataset in self.datasets
        return named and (not self.offers or bool(kinds & set(self.offers)))


@dataclass(frozen=True, kw_only=True)
class Recipe(Declaration):
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

"""What a run is asked for and what it then is: ``Request`` -> ``Plan`` (``engine/resolve.py``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from merbench.api import (
    Component,
    Config,
    LabelSpace,
    Lexicon,
    Modality,
    Protocol,
    Recipe,
    Stage,
    Stream,
    Task,
    TrainConfig,
)
from merbench.api.errors import LabelsError, RequestError
from merbench.engine.plan.start_weights import Start
from merbench.host.catalog import faults_named
from merbench.results.metrics import TaskMetrics
from merbench.results.records.record import Track
from merbench.results.spec import RunSpec

HARNESS = (
    "merbench.engine.available_inputs",
    "merbench.engine.build",
    "merbench.engine.learn",
    "merbench.engine.plan.datasets",
    "merbench.engine.rows.encode",
    "merbench.engine.training.evaluate",
)
"""Modules that, beside a run's components, decide its numbers."""


@dataclass(frozen=True)
class Request:
    """What the user asked for. ``settings`` in the grammar of ``Recipe.settings``; None = the
    default. ``text_tower``: a model that reads the transcripts (``engine/plan/text_tower.py``).
    ``labels``: how many train labels are hidden (``engine/rows/hidden_labels.py``).
    ``missing``: what train rows lack (``engine/rows/missing.py``). ``options``: setting -> what the
    user wrote in place of it, such as ``--encoder audio=NAME`` for ``encoder.audio``; sentences
    name that.
    """

    model: str
    task: str | None = None
    protocol: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    streams: Mapping[Modality, str] = field(default_factory=dict)
    modalities: tuple[Modality, ...] | None = None
    ablations: tuple[str, ...] = ()
    thresholds: str = "fixed:0.5"
    allow_leak: bool = False
    start: Start | None = None
    text_tower: str = ""
    labels: str = ""
    missing: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A slot's component with its implementation and validated settings."""

    component: Component
    factory: Any
    config: Config

    @cached_property
    def pretrained(self) -> dict[str, str]:
        """Name -> SHA-256 of the weights it starts from; nothing where it starts from none."""
        hashes: dict[str, str] = (
            self._ask("pretrained") if "weights" in self.component.pretrained else {}
        )
        return hashes

    def check(self, space: LabelSpace, lexicon: Lexicon | None) -> None:
        """LabelsError where it could not be built for these labels and word vectors."""
        if hasattr(self.factory, "check"):
            try:
                self._ask("check", space, lexicon)
            except RequestError as error:
                raise LabelsError(str(error)) from error

    @property
    def sources(self) -> dict[str, str]:
        """Name -> where those weights come from, with the revision where they have one."""
        named = self.pretrained and hasattr(self.factory, "sources")
        source_by_name: dict[str, str] = self._ask("sources") if named else {}
        return source_by_name

    @property
    def fixed(self) -> bool:
        """Whether it is an encoder whose output for a row never changes, so that it may be kept
        (``engine/rows/encode.py``).
        """
        return self.component.version > 0 and bool(self._ask("fixed"))

    def _ask(self, method: str, *arguments: object) -> Any:
        """What the part's class says of its settings. RequestError, which names the part, for what
        is its fault.
        """
        component = self.component
        with faults_named(
            f"{component.kind} {component.name} ({component.target}): its {method}() failed"
        ):
            return getattr(self.factory, method)(self.config, *arguments)


@dataclass(frozen=True)
class Setup:
    """A recipe with its settings: what is built of it, what it reads, how it is trained."""

    recipe: Recipe
    parts: Mapping[str, Part]
    streams: Mapping[Modality, Stream]
    views: Mapping[str, Sequence[str]]
    stages: tuple[Stage, ...]
    train: TrainConfig


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that the runs of one spec share. ``streams`` are those the model reads, words made of
    strings where an encoder wants words. ``turns_N2``: of the rows of its data set
    (``Corpus.turns_N2``).
    """

    recipe: Recipe
    spec: RunSpec
    track: Track
    contents: Mapping[str, str]
    parts: Mapping[str, Part]
    stages: tuple[Stage, ...]
    train: TrainConfig
    task: Task
    metrics: TaskMetrics
    protocol: Protocol
    streams: Mapping[Modality, Stream]
    lexicon: Lexicon | None
    turns_N2: np.ndarray
    start: Start | None = None
    notes: tuple[str, ...] = ()
    """What records must tell of all these runs."""

    @property
    def one_seed(self) -> bool:
        """Whether every seed makes the same run: a closed form on the same train rows."""
        return self.recipe.closed_form and not self.spec.drawn_train_rows

    @property
    def views(self) -> dict[str, list[Part]]:
        """Name -> the parts that make it, in turn."""
        return {
            view: [self.parts[f"view.{view}.{name}"] for name in names]
            for view, names in self.spec.views.items()
        }

    @property
    def modules(self) -> list[str]:
        """Those of the components used, of the harness that trains and scores them, and of the
        metrics that choose epochs: what they import decides the numbers.
        """
        components = {part.component.target.partition(":")[0] for part in self.parts.values()}
        return sorted({*HARNESS, *components, *(self.metrics[m].module for m in self.selecting)})

    @property
    def selecting(self) -> list[str]:
        """The metrics that choose epochs, that of the last stage last."""
        names = [
            self.metrics.selecting(stage.settings.get("select", self.train.select))
            for stage in self.stages
            if stage.selects and not stage.within
        ]
        return list(dict.fromkeys(reversed(names)))[::-1]

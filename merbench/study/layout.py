"""A study laid out: one cell a model or ablation and track, and in each one run a seed and fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from merbench.analyses.ablate import ablated_requests, plans_of
from merbench.api import Recipe, RequestError
from merbench.api.errors import LabelsError
from merbench.engine.plan.plan import Plan, Request
from merbench.engine.rows.missing import written
from merbench.host.catalog import unknown
from merbench.results.spec import run_id
from merbench.results.store.store import Store
from merbench.runs.workspace import Workspace
from merbench.study.file import Model, StudyFile, Track

if TYPE_CHECKING:
    from merbench.study.searches import SearchStatus

SUBSETS = "all-subsets"
"""Among the ablations: every subset of the modalities."""


@dataclass(frozen=True)
class PlannedRun:
    """One run, as plain data: whoever has plugins and data of the same content makes the same run
    of it.
    """

    run_id: str
    dataset: str
    request: Request
    seed: int
    fold: int | None
    tuned_by: Mapping[str, Any] | None = None

    @property
    def label(self) -> str:
        """``merclip no-label-encoder · mosi``."""
        return f"{' '.join((self.request.model, *self.request.ablations))} · {self.dataset}"


@dataclass(frozen=True)
class Cell:
    """One model or ablation on one track.

    ``pending``: its settings, and so its runs, are known when a search is over. ``search``: how far
    its own search is.
    """

    label: str
    dataset: str
    request: Request
    plan: Plan
    seeds: tuple[int, ...]
    tuned_by: Mapping[str, Any] | None = None
    pending: bool = False
    search: SearchStatus | None = None

    @property
    def track(self) -> str:
        return self.plan.track.title

    @property
    def runs(self) -> list[PlannedRun]:
        plan = self.plan
        return [
            PlannedRun(
                run_id(plan.spec, plan.contents, seed, split.fold),
                self.dataset,
                self.request,
                seed,
                split.fold,
                self.tuned_by,
            )
            for seed in self.seeds
            for split in plan.protocol.splits
        ]


def lay_out(
    study: StudyFile, workspace: Workspace, store: Store, report: Callable[[str], object]
) -> list[Cell]:
    """Every cell, track by track. RequestError for what no track allows; ``report`` is called with
    what was left out and why.

    A model that some of the tracks cannot feed is left out there. Models fitted in closed form, as
    floors are, are run with the first seed alone where other seeds would give the same numbers.
    What is tuned has the settings that its search has found (they lie in ``store``), and so have
    its ablations unless they are tuned too.
    """
    return _Layout(study, workspace, store, report).cells()


class _Layout:
    def __init__(
        self,
        study: StudyFile,
        workspace: Workspace,
        store: Store,
        report: Callable[[str], object],
    ) -> None:
        self.study, self.workspace, self.store, self.report = study, workspace, store, report
        self.refusals: dict[int, list[str]] = {}
        """Number of a model in the study -> one sentence for each track that cannot feed it."""

    def cells(self) -> list[Cell]:
        catalog, study = self.workspace.catalog, self.study
        declared = {a.name for m in study.models for a in catalog.recipe(m.name).ablations}
        _check_names(study.ablations, sorted(declared), "ablations of the study's models")
        cells = [cell for track in study.tracks for cell in self._of_track(track)]
        for number, sentences in self.refusals.items():
            if len(sentences) == len(study.tracks):
                raise RequestError(f"{study.models[number].name}: {sentences[0]}")
            for sentence in sentences:
                self.report(f"left out {study.models[number].name}: {sentence}")
        return _without_duplicates(cells)

    def _of_track(self, track: Track) -> list[Cell]:
        cells: list[Cell] = []
        for number, model in enumerate(self.study.models):
            if refusal := self._refusal(track, model):
                self.refusals.setdefault(number, []).append(str(refusal))
            else:
                cells += self._of_model(track, model)
        if not cells:  # the track itself is wrong, or of no use
            first = self.study.models[0].name
            raise RequestError(f"{first} on {track.dataset}: {self.refusals[0][-1]}")
        if self.study.floors:
            model_names = {m.name for m in self.study.models}
            floors = [
                self._floor(track, name) for name in self._floors() if name not in model_names
            ]
            cells += [cell for cell in floors if cell]
        return cells

    def _refusal(self, track: Track, model: Model) -> RequestError | None:
        """Why the track cannot feed this model, neither with its own settings nor without."""
        refusal = None
        for settings in (model.settings, {}):
            try:
                self.workspace.plan(track.dataset, self._request(track, model, settings))
            except RequestError as error:
                refusal = error
            else:
                return None
        return refusal

    def _of_model(self, track: Track, model: Model) -> Iterator[Cell]:
        recipe = self.workspace.catalog.recipe(model.name)
        shared_settings = {} if recipe.closed_form else self.study.settings
        request = self._request(track, model, {**shared_settings, **model.settings})
        full = self.workspace.plan(track.dataset, request)
        seeds = self._seeds(full)
        search = None if recipe.closed_form else self._search(request, full)
        common = _Common(self.workspace, track.dataset, seeds, full, search)
        yield common.cell(model.name, request, full)
        if search and self.study.tune and self.study.tune.defaults:
            yield Cell(f"{model.name} default", track.dataset, request, full, seeds)
        yield from self._ablations(model, recipe, request, common)

    def _search(self, request: Request, plan: Plan) -> SearchStatus | None:
        if self.study.tune is None:
            return None
        from merbench.study.searches import status_of  # imports optuna

        return status_of(request, plan, self.study.tune, self.store)

    def _ablations(
        self, model: Model, recipe: Recipe, request: Request, common: _Common
    ) -> Iterator[Cell]:
        requested = self.study.ablations if model.ablations is None else model.ablations
        declared = [a.name for a in recipe.ablations]
        if model.ablations is not None:
            _check_names(requested, declared, f"declared by model {model.name}")
        names = declared if "all" in requested else [name for name in requested if name in declared]
        modalities = tuple(common.full.streams)
        requests = ablated_requests(recipe, names, modalities, request, SUBSETS in requested)
        plan_by_name, reasons = plans_of(
            requests, common.full, lambda r: self.workspace.plan(common.dataset, r)
        )
        for name, plan in plan_by_name.items():
            shared = common
            if common.search and self.study.tune and self.study.tune.ablations:
                search = self._search(requests[name], plan)
                shared = replace(common, full=plan, search=search)
            yield shared.cell(f"{model.name} {name}", requests[name], plan)
        for name, reason in reasons.items():
            self.report(f"left out {model.name} {name}: {reason}")

    def _floors(self) -> list[str]:
        catalog = self.workspace.catalog
        names = [n for n in catalog.names("recipe") if len(catalog.providers("recipe", n)) == 1]
        recipes = [catalog.recipe(name) for name in names]
        return [recipe.name for recipe in recipes if recipe.floor and recipe.runs_along]

    def _floor(self, track: Track, name: str) -> Cell | None:
        """None where this floor cannot read what the track offers; told where it is the labels."""
        request = replace(self._request(track, Model(name=name), {}), modalities=None)
        try:
            plan = self.workspace.plan(track.dataset, request)
        except LabelsError as error:
            self.report(f"left out floor {name}: {error}")
            return None
        except RequestError:
            return None
        return Cell(name, track.dataset, request, plan, self._seeds(plan))

    def _seeds(self, plan: Plan) -> tuple[int, ...]:
        return tuple(self.study.seeds[:1] if plan.one_seed else self.study.seeds)

    def _request(self, track: Track, model: Model, settings: Mapping[str, Any]) -> Request:
        return Request(
            model=model.name,
            task=track.task,
            protocol=track.protocol,
            settings=settings,
            streams=track.streams,
            modalities=model.modalities or track.modalities,
            thresholds=self.study.thresholds,
            text_tower=track.text_tower,
            labels=track.labels,
            missing=written(track.missing),
            allow_leak=track.allow_leak,
            options=dict.fromkeys(settings, "settings of the study"),
        )


@dataclass(frozen=True)
class _Common:
    """What a model and its ablations share on one track. ``full``: whose settings ``search``
    searches.
    """

    workspace: Workspace
    dataset: str
    seeds: tuple[int, ...]
    full: Plan
    search: SearchStatus | None

    def cell(self, label: str, request: Request, plan: Plan) -> Cell:
        own_search = self.search if plan is self.full else None
        tuned = self.search.result if self.search else None
        tuned_by = None
        if tuned:
            from merbench.study.searches import fitting

            settings = fitting(tuned.settings, self.full, plan)
            request = replace(request, settings={**request.settings, **settings})
            plan = self.workspace.plan(self.dataset, request)
            tuned_by = tuned.tuned_by
        pending = self.search is not None and tuned is None
        return Cell(label, self.dataset, request, plan, self.seeds, tuned_by, pending, own_search)


def _without_duplicates(cells: Sequence[Cell]) -> list[Cell]:
    """Two names may be one model of a track; the first stays."""
    first: dict[tuple[str, str, bool], Cell] = {}
    for cell in cells:
        track = cell.plan.track.model_dump_json()
        first.setdefault((track, cell.runs[0].run_id, cell.pending), cell)
    return list(first.values())


def _check_names(names: Sequence[str], declared: Sequence[str], origin: str) -> None:
    for name in names:
        if name not in (*declared, "all", SUBSETS):
            raise RequestError(unknown("ablation", name, declared, origin))

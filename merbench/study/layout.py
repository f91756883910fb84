"""A study laid out: one cell a model, variant and track, and in each one run a seed and fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from merbench.analyses.ablate import plans, variants
from merbench.api import RequestError
from merbench.engine.plan import Plan, Request
from merbench.host.catalog import unknown
from merbench.results.spec import run_id
from merbench.results.store import Store
from merbench.runs.workspace import Material
from merbench.study.file import Model, StudyFile, Track

if TYPE_CHECKING:
    from merbench.study.searches import Standing

SUBSETS = "all-subsets"
"""Among the ablations: every subset of the modalities."""


@dataclass(frozen=True)
class Unit:
    """One run, as plain data: whoever has plugins and data of the same content makes the same run
    of it.
    """

    run_id: str
    dataset: str
    request: Request
    seed: int
    fold: int | None
    tuned_by: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Cell:
    """One model or variant on one track.

    ``pending``: its settings, and so its runs, are known when a search is over. ``search``: where
    its own search stands.
    """

    label: str
    dataset: str
    request: Request
    plan: Plan
    seeds: tuple[int, ...]
    tuned_by: Mapping[str, Any] | None = None
    pending: bool = False
    search: Standing | None = None

    @property
    def track(self) -> str:
        return self.plan.track.title

    @property
    def units(self) -> list[Unit]:
        return [
            Unit(
                run_id(self.plan.spec, self.plan.contents, seed, split.fold),
                self.dataset,
                self.request,
                seed,
                split.fold,
                self.tuned_by,
            )
            for seed in self.seeds
            for split in self.plan.protocol.splits
        ]


def lay_out(
    study: StudyFile, material: Material, store: Store, tell: Callable[[str], None]
) -> list[Cell]:
    """Every cell, track by track. RequestError for what no track allows; ``tell`` is told what was
    left out and why.

    A model that some of the tracks cannot feed is left out there. Floors are run with the first
    seed alone, as are models fitted in closed form: other seeds would give the same numbers. What
    is tuned has the settings that its search has found (``store`` tells), and so have its variants.
    """
    declared = {
        a.name for model in study.models for a in material.catalog.recipe(model.name).ablations
    }
    _check_names(study.ablations, sorted(declared), "ablations of the study's models")
    cells: list[Cell] = []
    unfit: dict[str, list[str]] = {}
    for track in study.tracks:
        here = len(cells)
        for model in study.models:
            bare = _request(study, track, Model(name=model.name, modalities=model.modalities), {})
            try:
                material.plan(track.dataset, bare)
            except RequestError as error:
                unfit.setdefault(model.name, []).append(str(error))
                continue
            cells += _cells(study, track, model, material, store, tell)
        if len(cells) == here:  # the track itself is wrong, or of no use
            raise RequestError(unfit[study.models[0].name][-1])
        if study.floors:
            named = {m.name for m in study.models}
            cells += [
                c
                for name in _floors(material)
                if name not in named
                for c in _floor(study, track, name, material)
            ]
    for name, reasons in unfit.items():
        if len(reasons) == len(study.tracks):
            raise RequestError(reasons[0])
        for reason in reasons:
            tell(f"left out {name}: {reason}")
    first: dict[tuple[str, bool], Cell] = {}
    for cell in cells:
        first.setdefault((cell.units[0].run_id, cell.pending), cell)
    return list(first.values())


def _request(
    study: StudyFile,
    track: Track,
    model: Model,
    settings: Mapping[str, Any],
    ablations: tuple[str, ...] = (),
) -> Request:
    return Request(
        model=model.name,
        task=track.task,
        protocol=track.protocol,
        settings=settings,
        streams=track.streams,
        modalities=model.modalities or track.modalities,
        ablations=ablations,
        thresholds=study.thresholds,
        allow_leak=track.allow_leak,
    )


def _cells(
    study: StudyFile,
    track: Track,
    model: Model,
    material: Material,
    store: Store,
    tell: Callable[[str], None],
) -> Iterator[Cell]:
    recipe = material.catalog.recipe(model.name)
    seeds = tuple(study.seeds[:1] if recipe.floor or recipe.closed_form else study.seeds)
    common = {} if recipe.closed_form else study.settings
    request = _request(study, track, model, {**common, **model.settings})
    full = material.plan(track.dataset, request)
    search = None
    if study.tune and not (recipe.floor or recipe.closed_form):
        from merbench.study.searches import fitting, standing  # imports optuna

        search = standing(request, full, study.tune, store)
    found = search.found if search else None
    pending, tuned_by = search is not None and found is None, found.by if found else None

    def cell(label: str, request: Request, plan: Plan, search: Standing | None = None) -> Cell:
        if found:
            request = replace(
                request, settings={**request.settings, **fitting(found.settings, full, plan)}
            )
            plan = material.plan(track.dataset, request)
        return Cell(label, track.dataset, request, plan, seeds, tuned_by, pending, search)

    yield cell(model.name, request, full, search)
    if study.tune and study.tune.defaults and search:
        yield Cell(f"{model.name} default", track.dataset, request, full, seeds)
    asked = study.ablations if model.ablations is None else model.ablations
    declared = [a.name for a in recipe.ablations]
    if model.ablations is not None:
        _check_names(asked, declared, f"declared by model {model.name}")
    names = declared if "all" in asked else [name for name in asked if name in declared]
    requests = variants(recipe, names, tuple(full.streams), request, SUBSETS in asked)
    made, reasons = plans(requests, full, lambda request: material.plan(track.dataset, request))
    for name, plan in made.items():
        yield cell(f"{model.name} {name}", requests[name], plan)
    for name, reason in reasons.items():
        tell(f"left out {model.name} {name}: {reason}")


def _check_names(asked: Sequence[str], declared: Sequence[str], where: str) -> None:
    for name in asked:
        if name not in (*declared, "all", SUBSETS):
            raise RequestError(unknown("ablation", name, declared, where))


def _floors(material: Material) -> list[str]:
    catalog = material.catalog
    return [
        name
        for name in catalog.names("recipe")
        if len(catalog.providers("recipe", name)) == 1 and catalog.recipe(name).floor
    ]


def _floor(study: StudyFile, track: Track, name: str, material: Material) -> Iterator[Cell]:
    request = replace(_request(study, track, Model(name=name), {}), modalities=None)
    try:
        plan = material.plan(track.dataset, request)
    except RequestError:
        return  # this floor cannot read what the track offers
    yield Cell(name, track.dataset, request, plan, tuple(study.seeds[:1]))

"""Checks of whole methods, built and trained through the harness on a tiny corpus."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from merbench.api import (
    Batch,
    LabelSpace,
    Progress,
    Recipe,
    RequestError,
    Split,
    Stage,
    Steps,
    TrainConfig,
)
from merbench.api.declarations.component import ComponentKind
from merbench.api.material.types import SpaceKind
from merbench.engine.build import Problem, build
from merbench.engine.learn import learn
from merbench.engine.model.contract import predictions
from merbench.engine.model.weight_average import MovingAverage
from merbench.engine.plan.plan import Plan, Request
from merbench.engine.plan.stages import settings_of
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.engine.training.checkpoint import Checkpoint
from merbench.engine.training.evaluate import predict, weights_digest
from merbench.engine.training.passes import Learning, Passes
from merbench.engine.training.train import fit
from merbench.host.catalog import Catalog
from merbench.results.store import Store
from merbench.testing import tiny
from merbench.testing.parts.rowwise import rowwise
from merbench.testing.verdict import Bodies, Skip

CPU = torch.device("cpu")
SHORT = {"train.epochs": 2, "train.batch_size": 4}
LIVELY = 3e-3


def checks(catalog: Catalog, recipe: Recipe) -> Bodies:
    """The checks that apply to a method."""
    bodies: dict[str, Callable[[], None]] = {
        f"builds for a {kind}": partial(_builds, catalog, recipe, kind)
        for kind in ("score", "class", "multilabel", "joint")
        if kind in spaces_of(catalog, recipe)
    }
    bodies["needs within provides"] = partial(_fits, catalog, recipe)
    bodies["padding invariance"] = partial(_rows, catalog, recipe, "padding")
    bodies["batch permutation"] = partial(_rows, catalog, recipe, "permutation")
    bodies["a row alone"] = partial(_rows, catalog, recipe, "alone")
    bodies["missing modality is finite"] = partial(_rows, catalog, recipe, "missing")
    bodies["same seed, same result"] = partial(_same_seed, catalog, recipe)
    bodies["state round-trips"] = partial(_state, catalog, recipe)
    if not recipe.closed_form:
        bodies["gradient reaches every parameter"] = partial(_gradient, catalog, recipe)
        bodies["a killed run resumes to the same bits"] = partial(_resumes, catalog, recipe)
        bodies["overfits 8 samples"] = partial(_overfits, catalog, recipe)

    @cache
    def base() -> np.ndarray:
        problem, fold = _trained(_lively(catalog, recipe))
        return predict(problem.model, problem.valid, fold.space)

    for ablation in recipe.ablations:
        bodies[f"ablation {ablation.name} differs"] = partial(
            _differs, catalog, recipe, ablation.name, base
        )
    return bodies


def spaces_of(catalog: Catalog, recipe: Recipe) -> list[SpaceKind]:
    """The kinds of task that a method and all its parts are for."""
    named: list[tuple[ComponentKind, str | None]] = [
        ("fusion", recipe.fusion),
        ("head", recipe.head),
        ("label-encoder", recipe.label_encoder),
        ("model", recipe.model),
        *(("objective", name) for name in recipe.objective),
    ]
    declared = [recipe.spaces]
    declared += [catalog.component(kind, name).spaces for kind, name in named if name]
    return [
        kind for kind in tiny.SPACES if all(not spaces or kind in spaces for spaces in declared)
    ]


def _plan(
    catalog: Catalog,
    recipe: Recipe,
    kind: SpaceKind | None = None,
    ablations: Sequence[str] = (),
    dataset: str = "tiny",
    **settings: object,
) -> Plan:
    corpus = dataclasses.replace(tiny.corpus(kind or spaces_of(catalog, recipe)[0]), name=dataset)
    chosen = {key.replace("__", "."): value for key, value in settings.items()}
    return resolve(
        Request(recipe.name, settings={**SHORT, **chosen}, ablations=tuple(ablations)),
        catalog,
        corpus,
        None,
    )


def _lively(catalog: Catalog, recipe: Recipe, ablations: Sequence[str] = ()) -> Plan:
    """Trained long enough, and at such a rate, that a small or late term of the loss shows, and to
    the last epoch, since the best may come before that term.
    """
    plan = _plan(catalog, recipe, ablations=ablations, train__epochs=4)
    if not recipe.closed_form and plan.train.lr < LIVELY:
        plan = _plan(catalog, recipe, ablations=ablations, train__epochs=4, train__lr=LIVELY)
    stages = tuple(dataclasses.replace(stage, selects=False) for stage in plan.stages)
    return dataclasses.replace(plan, stages=stages)


def _problem(plan: Plan, seed: int = 0, split: Split | None = None) -> tuple[Problem, Fold]:
    fold = Fold(plan.streams, plan.task, split or plan.protocol.splits[0], plan.lexicon)
    return build(plan, fold, seed, CPU), fold


def _trained(plan: Plan, seed: int = 0) -> tuple[Problem, Fold]:
    problem, fold = _problem(plan, seed)
    learn(plan, problem, fold, seed)
    return problem, fold


def _builds(catalog: Catalog, recipe: Recipe, kind: SpaceKind) -> None:
    plan = _plan(catalog, recipe, kind)
    try:
        problem, fold = _trained(plan)
    except RequestError as error:
        if kind == "joint":
            raise Skip(f"is for one task at a time: {error}") from error
        raise
    predictions = predict(problem.model, fold.data("test", problem.encoders, CPU), fold.space)
    assert np.isfinite(predictions).all(), "predictions are not finite"


def _fits(catalog: Catalog, recipe: Recipe) -> None:
    """The recipe and each of its ablations resolve: every part finds what it needs."""
    for names, demand in (
        ([a.name for a in recipe.ablations], "ablations"),
        ([s.name for s in recipe.stages], "stages"),
    ):
        assert len(set(names)) == len(names), f"two {demand} have one name: {', '.join(names)}"
    plan, *_ = [
        _plan(catalog, recipe, ablations=ablations)
        for ablations in ([], *([a.name] for a in recipe.ablations))
    ]
    configs = {"train": plan.train, **{slot: part.config for slot, part in plan.parts.items()}}
    for name, tune in recipe.search.items():
        slot, _, field = name.rpartition(".")
        faults = [
            c
            for at, c in configs.items()
            if (at == slot or at.startswith(f"{slot}.")) and field in type(c).model_fields
        ]
        assert faults, f"search names {name}, and no part has such a setting"
        assert all(tune is None or tune.holds(getattr(c, field)) for c in faults), (
            f"the default of {name} lies outside its search range {tune}"
        )
    for case in recipe.cases:  # the tiny corpus offers none of their streams
        for dataset in case.datasets:
            _plan(catalog, recipe, dataset=dataset)
        for kind, name in case.encoders.items():
            accepts = catalog.component("encoder", name).accepts
            assert kind.rpartition(".")[2] in accepts, (
                f"a case gives {kind} to {name}, which accepts {' and '.join(accepts)}"
            )


def _rows(catalog: Catalog, recipe: Recipe, check: str) -> None:
    problem, _ = _trained(_plan(catalog, recipe))
    whole = problem.train.batch(torch.arange(5))
    if not all(isinstance(steps, Steps) for steps in whole.inputs.values()):
        raise Skip("its encoders take raw inputs")
    problem.model.eval()
    if check == "alone" and not whole.inputs:
        raise Skip("it reads no modality")

    def logits(inputs: dict) -> torch.Tensor:  # type: ignore[type-arg]
        rows = len(next(iter(inputs.values())).mask_BL) if inputs else len(whole)
        batch = Batch(whole.ids_B[:rows], inputs, whole.target[:rows])
        out: torch.Tensor = problem.model(batch).logits_BC
        return out

    rowwise(logits, dict(whole.inputs), check)


def _same_seed(catalog: Catalog, recipe: Recipe) -> None:
    plan = _plan(catalog, recipe)
    first, second = (weights_digest(_trained(plan)[0].model) for _ in range(2))
    assert first == second, "two trainings with the same seed gave different weights"


def _state(catalog: Catalog, recipe: Recipe) -> None:
    plan = _plan(catalog, recipe)
    trained, fold = _trained(plan)
    # Untrained, because what a closed form learns is the same for every seed.
    other, _ = _problem(plan, seed=1)
    other.model.load_state_dict(trained.model.state_dict())
    a, b = (predict(p.model, p.valid, fold.space) for p in (trained, other))
    assert np.allclose(a, b, atol=1e-6), (
        "weights that were saved and loaded predict something else; "
        "what is learned is kept in buffers"
    )
    kept_ids = {id(tensor) for tensor in trained.model.state_dict(keep_vars=True).values()}
    for modality, encoder in trained.encoders.items():
        lost = [
            name
            for name, tensor in encoder.state_dict(keep_vars=True).items()
            if id(tensor) not in kept_ids
        ]
        assert not lost, (
            f"{lost[0]} of the {modality} encoder is not trained or saved; "
            "keep the encoders in a torch.nn.ModuleDict"
        )


class _Killed(BaseException):
    """What ends a run after its first epoch."""


def _resumes(catalog: Catalog, recipe: Recipe) -> None:
    """State that a model or an objective keeps outside of parameters and buffers is lost here."""
    plan = _plan(catalog, recipe, train__patience=2)
    whole, _ = _trained(plan)
    with TemporaryDirectory() as folder:
        store = Store(Path(folder))

        def checkpoint() -> Checkpoint:
            place = Checkpoint(store, "run", {})
            place.due = 0.0
            return place

        def kill(entry: object) -> None:
            raise _Killed

        first, fold = _problem(plan)
        resumed: list[object] = []
        with suppress(_Killed):
            learn(
                plan,
                first,
                fold,
                0,
                lambda e: kill(e) if resumed else resumed.append(e),
                checkpoint(),
            )
        again, fold = _problem(plan)
        learn(plan, again, fold, 0, checkpoint=checkpoint())
    for name, (a, b) in {
        "model": (whole.model, again.model),
        **{o: (whole.objectives[o], again.objectives[o]) for o in whole.objectives},
    }.items():
        assert weights_digest(a) == weights_digest(b), (
            f"a run that was killed after an epoch resumes to other weights of {name}: "
            "keep all state in parameters and buffers"
        )


def _gradient(catalog: Catalog, recipe: Recipe) -> None:
    plan = _plan(catalog, recipe)
    problem, _ = _problem(plan)
    # Without dropout, so that no unit is dead by chance; batches of unequal size, so that the signs
    # of an L1 loss cannot cancel to 0.
    problem.model.eval()
    for stage in plan.stages:
        settings = settings_of(stage, plan.train).model_copy(update={"batch_size": 5})
        learning = Learning(
            problem.model, problem.objectives, problem.train, 0, None, problem.views
        )
        learning.average = MovingAverage(problem.model, settings.ema) if settings.ema else None
        passes = Passes(learning, settings, stage, 1)
        if passes.optimiser is None:
            continue
        with learning.teaching():
            for step, rows in enumerate(torch.arange(len(problem.train)).split(5)):
                at = Progress(0, 1, step, passes.batches, stage.name)
                _, _, losses = passes.losses(rows, at)
                torch.stack(list(losses.values())).sum().backward()
    trained = [
        *problem.model.named_parameters(),
        *((f"{k}.{n}", p) for k, o in problem.objectives.items() for n, p in o.named_parameters()),
    ]
    dead = [
        n for n, p in trained if p.requires_grad and (p.grad is None or not p.grad.abs().sum() > 0)
    ]
    assert not dead, f"no gradient reaches {', '.join(dead[:4])}{' ...' if len(dead) > 4 else ''}"


def _overfits(catalog: Catalog, recipe: Recipe) -> None:
    plan = _plan(catalog, recipe)
    eight = np.arange(8)
    problem, fold = _problem(plan, split=Split(eight, eight, eight))
    config = TrainConfig(
        epochs=25,
        patience=25,
        batch_size=8,
        lr=max(plan.train.lr, LIVELY),
        weight_decay=0,
        schedule="constant",
        ema=plan.train.ema,
    )
    stages = [dataclasses.replace(stage, epochs=None, settings={}) for stage in plan.stages] or [
        Stage()
    ]
    batch = problem.train.batch(torch.arange(8))
    y = _as_predictions(batch.target, fold.space)
    constant = float((y - y.mean(0)).abs().mean())
    for round_ in range(8):  # most methods need one or two
        fit(
            problem.model,
            problem.objectives,
            problem.train,
            problem.train,
            views=problem.views,
            space=fold.space,
            config=config,
            stages=stages,
            seed=round_,
        )
        problem.model.eval()
        with torch.no_grad():
            p = predictions(problem.model, problem.model(batch), fold.space)
            reached = float((p.view_as(y) - y).abs().mean())
        if reached < 0.35 * constant:
            return
    raise AssertionError(
        f"after 200 epochs on 8 samples the mean error is {reached:.2f}, "
        f"a constant reaches {constant:.2f}"
    )


def _as_predictions(target: torch.Tensor, space: LabelSpace) -> torch.Tensor:
    """[B, C]: what right predictions would be."""
    if space.kind == "class":
        return torch.nn.functional.one_hot(target, len(space.words)).float()
    return target.view(len(target), -1)


def _differs(
    catalog: Catalog, recipe: Recipe, ablation: str, base: Callable[[], np.ndarray]
) -> None:
    ablated, fold = _trained(_lively(catalog, recipe, [ablation]))
    a, b = base(), predict(ablated.model, ablated.valid, fold.space)
    assert not np.allclose(a, b, atol=1e-6), (
        "the ablation predicts exactly what the full method does: it changes nothing"
    )

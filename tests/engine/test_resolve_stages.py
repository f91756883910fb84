"""Stages, views and the teacher of a request: what is declared, set, capped and refused."""

from __future__ import annotations

import pytest

from merbench.api import Ablation, Component, Recipe, RequestError, Stage, View
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.restore import plan_of
from merbench.host.catalog import Catalog
from merbench.host.discovery import Plugin
from merbench.results.spec import run_id
from merbench.testing import tiny


@pytest.fixture(scope="module")
def corpus():
    return tiny.corpus()


TWO_STAGES = (
    Stage(name="pretrain", epochs=30, trains=("fusion.",), selects=False),
    Stage(name="main", settings={"lr": 0.5}),
)


def with_staged(catalog, **recipe):
    """A catalogue with a recipe of two stages and two views."""
    no_pretrain = Ablation(name="no-pretrain", summary="", settings={"stage.pretrain.epochs": 0})
    one_stage = Ablation(name="one-stage", summary="", stages=(Stage(name="only"),))
    declared = {
        "encoders": {"features": "features"},
        "fusion": "tfn",
        "head": "linear",
        "stages": TWO_STAGES,
        "views": (View("weak", ("noise",)), View("strong", ("noise", "crop"))),
        "ablations": (no_pretrain, one_stage),
        **recipe,
    }
    taught = Component(
        kind="objective",
        name="taught",
        summary="",
        target="merbench_baselines.objectives.task_loss:Task",
        needs=("teacher", "view.weak"),
    )
    mine = Plugin("plug", "dist", "1", (Recipe(name="staged", summary="", **declared), taught))
    return Catalog([*catalog.plugins, mine])


def staged(catalog, corpus, recipe=None, **request):
    catalog_with_guest = with_staged(catalog, **(recipe or {}))
    return resolve(Request("staged", **request), catalog_with_guest, corpus, None)


@pytest.mark.parametrize(
    ("settings", "epochs"),
    [
        ({}, [30, None]),
        ({"train.epochs": 4}, [4, None]),
        ({"train.epochs": 40}, [30, None]),
        ({"train.epochs": 4, "stage.pretrain.epochs": 9}, [9, None]),
        ({"stage.main.epochs": 2}, [30, 2]),
    ],
)
def test_epochs_of_stages_are_set_by_name_and_capped_by_those_of_the_run(
    catalog, corpus, settings, epochs
):
    plan = staged(catalog, corpus, settings=settings)
    assert [stage.epochs for stage in plan.stages] == epochs
    assert [stage["epochs"] for stage in plan.spec.stages] == epochs
    assert plan_of(plan.spec, with_staged(catalog), corpus, None).spec == plan.spec


def test_a_stages_settings_and_views_are_of_the_run_and_its_identity(catalog, corpus):
    settings = {"stage.pretrain.lr": 0.25, "view.strong": "noise", "view.strong.noise.sd": 2.0}
    plan, plain = staged(catalog, corpus, settings=settings), staged(catalog, corpus)
    assert plan.stages[0].settings == {"lr": 0.25} and plan.stages[1].settings == {"lr": 0.5}
    assert plan.spec.views == {"weak": ["noise"], "strong": ["noise"]}
    assert plan.parts["view.strong.noise"].config.sd == 2.0
    assert plan.parts["view.weak.noise"].config.sd == 0.1
    assert plain.spec.views["strong"] == ["noise", "crop"]
    assert run_id(plan.spec, {}, 0, None) != run_id(plain.spec, {}, 0, None)
    without = resolve(Request("tfn"), catalog, corpus, None).spec
    assert "views" not in without.identity()
    assert plan_of(plan.spec, with_staged(catalog), corpus, None).spec == plan.spec


def test_a_number_of_a_stage_is_the_same_run_however_it_is_written(catalog, corpus):
    specs = [staged(catalog, corpus, settings={"stage.main.lr": lr}).spec for lr in (1, 1.0, "1")]
    assert len({run_id(spec, {}, 0, None) for spec in specs}) == 1


@pytest.mark.parametrize("none", [None, "", ()])
def test_a_view_may_lose_its_transforms(catalog, corpus, none):
    plan = staged(catalog, corpus, settings={"view.weak": none})
    assert plan.views["weak"] == [] and plan.spec.views["weak"] == []


def test_ablations_change_stages(catalog, corpus):
    assert staged(catalog, corpus, ablations=("no-pretrain",)).stages[0].epochs == 0
    assert [s.name for s in staged(catalog, corpus, ablations=("one-stage",)).stages] == ["only"]


@pytest.mark.parametrize(
    ("recipe", "settings", "sentence"),
    [
        ({}, {"stage.pretran.epochs": 3}, "unknown setting 'stage.pretran.epochs'; did you mean 'stage.pretrain.epochs'"),
        ({}, {"stage.pretrain.lrr": 3}, "unknown setting 'stage.pretrain.lrr'; did you mean 'stage.pretrain.lr'"),
        ({}, {"stage.pretrain.epochs": -1}, "stage.pretrain.epochs=-1 does not fit stage pretrain of model staged"),
        ({}, {"view.wek": "noise"}, "unknown view 'wek'; did you mean 'weak'"),
        ({}, {"view.weak": "nois"}, "unknown view 'nois'; did you mean 'noise'"),
        ({}, {"view.weak.crop.share": 0.5}, "unknown setting 'view.weak.crop.share'"),
        ({"objective": ("taught",)}, {}, "objective taught needs the teacher.*none in stage pretrain; set train.ema"),
        ({"objective": ("taught",), "views": ()}, {"train.ema": 0.9}, "needs view.weak, and the recipe has no such view"),
        ({"stages": (Stage(name="a", within="mian"), Stage(name="main"))}, {}, "unknown stage 'mian'; did you mean 'main'"),
        ({"stages": (Stage(name="a", within="main"), Stage(name="main"))}, {"stage.a.epochs": 2}, "no epochs of its own"),
        ({"stages": (Stage(name="a", within="main", epochs=2), Stage(name="main"))}, {}, "stage a of model staged runs within stage main and has no epochs of its own"),
        ({"stages": (Stage(within="main"),)}, {}, "unknown stage 'main'"),
        ({"stages": ()}, {}, "model staged has no stage that does not run within another"),
        ({"stages": (Stage(epochs=-3),)}, {}, "stage.main.epochs=-3 does not fit stage main of model staged"),
        ({"stages": (Stage(settings={"epochs": 4}),)}, {}, r"stage main of model staged has epochs among its settings; declare Stage\(epochs=4\)"),
        ({"stages": (Stage(settings={"stack": True}),)}, {}, "stack among its settings.*train.stack"),
        ({}, {"stage.main.stack": True}, "stack among its settings; seeds train together in all stages or in none: train.stack"),
        ({}, {"train.objective_schedules": {"tsak": "constant"}}, "unknown objective 'tsak'; did you mean 'task'"),
        ({}, {"train.objective_schedules": {"task": "up"}}, "is none of: constant, ramp:FROM:TO"),
    ],
)  # fmt: skip
def test_stages_views_and_teachers_that_do_not_fit_are_refused(
    catalog, corpus, recipe, settings, sentence
):
    with pytest.raises(RequestError, match=sentence):
        staged(catalog, corpus, recipe, settings=settings)


def test_what_is_taught_runs_with_an_average(catalog, corpus):
    plan = staged(catalog, corpus, {"objective": ("taught",)}, settings={"train.ema": 0.9})
    assert "objective.taught" in plan.parts

"""What a search may change of a model: ranges that hold the defaults, and no more than is free."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from merbench.api import Recipe, RequestError, Tune
from merbench.engine.build import build
from merbench.engine.plan.settings import SINGLE
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.testing import tiny
from merbench.testing.recipes.trained import spaces_of
from merbench.tuning.search_space import fixed_by, settle, space_of
from tests.tiny_runs import MACHINE, in_folds

TUNED = ("text-only", "late-fusion-dnn", "tfn", "lmf", "mult", "early-fusion-lstm", "merclip")


@pytest.mark.parametrize("kind", ["score", "class", "multilabel"])
def test_every_recipe_has_a_space_and_corners_of_it_build(catalog, ask, kind):
    recipes = [catalog.recipe(name) for name in catalog.names("recipe")]
    trained = [r for r in recipes if not r.closed_form and kind in spaces_of(catalog, r)]
    assert len(trained) > 20
    draw = np.random.default_rng(0)
    for recipe in trained:
        plan = ask(recipe.name, kind, settings={})[1]
        space = space_of(plan, set())
        assert "train.lr" in space.ranges and math.isinf(space.size), recipe.name
        fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
        for _ in range(2):
            corner = {}
            for name, r in space.ranges.items():
                ends = r.choices if isinstance(r, CategoricalDistribution) else (r.low, r.high)
                corner[name] = ends[draw.integers(len(ends))]
            build(settle(plan, corner), fold, 0, MACHINE.device)


@pytest.mark.parametrize(
    ("model", "setting", "kinds"),
    [
        ("scpnet", "label_encoder.cooccurrence", ["multilabel"]),
        ("scpnet", "objective.splc.tau", ["multilabel"]),
        ("scpnet", "objective.splc.margin", ["multilabel"]),
        ("scpnet", "objective.splc.gamma", ["multilabel"]),
        ("mcl-ner-self-training", "objective.self-training.margin", ["class", "multilabel"]),
        ("mcl-ner-self-training", "objective.self-training.spread", ["score"]),
        ("merclip", "objective.task.soft_weight", ["score"]),
    ],
)
def test_a_setting_is_searched_for_the_tasks_in_which_it_has_an_effect(ask, model, setting, kinds):
    searched = [
        kind
        for kind in ("score", "class", "multilabel")
        if setting in space_of(ask(model, kind, settings={})[1], set()).ranges
    ]
    assert searched == kinds


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("emt-dlfr", {"lstm_text", "vector_text"}),
        ("self-mm", {"lstm_text", "width_text"}),
        ("mmim", {"lstm_text", "width_text"}),
    ],
)
def test_widths_of_the_lstm_of_text_are_searched_where_it_reads_the_text(ask, model, fields):
    names = {f"fusion.{field}" for field in fields}
    for reading, expected in (("lstm", names), ("first", set())):
        plan = ask(model, settings={"fusion.text": reading})[1]
        assert space_of(plan, set()).ranges.keys() & names == expected
    plan = ask(model, modalities=("audio", "video"), settings={})[1]
    assert not space_of(plan, set()).ranges.keys() & names


def test_settling_is_resolving_with_the_settings_on_top(ask, catalog):
    request, plan = ask("merclip", settings={})
    settings = {
        "fusion.width": 32,
        "encoder.audio.heads": 2,
        "train.lr": 3e-4,
        "objective.task.soft_weight": 0.5,
    }
    again = resolve(
        dataclasses.replace(request, settings=settings), catalog, in_folds(tiny.corpus()), None
    )
    assert settle(plan, settings).spec == again.spec
    with pytest.raises(RequestError, match=r"train.lr=-1"):
        settle(plan, {"train.lr": -1.0})


def test_ranges_become_distributions_that_hold_the_default(ask):
    space = space_of(ask("lmf", settings={})[1], set())
    assert space.ranges["fusion.rank"] == IntDistribution(1, 16, log=True)
    assert space.ranges["train.lr"] == FloatDistribution(1e-5, 1e-2, log=True)
    assert space.ranges["train.batch_size"] == CategoricalDistribution((16, 32, 64, 128))
    far = space_of(
        ask("lmf", settings={"train.lr": 0.5, "train.batch_size": 7, "fusion.rank": 40})[1], set()
    )
    assert (
        far.ranges["train.lr"].high == 0.5
        and 7 in far.ranges["train.batch_size"].choices
        and far.ranges["fusion.rank"].high == 40
    )


def test_what_the_user_or_an_ablation_sets_is_not_searched(ask):
    request, plan = ask("lmf", settings={"train.lr": 1e-3}, ablations=("rank-1",))
    free = set(space_of(plan, fixed_by(plan, request)).ranges)
    assert {"train.lr", "fusion.rank"} & free == set() and "fusion.width" in free
    request, plan = ask("merclip", settings={"encoder.width": 32})
    free = space_of(plan, fixed_by(plan, request)).ranges
    assert (
        "encoder.audio.width" not in free
        and "encoder.video.width" not in free
        and "encoder.audio.heads" in free
    )


def test_a_setting_of_training_that_every_stage_fixes_is_not_searched(ask):
    stages = {"stage.pretrain.lr": 1e-3, "stage.probe.lr": 1e-2}
    request, plan = ask("mpuc", settings=stages)
    assert "train.lr" not in space_of(plan, fixed_by(plan, request)).ranges
    del stages["stage.probe.lr"]
    request, plan = ask("mpuc", settings=stages)
    assert "train.lr" in space_of(plan, fixed_by(plan, request)).ranges


def test_a_recipe_speaks_before_its_parts_and_a_missing_modality_is_not_searched(ask):
    free = space_of(ask("merclip", settings={})[1], set()).ranges
    assert "objective.task.soft_weight" in free and "head.prediction" not in free
    assert (
        "objective.task.soft_weight" not in space_of(ask("text-only", settings={})[1], set()).ranges
    )
    pair = space_of(ask("mult", settings={}, modalities=("text", "audio"))[1], set()).ranges
    assert "fusion.kernel_audio" in pair and not [name for name in pair if "video" in name]


ALSO_BETWEEN_OTHERS = {(model, "attn_dropout_text") for model in ("dlf", "dmd", "mult", "tetfn")}
"""Of the attention inside every modality too, as the fields say."""


@pytest.mark.parametrize("missing", ["text", "audio", "video"])
def test_no_setting_of_a_modality_that_is_not_there_is_searched(ask, catalog, missing):
    modalities, in_vain, n_searched = {"text", "audio", "video"} - {missing}, set(), 0
    for model in catalog.names("recipe"):
        try:
            plan = ask(model, settings={}, modalities=tuple(sorted(modalities)))[1]
        except RequestError:  # it needs what is missing
            continue
        n_searched += 1
        keys = space_of(plan, set()).ranges
        in_vain |= {
            (model, key.rpartition(".")[2])
            for key in keys
            if missing in re.split(r"[._]", key) and not key.startswith("label_encoder.")
        }
    assert n_searched > 5 and not in_vain - ALSO_BETWEEN_OTHERS


def test_built_in_search_ranges_name_fields_that_exist(catalog):
    for name in TUNED:
        recipe: Recipe = catalog.recipe(name)
        for key, mark in recipe.search.items():
            slot, _, field = key.rpartition(".")
            kind, part = (
                (slot.partition(".")[0], slot.partition(".")[2])
                if slot not in SINGLE
                else (slot, getattr(recipe, slot))
            )
            config = catalog.load(catalog.component(kind.replace("_", "-"), part)).Config
            assert field in config.model_fields and (mark is None or isinstance(mark, Tune))


def test_a_default_that_its_log_range_cannot_hold_is_one_sentence(ask):
    _, plan = ask("tfn", "score", settings={})
    undecayed = dataclasses.replace(plan, train=plan.train.model_copy(update={"weight_decay": 0.0}))
    with pytest.raises(RequestError, match=r"weight_decay=0 has no place .* by --set train.weight"):
        space_of(undecayed, set())
    assert "train.lr" in space_of(undecayed, {"train.weight_decay"}).ranges

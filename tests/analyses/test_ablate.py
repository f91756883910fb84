"""Which variants are compared, and which are the full model under another name."""

from __future__ import annotations

import dataclasses
from itertools import chain, combinations

import numpy as np
import pytest

from merbench.analyses.ablate import FULL, ablated_requests, lines, plans_of, subsets
from merbench.api import LabelSpace, RequestError
from merbench.bench.python_session import open_bench
from merbench.engine.plan.plan import Request
from merbench.engine.plan.settings import overrides
from merbench.engine.resolve import resolve
from merbench.report.scores.rows.pooled_seeds import Scored
from merbench.results.metrics import BUILT_IN
from merbench.results.records.predictions import Predictions
from merbench.testing import tiny
from tests.tiny_runs import SAMPLE

ALL = ("text", "audio", "video")


def test_subsets_are_every_proper_one_once():
    powerset = set(chain.from_iterable(combinations(ALL, n) for n in (1, 2)))
    assert set(subsets(ALL)) == powerset and len(subsets(ALL)) == 6
    assert subsets(("text",)) == []


def test_all_subsets_of_a_model_that_needs_two_modalities_lists_the_single_ones_with_the_reason(
    catalog,
):
    corpus = tiny.corpus()

    def plan(request):
        return resolve(request, catalog, corpus, None)

    recipe = catalog.recipe("tfn")
    requests = ablated_requests(
        recipe, [a.name for a in recipe.ablations], ALL, Request("tfn"), all_subsets=True
    )
    assert set(requests) == {
        "no-full-product",
        "no-products",
        *("+".join(s) for s in subsets(ALL)),
    }, "declared pairs are not run twice"
    plans, reasons = plans_of(requests, plan(Request("tfn")), plan)
    assert set(reasons) == {"text", "audio", "video"} and "at least 2 modalities" in reasons["text"]
    assert {"no-products", "text+audio", "text+video", "audio+video"} <= set(plans)
    assert list(plans["text+video"].streams) == ["text", "video"]


def test_a_variant_that_changes_nothing_is_told(catalog):
    corpus = tiny.corpus()
    request = Request("merclip", modalities=("text",))
    full = resolve(request, catalog, corpus, None)
    plans, reasons = plans_of(
        {"one": dataclasses.replace(request, ablations=("modalities-text",))},
        full,
        lambda r: resolve(r, catalog, corpus, None),
    )
    assert not plans and "changes nothing" in reasons["one"]


def test_two_ablations_that_are_one_model_are_trained_once(catalog):
    corpus = tiny.corpus()

    def plan(request):
        return resolve(request, catalog, corpus, None)

    request = Request("late-fusion-dnn", modalities=("text", "audio"))
    names = ["only-text", "text-video", "only-audio"]
    requests = {n: dataclasses.replace(request, ablations=(n,)) for n in names}
    plans, reasons = plans_of(requests, plan(request), plan)
    assert list(plans) == ["only-text", "only-audio"]
    assert "is only-text under another name" in reasons["text-video"]


def test_what_is_the_full_model_under_another_name_is_no_contender(tmp_path):
    """``--ablation all`` of generalise and robust says so; one that is named is refused."""
    notes = []
    keywords = {"modalities": ["text", "audio"], "store": tmp_path, "watch": notes.append}
    bench, _ = open_bench("robust", "late-fusion-dnn", SAMPLE, {**keywords, "progress": False})
    plans = bench.contenders(["all"])
    same = "on these streams it is the full model"
    assert "late-fusion-dnn only-text" in plans and "late-fusion-dnn text-audio" not in plans
    assert any("text-audio is left out" in n.sentence and same in n.sentence for n in notes)
    with pytest.raises(RequestError, match=f"text-audio of late-fusion-dnn: .*{same}"):
        bench.contenders(["text-audio"])


def test_a_setting_of_the_full_model_does_not_undo_an_ablation(catalog):
    recipe = catalog.recipe("merclip")
    stays = {"train.lr": 0.5, "encoder.audio.width": 48}
    request = Request("merclip", settings={"head": "label-guided", "head.scale_rate": 3.0, **stays})
    names = ["no-label-encoder", "label-table"]
    requests = ablated_requests(recipe, names, ALL, request, all_subsets=False)
    assert requests["no-label-encoder"].settings == stays, "the ablation brings a head of its own"
    assert requests["label-table"].settings == request.settings


@pytest.mark.parametrize(
    ("ablated", "key", "overridden"),
    [
        ("encoder.width", "encoder.text.width", True),
        ("encoder", "encoder.text.width", True),
        ("encoder.text", "encoder.text.width", True),
        ("encoder.width", "encoder.text.depth", False),
        ("encoder.text.width", "encoder.audio.width", False),
        ("encoder.text.width", "encoder.width", False),
        ("train.lr", "train.epochs", False),
    ],
)
def test_what_an_ablation_says_of_every_encoder_it_says_of_each(ablated, key, overridden):
    assert overrides({ablated: "x"}, key) == overridden


def test_settings_of_what_is_left_out_are_not_passed_on(catalog):
    stays = {"objective.relation-contrast.weight": 0.5}
    request = Request("mcl-ner", settings={"objective.multiview-contrast.weight": 0.1, **stays})
    recipe = catalog.recipe("mcl-ner")
    requests = ablated_requests(recipe, ["no-semantic-view"], ALL, request, all_subsets=False)
    assert requests["no-semantic-view"].settings == stays
    request = Request("merclip", settings={"encoder.audio": "features", "encoder.text.width": 8})
    requests = ablated_requests(catalog.recipe("merclip"), [], ALL, request, all_subsets=True)
    assert requests["text+video"].settings == {"encoder.text.width": 8}
    assert requests["text+audio"].settings == request.settings


METRICS = BUILT_IN.of(LabelSpace("score", ("low", "high"), ("low", "high"), (-3.0, 3.0)))


def scored(*predictions):
    return {
        seed: Scored(
            Predictions(["a"], ["v"], np.zeros(1), np.array([p])), {"mae": abs(p)}, METRICS
        )
        for seed, p in enumerate(predictions)
    }


def test_equal_predictions_are_one_model_and_no_comparison():
    compared = lines(
        {
            FULL: scored(0.1, 0.2),
            "twin": scored(0.1, 0.2),
            "other": scored(0.1, 0.3),
            "again": scored(0.1, 0.3),
        },
        {"no": "why"},
    )
    assert [(line.name, line.against, bool(line.scored)) for line in compared] == [
        (FULL, "", True),
        ("other", FULL, True),
        ("twin", "", False),
        ("again", "", False),
        ("no", "", False),
    ]
    assert FULL in compared[2].reason and "other" in compared[3].reason

"""Each weight of a loss is a factor on the terms that it is named for, and on no other."""

from __future__ import annotations

import functools

import pytest
import torch

from merbench.api import Progress
from merbench.engine.plan.stages import settings_of
from merbench.engine.training.passes import Learning, Passes
from merbench.testing.recipes.trained import built, resolved

EVERY = "every term"
WEIGHTS = [
    ("carat", "carat", "attended first second rebuilt slots shuffled contrast"),
    ("cmpc-tgfe", "stream-supervision", EVERY),
    ("cmpc-tgfe", "word-types", EVERY),
    ("confede", "decomposition-contrast", EVERY),
    ("confede", "unimodal-scores", EVERY),
    ("confede", "squared-error", EVERY),
    ("dlf", "dlf", "reconstruction specific orthogonality triplet branches=branch"),
    ("dmd", "dmd", "reconstruction specific orthogonality triplet branches=branch"),
    ("dmd", "dmd", "homogeneous heterogeneous"),
    ("emoe", "routed-experts", "branches balance ability"),
    ("emt-dlfr", "dual-level-restoration", "attraction=attraction,complete reconstruction"),
    ("glomo", "expert-balance", EVERY),
    ("kuda", "modality-correlation", EVERY),
    ("lnln", "correction", "completeness adversarial reconstruction"),
    ("lsgmer", "consistency", EVERY),
    ("lsgmer", "task", "soft_weight=soft_ce"),
    ("mcl-ner", "multiview-contrast", EVERY),
    ("mcl-ner", "relation-contrast", "types agree contrast"),
    ("mctn", "cyclic-translation", "forward back second"),
    ("mfm", "mfm", "prior text+audio+video=generation"),
    ("misa", "misa", "similarity difference reconstruction"),
    ("mmim", "mutual-information", "beta=bound alpha=contrast"),
    ("mpuc", "modality-contrast", EVERY),
    ("scpnet", "splc", EVERY),
    ("scpnet", "prior-ssl", "consistency distillation"),
    ("self-mm", "unimodal-labels", EVERY),
    ("tailor", "refine", "orthogonal common_labels"),
    ("tailor", "refine", "adversary=adversary_private,adversary_shared"),
    ("tfr-net", "reconstruction", "text+audio+video=reconstruction"),
]
"""Recipe, objective, and its fields; a field is named as its term unless ``FIELD=TERM,TERM``."""
CASES = [
    (recipe, objective, *(field if "=" in field else f"{field}={field}").split("="))
    for recipe, objective, fields in WEIGHTS
    for field in (["weight="] if fields is EVERY else fields.split())
]


def first_losses(catalog, recipe, **settings):
    """Every term of every objective on the first rows, in the middle of each stage."""
    plan = resolved(catalog, catalog.recipe(recipe), **settings)
    problem, _ = built(plan)
    problem.model.eval()
    learning = Learning(problem.model, problem.objectives, problem.train, 0, None, problem.views)
    losses = {}
    for stage in plan.stages:
        passes = Passes(learning, settings_of(stage, plan.train), stage, 5)
        torch.manual_seed(0)
        with learning.teaching():
            _, _, terms = passes.losses(torch.arange(8), Progress(3, 5, 0, 2, stage.name))
        losses |= {name: term.item() for name, term in terms.items()}
    return plan, losses


@pytest.fixture(scope="module")
def as_published(catalog):
    return functools.cache(lambda recipe: first_losses(catalog, recipe))


@pytest.mark.parametrize(("recipe", "objective", "fields", "terms"), CASES)
def test_a_weight_is_a_factor_on_its_own_terms_alone(
    catalog, as_published, recipe, objective, fields, terms
):
    plan, before = as_published(recipe)
    config = plan.parts[f"objective.{objective}"].config
    settings = {
        f"objective.{objective}.{field}": 3 * getattr(config, field) for field in fields.split("+")
    }
    _, after = first_losses(catalog, recipe, **settings)
    mine = [name for name in before if name.startswith(f"{objective}.")]
    if terms:
        mine = [f"{objective}.{term}" for term in terms.split(",")]
    assert mine and all(before[name] for name in mine)
    for name, value in before.items():
        factor = 3 if name in mine else 1
        assert after[name] == pytest.approx(factor * value, rel=1e-4), name

"""The plugins that the documentation shows are plugins: their code is taken from the pages and run."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from inspect import getdoc
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Annotated

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

import merbench.api
from merbench.api import Component, MetricDef, RequestError, Stage, read_out
from merbench.api.declarations.hookspecs import Hooks
from merbench.engine.plan.datasets import open_dataset
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.training.evaluate import predict
from merbench.host.catalog import Catalog
from merbench.host.declarations import checked
from merbench.host.discovery import Plugin
from merbench.testing import tiny
from merbench.testing.checks import check_plugin
from merbench.testing.recipes.trained import trained

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str = "python") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)


def with_plugin(catalog, declarations):
    return Catalog([*catalog.plugins, Plugin("docs", "docs-dist", "1", tuple(declarations))])


def fitted(catalog, model, kind="score", **settings):
    settings = {"train.epochs": 2, "train.batch_size": 4, **settings}
    plan = resolve(Request(model, settings=settings), catalog, tiny.corpus(kind), None)
    return trained(plan)


@pytest.mark.parametrize("page", ["your-method", "more-than-parts", "inside-a-language-model"])
def test_nothing_that_the_api_offers_takes_more_than_a_page(page):
    sections = re.split("^## ", (DOCS / f"{page}.md").read_text(), flags=re.MULTILINE)
    assert max(len(section.splitlines()) for section in sections) <= 60


def test_the_plugin_of_your_method_runs(catalog, tmp_path, monkeypatch):
    package = tmp_path / "myfusion"
    package.mkdir()
    (package / "__init__.py").touch()
    # pip installs nothing that has no name and version.
    project = tomllib.loads(blocks("your-method.md", "toml")[0])["project"]
    assert project["name"] == "myfusion" and project["version"]
    for block in blocks("your-method.md"):
        if name := re.match(r"# myfusion/(\w+\.py)\n", block):
            (package / name[1]).write_text(block)
    monkeypatch.syspath_prepend(str(tmp_path))
    hooks = importlib.import_module("myfusion.hooks")
    (shown,) = re.findall(r"`(Component\(.*?\))`", (DOCS / "your-method.md").read_text())
    encoder = eval(shown, {"Component": Component})
    try:
        plugin = with_plugin(catalog, [*hooks.merbench_components(), encoder])
        assert {v.status for v in check_plugin(plugin, "gru")} == {"passed"}
        problem, fold = fitted(plugin, "mean", **{"encoder.audio": "gru"})
        assert np.isfinite(predict(problem.model, problem.valid, fold.space)).all()
        names = {name: getattr(merbench.api, name) for name in ("Component", "Recipe", "Stage")}
        for block in blocks("your-method.md"):
            if block.startswith(("MODEL", "WHOLE")):
                exec(block, names)
        of_both = with_plugin(plugin, names["WHOLE"])
        for name in ("whole", "agreement"):
            assert "failed" not in {v.status for v in check_plugin(of_both, name)}
    finally:
        for name in [name for name in sys.modules if name.startswith("myfusion")]:
            del sys.modules[name]


def test_the_data_sets_of_your_data_load(catalog, tmp_path, monkeypatch):
    module = ModuleType("docs_data")
    monkeypatch.setitem(sys.modules, "docs_data", module)
    monkeypatch.setenv("MERBENCH_DATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for block in blocks("your-data.md"):
        exec(block, vars(module))
    named = {"loud": "Loud", "short": "Short"}
    made = with_plugin(
        catalog,
        [
            Component(kind="dataset", name=name, summary="", target=f"docs_data:{factory}")
            for name, factory in named.items()
        ],
    )
    assert [v.status for v in check_plugin(made, "loud")] == ["passed"]
    (absent,) = check_plugin(made, "short")
    assert absent.status == "skipped" and "is not on this machine" in absent.reason
    short = open_dataset(made, "short:of=sample,words=5", [])
    (split,) = short.protocols["standard"].splits
    assert (
        0
        < len(split.train)
        < len(open_dataset(made, "sample", []).protocols["standard"].splits[0].train)
    )
    assert max(len(text.split()) for text in short.texts[split.train]) <= 5


def test_the_page_of_the_api_has_every_module_that_plugins_import():
    shown = re.findall(r"^::: merbench\.api\.(\S+)$", (DOCS / "python-api.md").read_text(), re.M)
    assert {name for name in merbench.api._HOME if name not in shown} == set()


def code_of(text: str) -> list[str]:
    """Its lines from the hooks' file on, without indentation."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[lines.index("# myfusion/hooks.py") :]


def test_the_hooks_docstring_shows_the_same_plugin():
    page = "\n".join(blocks("your-method.md")[:2])
    assert code_of(getdoc(Hooks.merbench_components)) == code_of(page)


def test_the_metric_of_the_page_is_one():
    (block,) = (block for block in blocks("your-method.md") if "MetricDef(" in block)
    names = {"MetricDef": MetricDef}
    exec(dedent(block), names)
    metric = checked(names["HALF"])
    assert metric.value(np.array([0.0, 1.0, 2.0]), np.array([0.4, 1.5, 2.6])) == pytest.approx(
        2 / 3
    )


def test_the_stages_of_the_page_are_stages():
    text = " ".join((DOCS / "more-than-parts.md").read_text().split())
    (shown,) = re.findall(r"`stages=(\(Stage\(.*?\)\))`", text)
    pretrain, probe = eval(shown, {"Stage": Stage})
    assert (pretrain.name, pretrain.selects, probe.trains) == ("pretrain", False, ("head.",))


@pytest.fixture(scope="module")
def methods(catalog):
    """The catalogue with the three methods of the page."""
    module = ModuleType("docs_methods")
    sys.modules["docs_methods"] = module
    names = {name: getattr(merbench.api, name) for name in merbench.api.__all__}
    vars(module).update(names, torch=torch, Annotated=Annotated, mse_loss=mse_loss)
    for block in blocks("more-than-parts.md"):
        exec(block, vars(module))
    yield with_plugin(catalog, module.DECLARATIONS)
    del sys.modules["docs_methods"]


def test_state_by_row_is_the_running_mean_of_a_rows_predictions(methods):
    problem, _ = fitted(methods, "temporal-ensembling", **{"train.accumulate": 2})
    objective = problem.objectives["temporal-ensemble"]
    assert objective.times_N.tolist() == [2] * len(problem.train)
    batch = problem.train.batch(torch.arange(4))
    out = problem.model.eval()(batch)
    (term,) = objective(problem.model, batch, out, None).values()
    mean_BC = objective.mean_NC[:4] / (1 - 0.6**2)
    expected = (read_out(out.logits_BC, tiny.SPACES["score"])[:, None] - mean_BC).square().mean()
    assert torch.allclose(term, expected) and expected > 0


def test_a_student_learns_from_its_teacher_and_views(methods):
    taught, fold = fitted(methods, "partial-student")
    alone, _ = fitted(methods, "partial-student", objective="task")
    a, b = (predict(p.model, p.valid, fold.space) for p in (taught, alone))
    assert not np.allclose(a, b)


def test_a_threshold_of_its_own_is_for_labels_alone(methods):
    with pytest.raises(RequestError, match="adaptive-threshold is for a multilabel task"):
        fitted(methods, "atlop")
    problem, fold = fitted(methods, "atlop", kind="multilabel")
    p_NC = predict(problem.model, problem.valid, fold.space)
    assert p_NC.shape == (len(problem.valid), 6) and ((p_NC > 0) & (p_NC < 1)).all()
    head, batch = problem.model.head, problem.train.batch(torch.arange(3))
    out = problem.model(batch)
    expected = torch.zeros(2)
    for logits, target in zip(out.logits_BC, batch.target, strict=True):
        with_threshold = [*logits[:-1][target > 0.5], logits[-1]]
        for logit in with_threshold[:-1]:
            expected[0] += torch.stack(with_threshold).logsumexp(0) - logit
        below = [*logits[:-1][target <= 0.5], logits[-1]]
        expected[1] += torch.stack(below).logsumexp(0) - logits[-1]
    loss = head.loss(out, batch)
    assert torch.allclose(torch.stack([loss["present"], loss["absent"]]), expected / 3, atol=1e-5)

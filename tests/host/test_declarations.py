"""What a plugin may declare, and what breaks it alone."""

from __future__ import annotations

import dataclasses
import re
import sys
import time
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from merbench.api import (
    Ablation,
    Command,
    Component,
    MerbenchError,
    MetricDef,
    Recipe,
    RequestError,
    Stage,
    View,
)
from merbench.host.catalog import Catalog
from merbench.host.declarations import DeclarationError, checked
from merbench.host.discovery import OWN_DISTRIBUTIONS, Plugin, discover


def test_disabled_plugins_are_left_out():
    names = {
        p.name
        for p in discover(
            disabled=["merclip"], environ={"MERBENCH_DISABLED_PLUGINS": "baselines, encoders"}
        )
    }
    assert "datasets" in names
    assert not names & {"merclip", "baselines", "encoders"}


def fusion(name: str) -> Component:
    return Component(kind="fusion", name=name, target="nowhere.at.all:Thing", summary="")


def test_unknown_names_suggest_the_nearest():
    catalog = Catalog([Plugin("p", "dist", "1", (fusion("tensor"), fusion("low-rank")))])
    with pytest.raises(RequestError, match="did you mean 'tensor'"):
        catalog.component("fusion", "tensr")
    with pytest.raises(RequestError, match="there are: low-rank, tensor"):
        catalog.component("fusion", "zzzzzz")


OWN_METRIC = MetricDef(
    name="rmse",
    kinds=("score",),
    title="RMSE",
    summary="",
    value=lambda y, p: 0.0,
    higher_is_better=False,
)


def test_a_metric_that_two_plugins_bring_is_used_by_neither_and_reported():
    plugins = [Plugin(name, f"dist-{name}", "1", (OWN_METRIC,)) for name in ("a", "b")]
    assert not any(metric.name == "rmse" for metric in Catalog(plugins).metrics.metrics)
    (warning,) = Catalog(plugins).warnings
    assert "'rmse'" in warning and "dist-a 1" in warning and "dist-b 1" in warning
    assert not Catalog(plugins[:1]).warnings


def test_what_a_plugin_yields_twice_breaks_it(monkeypatch):
    install_here(monkeypatch, lambda: [OWN_METRIC, OWN_METRIC])
    (plugin,) = discover()
    assert plugin.error is not None and "metric 'rmse' is yielded 2 times" in plugin.error


def test_a_plugin_whose_declarations_import_torch_is_reported(monkeypatch):
    def declarations():
        sys.modules.setdefault("torch", ModuleType("torch"))
        return [OWN_METRIC]

    install_here(monkeypatch, declarations)
    assert not Catalog(discover()).warnings  # here torch was imported before
    monkeypatch.delitem(sys.modules, "torch")
    (warning,) = Catalog(discover()).warnings
    assert "imports torch where it declares its parts" in warning


def test_what_cannot_be_imported_names_its_distribution():
    catalog = Catalog([Plugin("p", "dist", "1", (fusion("tensor"),))])
    with pytest.raises(
        RequestError,
        match=r"dist 1 cannot be loaded from 'nowhere.at.all:Thing' .*No module named 'nowhere'$",
    ):
        catalog.load(catalog.component("fusion", "tensor"))


@pytest.mark.parametrize("ending", ["raise SystemExit(3)", "raise GeneratorExit", "1 / 0"])
def test_an_implementation_that_ends_the_program_is_one_sentence(monkeypatch, tmp_path, ending):
    (tmp_path / "odd_parts.py").write_text(f"print('hello')\n{ending}\n")
    monkeypatch.syspath_prepend(tmp_path)
    odd = Component(kind="fusion", name="odd", target="odd_parts:Thing", summary="")
    catalog = Catalog([Plugin("p", "dist", "1", (odd,))])
    with pytest.raises(RequestError, match="dist 1 cannot be loaded from 'odd_parts:Thing'"):
        catalog.load(odd)


def test_what_an_implementation_prints_when_it_is_imported_goes_to_stderr(
    monkeypatch, tmp_path, capsys
):
    (tmp_path / "loud_parts.py").write_text("print('hello')\nThing = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    loud = Component(kind="fusion", name="loud", target="loud_parts:Thing", summary="")
    assert Catalog([Plugin("p", "dist", "1", (loud,))]).load(loud) == 1
    assert capsys.readouterr() == ("", "hello\n")


def _exits():
    raise SystemExit(0)


def _hangs():
    while True:
        pass


@pytest.mark.parametrize(
    ("declare", "seconds", "sentence"),
    [(_exits, 300, "SystemExit"), (_hangs, 0.2, r"its hooks were not over after 0\.2 s")],
)
def test_hooks_that_exit_or_hang_break_their_plugin_alone(monkeypatch, declare, seconds, sentence):
    from merbench.host import discovery

    monkeypatch.setattr(discovery, "SECONDS", seconds)
    install_here(monkeypatch, declare)
    (plugin,) = discover()
    assert re.search(sentence, plugin.error or "") and not plugin.declarations


def test_plugins_of_merbench_may_be_slow(monkeypatch):
    from merbench.host import discovery

    def declare():
        time.sleep(0.2)
        return []

    monkeypatch.setattr(discovery, "SECONDS", 0.05)
    install_here(monkeypatch, declare, distribution="merbench-merclip")
    assert [plugin.error for plugin in discover()] == [None]
    install_here(monkeypatch, declare)
    assert ["not over after 0.05 s" in (plugin.error or "") for plugin in discover()] == [True]


def test_plugins_of_merbench_are_those_of_its_repository():
    projects = Path(__file__).parents[2].glob("plugins/*/pyproject.toml")
    names = {tomllib.loads(project.read_text())["project"]["name"] for project in projects}
    assert names == {*OWN_DISTRIBUTIONS}


@pytest.mark.parametrize("fault", [SystemExit, ValueError, KeyError])
def test_an_error_whose_message_cannot_be_read_is_one_sentence(monkeypatch, fault):
    class Odd(Exception):
        def __str__(self):
            raise fault

    def declare():
        raise Odd

    install_here(monkeypatch, declare)
    (plugin,) = discover()
    assert plugin.error and f"its message cannot be read ({fault.__name__})" in plugin.error


def test_what_hooks_print_is_kept_from_stdout(monkeypatch, capsys):
    install_here(monkeypatch, lambda: print("hello") or [])
    (plugin,) = discover()
    assert plugin.output == "hello" and not plugin.error
    assert capsys.readouterr() == ("", "")


def install_here(monkeypatch, declare, commands=False, distribution="odd-dist"):
    """A plugin whose hook is ``declare``, as if it were installed."""
    from types import ModuleType, SimpleNamespace

    from merbench.api import hookimpl
    from merbench.host import discovery

    module = ModuleType("odd")
    hook = "merbench_commands" if commands else "merbench_components"
    setattr(module, hook, hookimpl(declare))
    dist = SimpleNamespace(name=distribution, version="0")
    entry = SimpleNamespace(
        name="odd", value="odd", dist=dist, load=lambda: module, module="odd", group="merbench"
    )
    monkeypatch.setattr(discovery, "entry_points", lambda group: [entry])


def test_strict_discovery_raises_for_a_plugin_that_yields_nonsense(monkeypatch):
    install_here(monkeypatch, lambda: ["not a declaration"])
    (plugin,) = discover()
    assert plugin.error is not None and "yielded a str" in plugin.error
    with pytest.raises(MerbenchError, match="odd-dist"):
        discover(environ={"MERBENCH_STRICT_PLUGINS": "1"})


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"kind": "fussion"}, "'it' is of the unknown kind 'fussion'; there are encoder, "),
        ({"name": 3}, "named 3; a name is a string to type"),
        ({"accepts": "features"}, r"'it' has accepts='features'; write a tuple, \('features',\)"),
        ({}, "'it' has no accepts, so that nothing fits it; name one or more of strings, words"),
        ({"accepts": ("feature",)}, "'it' has the unknown accepts 'feature'; choose of strings, "),
        ({"kind": "fusion", "returns": "label"}, "'it' has the unknown returns 'label'"),
        ({"kind": "fusion", "spaces": ("labels",)}, "the unknown spaces 'labels'; choose of score"),
        ({"accept": ("features",)}, r"'it' has no field 'accept'; did you mean 'accepts'\? \(test_declarations.py, line \d+\)"),
        ({"uses": ("vectors",)}, "no field 'uses'; did you mean 'pretrained'"),
    ],
)  # fmt: skip
def test_a_declaration_that_would_be_misread_breaks_its_plugin_alone(
    monkeypatch, declared, sentence
):
    given = {"kind": "encoder", "name": "it", "summary": "", **declared}
    install_here(monkeypatch, lambda: (Component(**given) for _ in "1"))
    (plugin,) = discover()
    assert re.search(sentence, plugin.error or "") and not plugin.declarations
    assert Catalog([plugin]).names("encoder") == []


ABLATION = Ablation(name="x", summary="")
RIGHT = {
    Component: {"kind": "fusion", "name": "it", "summary": "", "target": "a.b:C"},
    Recipe: {"name": "it", "summary": "", "encoders": {"text": "bag-of-words"}},
    MetricDef: {
        "name": "it",
        "kinds": ("score",),
        "title": "",
        "summary": "",
        "value": max,
        "higher_is_better": True,
    },
    Command: {"name": "it", "summary": "", "target": "a.b:c"},
}


@pytest.mark.parametrize(
    ("declared", "field"),
    [(kind, field.name) for kind in RIGHT for field in dataclasses.fields(kind)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_each_field_of_a_declaration_is_of_its_type_or_breaks_its_plugin_alone(
    monkeypatch, declared, field
):
    """An object is of no field's type."""
    install_here(monkeypatch, lambda: [declared(**RIGHT[declared])], commands=declared is Command)
    (plugin,) = discover()
    assert plugin.error is None
    for wrong in (object(), {3: object()}):
        values = {**RIGHT[declared], field: wrong}
        install_here(monkeypatch, lambda v=values: [declared(**v)], commands=declared is Command)
        (plugin,) = discover()
        assert plugin.error and not plugin.declarations + plugin.commands


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"summary": 3}, "'it' has summary=3, which is not of the type str"),
        ({"encoders": ["text"]}, r"'it' has encoders=\['text'\], which is not of the type Mapping"),
        ({"floor": "no"}, "'it' has floor='no', which is not of the type bool"),
        ({"min_modalities": True}, "'it' has min_modalities=True, which is not of the type int"),
        ({"stages": (Stage(epochs="3"),)}, "Stage 'main' of 'it' has epochs='3', which is not of"),
        ({"name": "\x1b[2J"}, r"named '\\x1b\[2J'; a name is a string to type"),
    ],
)
def test_a_field_of_another_type_is_named_with_what_it_should_be(monkeypatch, declared, sentence):
    install_here(monkeypatch, lambda: [Recipe(**{**RIGHT[Recipe], **declared})])
    (plugin,) = discover()
    assert re.search(sentence, plugin.error or "")


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"objective": "task"}, r"'it' has objective='task'; write a tuple, \('task',\)"),
        ({"stages": (Stage(name="a", trains="head."),)}, "Stage 'a' of 'it' has trains='head.'"),
        ({"views": (View("weak", "noise"),)}, "View 'weak' of 'it' has transforms='noise'"),
        ({"stages": Stage(name="a")}, r"stages=Stage\(...\); write a tuple, \(Stage\(...\),\)"),
    ],
)
def test_a_tuple_that_is_none_breaks_its_plugin_alone(monkeypatch, declared, sentence):
    recipe = Recipe(name="it", summary="", encoders={}, **declared)
    install_here(monkeypatch, lambda: [recipe])
    (plugin,) = discover()
    assert re.search(sentence, plugin.error or "") and not plugin.declarations


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"stages": (Stage(), Stage(epochs=2))}, "recipe 'it' has two stages named 'main'; rename"),
        ({"views": (View("a"), View("a"))}, "recipe 'it' has two views named 'a'"),
        ({"ablations": (ABLATION, ABLATION)}, "recipe 'it' has two ablations named 'x'"),
        (
            {"ablations": (dataclasses.replace(ABLATION, stages=(Stage(), Stage())),)},
            "ablation 'x' of recipe 'it' has two stages named 'main'",
        ),
    ],
)
def test_what_a_recipe_names_twice_breaks_its_plugin_alone(monkeypatch, declared, sentence):
    install_here(monkeypatch, lambda: [Recipe(**{**RIGHT[Recipe], **declared})])
    (plugin,) = discover()
    assert sentence in (plugin.error or "")


def test_a_hook_that_asks_for_arguments_is_told_what_is_wrong_with_it(monkeypatch):
    install_here(monkeypatch, lambda catalog: [])
    (plugin,) = discover()
    assert plugin.error and "{'catalog'}" in plugin.error and "without arguments" in plugin.error


def test_a_recipe_and_a_component_may_share_a_name():
    catalog = Catalog(
        [Plugin("p", "dist", "1", (fusion("tfn"), Recipe(name="tfn", summary="", encoders={})))]
    )
    assert isinstance(catalog.recipe("tfn"), Recipe)
    assert isinstance(catalog.component("fusion", "tfn"), Component)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"name": "mae"}, "one of merbench's own"),
        ({"name": "a b"}, "make a name"),
        ({"name": "loss"}, "named 'loss', as is a field of a run's history"),
        ({"kinds": ("joint",)}, "choose of score"),
        ({"kinds": "score"}, "choose of score"),
        ({"value": 3}, "give a function"),
        ({"api": 99}, "plugin API 99"),
    ],
)
def test_a_metric_that_cannot_be_one_is_refused(changed, sentence):
    fields = {
        "name": "rmse",
        "kinds": ("score",),
        "title": "RMSE",
        "summary": "",
        "value": lambda y, p: 0.0,
        "higher_is_better": False,
    }
    assert checked(MetricDef(**fields))
    with pytest.raises(DeclarationError, match=sentence):
        checked(MetricDef(**fields | changed))

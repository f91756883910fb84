"""Conformance: what every part and every method must do, as named checks with a verdict each.
Plugin authors run these on their own.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from importlib.metadata import entry_points
from typing import Any

from merbench.api import MetricDef, Recipe, RequestError
from merbench.host.catalog import Catalog, unknown
from merbench.host.declarations import kind_of
from merbench.host.discovery import Plugin
from merbench.testing.parts.checks import checks as part_checks
from merbench.testing.parts.metric import makes_a_number
from merbench.testing.recipes.checks import checks as recipe_checks
from merbench.testing.recipes.trained import LastTrained
from merbench.testing.verdict import Check, Verdict


def checks_of(catalog: Catalog, name: str) -> Iterator[Check]:
    """The checks of a plugin by its name, or of every component and model called ``name``.
    RequestError for an unknown name.
    """
    plugins = [p for p in catalog.plugins if p.name == name]
    for plugin in plugins:
        yield from _plugin_checks(catalog, plugin)
    if plugins:
        declared = [d for p in plugins for d in p.declarations]
    else:
        declared = [d for p in catalog.plugins for d in p.declarations if d.name == name]
    if not plugins and not declared:
        names = {p.name for p in catalog.plugins} | {
            d.name for p in catalog.plugins for d in p.declarations
        }
        raise RequestError(
            unknown("plugin", name, sorted(names), "merbench plugins list shows them all")
        )
    last = LastTrained(catalog)
    for declaration in declared:
        if isinstance(declaration, MetricDef):
            check = "makes a number"
            yield Check(f"metric {declaration.name}", check, partial(makes_a_number, declaration))
            continue
        if isinstance(declaration, Recipe):
            subject = f"model {declaration.name}"
            bodies = recipe_checks(catalog, declaration, last)
        else:
            subject = f"{declaration.kind} {declaration.name}"
            bodies = part_checks(catalog, declaration)
        for check, body in bodies.items():
            yield Check(subject, check, body, declaration.known_failures.get(check))
        for check in declaration.known_failures.keys() - bodies.keys():
            yield Check(subject, check, partial(_no_such_check, check, sorted(bodies)))


def check_plugin(catalog: Catalog, name: str) -> Iterator[Verdict]:
    """Run them all."""
    return (check.run() for check in checks_of(catalog, name))


def _no_such_check(name: str, known: list[str]) -> None:
    raise AssertionError(unknown("check", name, known, "declared in known_failures"))


def _plugin_checks(catalog: Catalog, plugin: Plugin) -> Iterator[Check]:
    subject = f"plugin {plugin.name}"
    entries = [
        e
        for e in entry_points(group="merbench")
        if e.name == plugin.name and e.dist and e.dist.name == plugin.distribution
    ]
    for entry in entries:
        yield Check(subject, "loads", partial(_loads, plugin))
        if plugin.error is None:
            yield Check(subject, "no torch at import", partial(_no_torch, entry.value))
            yield Check(subject, "hooks without defaults", partial(_no_defaults, entry.load()))
            yield Check(subject, "names are its own", partial(_own_names, catalog, plugin))


def _loads(plugin: Plugin) -> None:
    assert plugin.error is None, plugin.error
    assert plugin.declarations, (
        "it offers nothing; merbench_components() stands in the entry point's module, "
        "bears @hookimpl and yields"
    )


_READ_HOOKS = """
import sys
from importlib.metadata import EntryPoint
plugin = EntryPoint("", sys.argv[1], "merbench").load()
for hook in ("merbench_components", "merbench_commands"):
    list(getattr(plugin, hook, tuple)())
sys.exit("torch" in sys.modules)
"""


def _no_torch(target: str) -> None:
    """``target``: of the entry point, ``package.hooks``. In a process where nothing is imported."""
    completed = subprocess.run(
        [sys.executable, "-c", _READ_HOOKS, target], capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, (
        f"reading what {target} declares imports torch; import it in the files that hold the parts"
    )


def _no_defaults(module: Any) -> None:
    """pluggy does not pass an argument that has a default."""
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if hasattr(function, "merbench_impl"):
            defaults = [
                p.name
                for p in inspect.signature(function).parameters.values()
                if p.default is not p.empty
            ]
            assert not defaults, (
                f"the hook {name} gives defaults to {', '.join(defaults)}, "
                "which pluggy would never pass"
            )


def _own_names(catalog: Catalog, plugin: Plugin) -> None:
    twins = [p.distribution for p in catalog.plugins if p.name == plugin.name and p is not plugin]
    assert not twins, (
        f"{' and '.join(twins)} has an entry point of this name too, "
        "and --no-plugin leaves both out; choose another name"
    )
    for d in plugin.declarations:
        kind = kind_of(d)
        owners = [p.distribution for p in catalog.providers(kind, d.name)]
        assert owners == [plugin.distribution], (
            f"{kind} {d.name} is declared twice, by {' and by '.join(owners)}; choose another name"
        )

"""The catalogue: name -> declaration, and declaration -> implementation, loaded on first use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from typing import Any

from merbench.api.declarations.command import Command
from merbench.api.declarations.component import Component, ComponentKind
from merbench.api.declarations.metrics import MetricDef
from merbench.api.declarations.recipe import Recipe
from merbench.api.did_you_mean import did_you_mean
from merbench.api.errors import MerbenchError, RequestError
from merbench.api.system_errors import sentence_of
from merbench.host.declarations import Declaration, kind_of
from merbench.host.discovery import Plugin
from merbench.host.guarded_imports import off_stdout
from merbench.results.metrics import BUILT_IN, Registry


def unknown(kind: str, name: str, known: Sequence[str], where: str) -> str:
    """One sentence for a name that is not known, with the nearest ones."""
    return f"unknown {kind} {name!r}; {did_you_mean(name, known, most=3)} ({where})"


@contextmanager
def faults_named(failure: str) -> Iterator[None]:
    """Around a call of what a plugin brings: RequestError, ``{failure}: reason``, for what it
    raises, but for sentences of merbench's own.
    """
    try:
        yield
    except MerbenchError:
        raise
    except Exception as error:
        reason = sentence_of(error) or f"{type(error).__name__}: {error}"
        raise RequestError(f"{failure}: {reason}") from error


class Catalog:
    """What the plugins offer together. Conflicts and broken plugins are reported when something of
    theirs is used, not before.
    """

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self.plugins = tuple(plugins)
        self._offers: dict[tuple[str, str], list[tuple[Plugin, Declaration]]] = {}
        for plugin in self.plugins:
            for declaration in plugin.declarations:
                kind = kind_of(declaration)
                self._offers.setdefault((kind, declaration.name), []).append((plugin, declaration))

    def names(self, kind: str) -> list[str]:
        """Sorted names of a component kind, or of ``"recipe"``."""
        return sorted(name for k, name in self._offers if k == kind)

    def kinds_of(self, name: str) -> list[str]:
        """Of all that has that name."""
        return [kind for kind, other_name in self._offers if other_name == name]

    def component(self, kind: ComponentKind, name: str) -> Component:
        declared = self._only(kind, name)
        assert isinstance(declared, Component)
        return declared

    def recipe(self, name: str) -> Recipe:
        declared = self._only("recipe", name)
        assert isinstance(declared, Recipe)
        return declared

    @cached_property
    def metrics(self) -> Registry:
        """merbench's own metrics and those of plugins, without names that two plugins offer."""
        offers = [self._offers["metric", name] for name in self.names("metric")]
        alone = (providers[0][1] for providers in offers if len(providers) == 1)
        return BUILT_IN.with_plugins(d for d in alone if isinstance(d, MetricDef))

    @property
    def warnings(self) -> list[str]:
        """What a user has to know before anything is asked for: plugins and metrics left out, and
        plugins that slow every command down.
        """
        broken = [
            f"plugin {p.name!r} of {p.distribution} {p.version} is not used: {p.error}"
            for p in self.plugins
            if p.error
        ]
        several = [
            f"metric {name!r} is not used: {_named(self.providers('metric', name))} each bring one"
            for name in self.names("metric")
            if len(self._offers["metric", name]) > 1
        ]
        slow = [
            f"plugin {p.name!r} of {p.distribution} {p.version} imports torch where it declares "
            "its parts, and every command waits for that; import it in the files of the parts alone"
            for p in self.plugins
            if p.imports_torch
        ]
        return broken + several + slow

    def providers(self, kind: str, name: str) -> list[Plugin]:
        return [plugin for plugin, _ in self._offers.get((kind, name), [])]

    def summary(self, kind: str, name: str) -> str:
        """Of the first that offers it."""
        return self._offers[kind, name][0][1].summary

    def commands(self) -> dict[str, list[tuple[Plugin, Command]]]:
        """Name -> the commands that plugins bring under it, with the plugin of each."""
        offers: dict[str, list[tuple[Plugin, Command]]] = {}
        for plugin in self.plugins:
            for command in plugin.commands:
                offers.setdefault(command.name, []).append((plugin, command))
        return offers

    def load(self, component: Component) -> Any:
        """The implementation. RequestError, naming the plugin's distribution, when it cannot be
        imported.
        """
        module, _, attribute = component.target.partition(":")
        try:
            with off_stdout():
                return getattr(import_module(module), attribute)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            plugin = self.providers(component.kind, component.name)[0]
            first_line = (str(error).strip().splitlines() or [""])[0]
            raise RequestError(
                f"{component.kind} {component.name!r} of {plugin.distribution} {plugin.version} "
                "cannot be loaded "
                f"from {component.target!r} (package.module:Factory): {type(error).__name__}: "
                f"{first_line}"
            ) from error

    def _only(self, kind: str, name: str) -> Declaration:
        offers = self._offers.get((kind, name), [])
        if len(offers) == 1:
            return offers[0][1]
        word = "model" if kind == "recipe" else kind
        if offers:
            raise RequestError(
                f"{word} {name!r} is offered by {_named([plugin for plugin, _ in offers])}; "
                "uninstall one, or leave it out with --no-plugin NAME or MERBENCH_DISABLED_PLUGINS"
            )
        if several := [part.strip() for part in name.split(",")][1:]:
            raise RequestError(
                f"one {word} is asked for here, and {name!r} names {len(several) + 1}; "
                "ask for each by itself"
            )
        listed = f"merbench list {word}s shows them all"
        if kinds := self.kinds_of(name):
            listed = f"a component of kind {kinds[0]} has that name; {listed}"
        message = unknown(word, name, self.names(kind), listed)
        if broken := [
            f"{p.name!r} of {p.distribution}: {p.error}" for p in self.plugins if p.error
        ]:
            message += f"; not loaded, because broken: {'; '.join(broken)}"
        raise RequestError(message)


def _named(plugins: Sequence[Plugin]) -> str:
    return " and ".join(f"{p.distribution} {p.version} (plugin {p.name!r})" for p in plugins)

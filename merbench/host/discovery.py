"""Finds plugins and asks each for its declarations, one at a time and behind a guard: a broken
plugin is a row in a list, never a crash.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields, is_dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pluggy

import merbench
from merbench.api.declarations.command import Command, CommandGroup
from merbench.api.declarations.component import ACCEPTS, COMPONENT_KINDS, Component, FusedForm
from merbench.api.declarations.declaration import API
from merbench.api.declarations.hookspecs import PROJECT, Hooks
from merbench.api.declarations.metrics import MetricDef
from merbench.api.declarations.recipe import Ablation, Recipe
from merbench.api.errors import MerbenchError, RequestError
from merbench.api.material.types import SpaceKind
from merbench.host.field_types import wrong_fields
from merbench.host.guarded_imports import SECONDS, guarded, import_plugin
from merbench.host.watchdog import watched
from merbench.results.metrics import BUILT_IN

Declaration = Component | Recipe | MetricDef
OWN_CODE = tuple(
    str(Path(str(package.__file__)).parent) for package in (merbench, pluggy, importlib)
)
"""Folders whose frames are not the plugin's."""
OWN_DISTRIBUTIONS = (
    "merbench-baselines",
    "merbench-datasets",
    "merbench-encoders",
    "merbench-executors",
    "merbench-loggers",
    "merbench-merclip",
    "merbench-related",
)
"""They have no time limit: they never hang, and on a busy machine they may be slow."""
HOOKS = ("merbench_components()", "merbench_commands()")


class DeclarationError(Exception):
    """What a plugin declares cannot be understood; one sentence."""


def kind_of(declaration: Declaration) -> str:
    """A component's kind, ``recipe`` or ``metric``."""
    if isinstance(declaration, Component):
        return declaration.kind
    return "recipe" if isinstance(declaration, Recipe) else "metric"


@dataclass(frozen=True)
class Plugin:
    """One entry point of the group ``merbench``. ``error`` is one sentence when it could not be
    used (then it declares nothing).
    """

    name: str
    distribution: str
    version: str
    declarations: tuple[Declaration, ...] = ()
    commands: tuple[Command, ...] = ()
    output: str = ""
    """What its import and its hooks printed."""
    imports_torch: bool = False
    """Reading its declarations imported torch, for which every command then waits."""
    error: str | None = None


LONGEST_MESSAGE = 1000
"""Characters of what a plugin raises that are shown."""


def discover(
    disabled: Iterable[str] = (), environ: Mapping[str, str] = os.environ
) -> tuple[Plugin, ...]:
    """All installed plugins, sorted by name, but for those disabled here or in
    ``MERBENCH_DISABLED_PLUGINS`` (comma-separated).

    With ``MERBENCH_STRICT_PLUGINS=1`` the first broken plugin raises in place of becoming a row.
    """
    off = {*disabled, *(n.strip() for n in environ.get("MERBENCH_DISABLED_PLUGINS", "").split(","))}
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    entries = sorted(
        entry_points(group=PROJECT), key=lambda e: (e.name, e.dist.name if e.dist else "")
    )
    strict = environ.get("MERBENCH_STRICT_PLUGINS") == "1"
    # The option is of this call, so that a wrong name is a slip; the variable is of a machine and
    # may name what is not installed here.
    if wrong := sorted({*disabled} - {entry.name for entry in entries}):
        raise RequestError(
            f"--no-plugin {wrong[0]}: no such plugin is installed; there are: "
            f"{', '.join(e.name for e in entries)}"
        )
    return tuple(_read(manager, entry, strict) for entry in entries if entry.name not in off)


def builtin(module: ModuleType) -> Plugin:
    """What merbench itself declares, by the hooks that guests use."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    declarations, commands = _declared(manager, module, PROJECT)
    return Plugin(PROJECT, PROJECT, merbench.__version__, declarations, commands)


def _read(manager: pluggy.PluginManager, entry: EntryPoint, strict: bool) -> Plugin:
    distribution, version = (entry.dist.name, entry.dist.version) if entry.dist else ("?", "?")
    # Two distributions may choose the same entry point name, which pluggy would take for one
    # plugin.
    registered = f"{distribution}:{entry.name}"
    module, torch_before = None, "torch" in sys.modules
    try:
        own = distribution in OWN_DISTRIBUTIONS
        seconds = None if own else SECONDS
        with nullcontext() if own else watched(entry.name):
            module, output = import_plugin(entry, seconds)
            (declarations, commands), more = guarded(
                lambda: _declared(manager, module, registered), "its hooks were", seconds
            )
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # pluggy up to 1.6 leaves a plugin whose register() failed half registered.
        if manager.has_plugin(registered):
            manager.unregister(name=registered)
        if strict:
            raise MerbenchError(
                f"plugin {entry.name!r} of {distribution} {version} is broken: "
                f"{_sentence(error, module)}"
            ) from error
        return Plugin(entry.name, distribution, version, error=_sentence(error, module))
    printed = "\n".join(text for text in (output, more) if text)
    heavy = "torch" in sys.modules and not torch_before
    return Plugin(entry.name, distribution, version, declarations, commands, printed, heavy)


def _declared(
    manager: pluggy.PluginManager, module: object, registered: str
) -> tuple[tuple[Declaration, ...], tuple[Command, ...]]:
    """What one plugin yields, hook by hook."""
    manager.register(module, registered)
    manager.check_pending()
    other_plugins = [p for p in manager.get_plugins() if p is not module]

    def ask(hook: str) -> list[Any]:
        answers = manager.subset_hook_caller(hook, remove_plugins=other_plugins)()
        return [declaration for answer in answers for declaration in answer]

    declarations = tuple(checked(d) for d in ask("merbench_components"))
    _check_yielded_once(declarations)
    return declarations, tuple(_checked_command(c) for c in ask("merbench_commands"))


def checked(declaration: object) -> Declaration:
    """The declaration. DeclarationError where it is none that this merbench understands."""
    if not isinstance(declaration, Declaration):
        raise DeclarationError(
            f"merbench_components() yielded a {type(declaration).__name__}; "
            "it may yield Component, Recipe and MetricDef"
        )
    _check_name(declaration)
    if isinstance(declaration, Component) and declaration.kind not in COMPONENT_KINDS:
        raise DeclarationError(
            f"{declaration.name!r} is of the unknown kind {declaration.kind!r}; "
            f"there are {', '.join(COMPONENT_KINDS)}"
        )
    if isinstance(declaration, Component):
        _check_values(declaration, "accepts", ACCEPTS.get(declaration.kind), empty=False)
        _check_values(declaration, "returns", get_args(FusedForm))
    if isinstance(declaration, MetricDef):
        _check_metric(declaration)
    else:
        _check_values(declaration, "spaces", get_args(SpaceKind))
    _check_tuples(declaration, repr(declaration.name))
    _check_types(declaration)
    if isinstance(declaration, Recipe):
        _check_named_once(declaration, f"recipe {declaration.name!r}")
    return declaration


def _check_named_once(owner: Recipe | Ablation, origin: str) -> None:
    """No two stages, views or ablations of a recipe have one name, nor stages of an ablation."""
    for field in ("stages", "views", "ablations"):
        times = Counter(inner.name for inner in getattr(owner, field, None) or ())
        for name, count in times.items():
            if count > 1:
                raise DeclarationError(
                    f"{origin} has {'two' if count == 2 else count} {field} named {name!r}; "
                    "rename all but one"
                )
    for ablation in getattr(owner, "ablations", ()):
        _check_named_once(ablation, f"ablation {ablation.name!r} of {origin}")


def _check_yielded_once(declarations: Sequence[Declaration]) -> None:
    """No two declarations of a plugin have one kind and name."""
    times = Counter((kind_of(declaration), declaration.name) for declaration in declarations)
    for (kind, name), count in times.items():
        if count > 1:
            raise DeclarationError(f"{kind} {name!r} is yielded {count} times; rename all but one")


def _check_types(declaration: Declaration | Command) -> None:
    for sentence in wrong_fields(declaration, repr(declaration.name)):
        raise DeclarationError(sentence)


def _check_tuples(declaration: Any, origin: str) -> None:
    """A tuple stands where one is meant, in a declaration and those within it. A string would pass
    for one, read letter by letter, and a comma is soon forgotten.
    """
    for field in fields(declaration):
        if not str(field.type).startswith("tuple"):
            continue
        value = getattr(declaration, field.name)
        if value is not None and not isinstance(value, tuple | list):
            shown = repr(value) if isinstance(value, str) else f"{type(value).__name__}(...)"
            raise DeclarationError(f"{origin} has {field.name}={shown}; write a tuple, ({shown},)")
        for within in value or ():
            if is_dataclass(within):
                name = getattr(within, "name", "")
                _check_tuples(within, f"{type(within).__name__} {name!r} of {origin}")


def _check_metric(metric: MetricDef) -> None:
    """Its name is a word of its own, and its fields are those of a metric."""
    if not metric.name.replace("-", "_").isidentifier():
        raise DeclarationError(
            f"a metric is named {metric.name!r}; letters, digits, - and _ make a name"
        )
    kinds = ("score", "class", "multilabel")
    if not metric.kinds or not set(metric.kinds) <= set(kinds):
        raise DeclarationError(
            f"metric {metric.name!r} is for kinds={metric.kinds!r}; choose of {', '.join(kinds)}"
        )
    if not callable(metric.value):
        raise DeclarationError(
            f"metric {metric.name!r} has value={metric.value!r}; give a function of (y, p)"
        )
    if metric.name in ("stage", "epoch", "loss"):
        raise DeclarationError(
            f"a metric is named {metric.name!r}, as is a field of a run's history; "
            "give it another name"
        )
    if any(metric.name == built_in.name for built_in in BUILT_IN.metrics):
        raise DeclarationError(
            f"metric {metric.name!r} has the name of one of merbench's own; give it another"
        )


def _check_values(
    declaration: Declaration, field: str, known: Sequence[str] | None, empty: bool = True
) -> None:
    """The values of a field are among those ``known``; None = any. DeclarationError otherwise."""
    value = getattr(declaration, field)
    if known is None or (isinstance(value, str) and field != "returns"):
        return
    values = (value,) if isinstance(value, str) else value
    if not values and not empty:
        raise DeclarationError(
            f"{declaration.name!r} has no {field}, so that nothing fits it; "
            f"name one or more of {', '.join(known)}"
        )
    if wrong := [v for v in values if v not in known]:
        raise DeclarationError(
            f"{declaration.name!r} has the unknown {field} {wrong[0]!r}; "
            f"choose of {', '.join(known)}"
        )


def _checked_command(command: object) -> Command:
    if not isinstance(command, Command):
        raise DeclarationError(
            f"merbench_commands() yielded a {type(command).__name__}; it may yield Command"
        )
    _check_name(command)
    if command.group not in get_args(CommandGroup):
        raise DeclarationError(
            f"command {command.name!r} is of the unknown group {command.group!r}; "
            f"there are {', '.join(get_args(CommandGroup))}"
        )
    _check_types(command)
    return command


def _check_name(declaration: Declaration | Command) -> None:
    if declaration.api != API:
        raise DeclarationError(
            f"{declaration.name!r} was made for plugin API {declaration.api} and this merbench "
            f"speaks {API}; install a version of the plugin, or of merbench, that fits"
        )
    name = declaration.name
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise DeclarationError(f"a declaration is named {name!r}; a name is a string to type")


def _sentence(error: BaseException, module: ModuleType | None) -> str:
    path = getattr(module, "__file__", None)
    file_text = f" ({Path(path).name})" if path else ""
    lines = _message(error).strip().splitlines() or ["no message"]
    if isinstance(error, pluggy.PluginValidationError):
        return f"{lines[-1]}; the hooks are {' and '.join(HOOKS)}, without arguments"
    if isinstance(error, DeclarationError):
        return f"{lines[0]}{file_text}"
    return f"{type(error).__name__}: {lines[0]}{_place(error)}"


def _message(error: BaseException) -> str:
    """Its words are a plugin's code, too."""
    try:
        return guarded(lambda: str(error), "its message was")[0][:LONGEST_MESSAGE]
    except KeyboardInterrupt:
        raise
    except BaseException as fault:
        return f"its message cannot be read ({type(fault).__name__})"


def _place(error: BaseException) -> str:
    """Where in a plugin it was raised: `` (hooks.py, line 12)``; empty where it was in none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith((*OWN_CODE, "<")):
            return f" ({Path(frame.filename).name}, line {frame.lineno})"
    return ""

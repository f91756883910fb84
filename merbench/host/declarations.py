"""What plugins declare, checked: DeclarationError, in one sentence, for what this merbench does not
understand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, get_args

from merbench.api.declarations.command import Command, CommandGroup
from merbench.api.declarations.component import ACCEPTS, COMPONENT_KINDS, Component, FusedForm
from merbench.api.declarations.declaration import API
from merbench.api.declarations.metrics import MetricDef
from merbench.api.declarations.recipe import Ablation, Recipe
from merbench.api.material.types import SpaceKind
from merbench.host.field_types import wrong_fields
from merbench.results.metrics import BUILT_IN

Declaration = Component | Recipe | MetricDef


class DeclarationError(Exception):
    """What a plugin declares cannot be understood; one sentence."""


def kind_of(declaration: Declaration) -> str:
    """A component's kind, ``recipe`` or ``metric``."""
    if isinstance(declaration, Component):
        return declaration.kind
    return "recipe" if isinstance(declaration, Recipe) else "metric"


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


def check_yielded_once(declarations: Sequence[Declaration]) -> None:
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


def checked_command(command: object) -> Command:
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

"""Finds plugins and asks each for its declarations, one at a time and behind a guard: a broken
plugin is a row in a list, never a crash.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

from merbench.api.declarations.command import Command
from merbench.api.declarations.hookspecs import PROJECT, Hooks
from merbench.api.errors import MerbenchError, RequestError
from merbench.host.declarations import Declaration, check_yielded_once, checked, checked_command
from merbench.host.guarded_imports import SECONDS, guarded, import_plugin
from merbench.host.watchdog import watched
from merbench.host.why_broken import why_broken
from merbench.version import VERSION

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
    return Plugin(PROJECT, PROJECT, VERSION, declarations, commands)


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
                f"{why_broken(error, module)}"
            ) from error
        return Plugin(entry.name, distribution, version, error=why_broken(error, module))
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
    check_yielded_once(declarations)
    return declarations, tuple(checked_command(c) for c in ask("merbench_commands"))

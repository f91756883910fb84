"""Why a plugin is broken: one sentence about what its import or its hooks raised."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import ModuleType

import pluggy

from merbench.host.declarations import DeclarationError
from merbench.host.guarded_imports import guarded

NOT_OF_A_PLUGIN = ("merbench", "pluggy", "importlib", "pydantic", "torch")
"""Packages in whose code a plugin's faults are raised."""
HOOKS = ("merbench_components()", "merbench_commands()")
LONGEST_MESSAGE = 1000
"""Characters of what a plugin raises that are shown."""


def why_broken(error: BaseException, module: ModuleType | None) -> str:
    path = getattr(module, "__file__", None)
    file_text = f" ({Path(path).name})" if path else ""
    lines = _message(error).strip().splitlines() or ["no message"]
    if isinstance(error, pluggy.PluginValidationError):
        return f"{lines[-1]}; the hooks are {' and '.join(HOOKS)}, without arguments"
    if isinstance(error, DeclarationError):
        return f"{lines[0]}{file_text}"
    return f"{type(error).__name__}: {lines[0]}{place_of(error)}"


def _message(error: BaseException) -> str:
    """Its words are a plugin's code, too."""
    try:
        return guarded(lambda: str(error), "its message was")[0][:LONGEST_MESSAGE]
    except KeyboardInterrupt:
        raise
    except BaseException as fault:
        return f"its message cannot be read ({type(fault).__name__})"


def place_of(error: BaseException) -> str:
    """Where in a plugin it was raised: `` (hooks.py, line 12)``; empty where it was in none."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        file = frame.f_code.co_filename
        if package not in NOT_OF_A_PLUGIN and not file.startswith("<"):
            return f" ({Path(file).name}, line {line})"
    return ""

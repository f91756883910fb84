"""What executors that stand on a library share."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from merbench.api import RequestError


def extra(library: str, executor: str) -> Any:
    """The library. RequestError with the fix where it is not installed."""
    try:
        return import_module(library)
    except ImportError as error:
        raise RequestError(
            f"executor {executor} needs {library}, which cannot be imported ({error}); "
            f"pip install 'merbench-executors[{executor}]'"
        ) from error


def one_line(error: BaseException) -> str:
    """Its kind and the last line of what it says: of an error from another process, the cause."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[-1]}" if lines else type(error).__name__

"""Which errors a run may end with, and the sentence that its record keeps."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from merbench.api import MerbenchError
from merbench.engine.model.contract import fault
from merbench.engine.plan.plan import Plan
from merbench.runs.machine import Machine

FAILURES = (MerbenchError, RuntimeError, ValueError, FloatingPointError, MemoryError)
"""What a run may end with that is recorded, as is whatever a part raises; anything else is a fault
of merbench.
"""


def reason_of(error: Exception, plan: Plan) -> str:
    """What a record says of a run that ended with ``error``; empty where that is a fault of
    merbench.
    """
    if isinstance(error, MerbenchError):
        return str(error)
    blamed = fault(error, plan.parts.values())
    if not blamed and not isinstance(error, FAILURES):
        return ""
    return f"{blamed}{': ' if blamed else ''}{type(error).__name__}: {error}"


def is_recorded(error: Exception, plan: Plan) -> bool:
    """True for what becomes a failed run; False for what is raised further."""
    return bool(reason_of(error, plan))


@contextmanager
def exits_raise(plan: Plan) -> Iterator[None]:
    """A part that ends the program, as if all had been made, raises RuntimeError. SystemExit from
    elsewhere, as of a signal's handler amid a part, is left alone.
    """
    try:
        yield
    except SystemExit as error:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        modules = (sys.modules.get(part.factory.__module__) for part in plan.parts.values())
        if frame.f_code.co_filename not in {getattr(m, "__file__", None) for m in modules}:
            raise
        ended = RuntimeError(f"it ends the program (SystemExit: {error.code})")
        raise ended.with_traceback(error.__traceback__) from None


def message(error: Exception | str, plan: Plan, machine: Machine) -> str:
    """One sentence, with the way out where a strict machine lacks a deterministic kernel."""
    if isinstance(error, str):
        return error
    sentence = reason_of(error, plan) or f"{type(error).__name__}: {error}"
    strict = machine.determinism == "strict"
    if strict and "does not have a deterministic implementation" in sentence:
        operation = str(error).split()[0]
        return (
            f"{operation} has no deterministic kernel on {machine.device}; "
            "--determinism prefer does without one"
        )
    return sentence

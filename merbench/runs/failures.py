"""Which errors a run may end with, and the sentence that its record keeps."""

from __future__ import annotations

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

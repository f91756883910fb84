"""A function of the Python API: what is asked for wrongly is one sentence."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from merbench.api.errors import RequestError
from merbench.api.system_errors import sentence_of
from merbench.bench.keywords import check_types, plain
from merbench.bench.one_thread_at_a_time import in_turn

P = ParamSpec("P")
R = TypeVar("R")


def python_function(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which raises RequestError for arguments that do not fit its signature, and for
    what the system refuses (room on a disk, a name that is too long). Threads call it in turn.

    ``**keywords`` are the function's own to check.
    """
    return _guarded(function, lambda: in_turn(f"merbench.{function.__name__}"))


def endless_function(function: Callable[P, R]) -> Callable[P, R]:
    """As ``python_function``; other threads can call others while it goes on."""
    return _guarded(function, nullcontext)


def _guarded(
    function: Callable[P, R], turn: Callable[[], AbstractContextManager[None]]
) -> Callable[P, R]:
    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            positional, keywords = _checked(function, args, kwargs)
            with turn():
                return function(*positional, **keywords)
        except (OSError, RuntimeError, MemoryError) as error:
            sentence = sentence_of(error)
            if sentence is None:
                raise
            raise RequestError(sentence) from error

    return call


def _checked(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    from merbench.host.catalog import unknown

    name, signature = function.__name__, inspect.signature(function)
    parameters = signature.parameters
    takes_more = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if not takes_more and (strange := [key for key in kwargs if key not in parameters]):
        raise RequestError(
            unknown("keyword", strange[0], list(parameters), f"keywords of {name}()")
        )
    try:
        bound = signature.bind(*map(plain, args), **{k: plain(v) for k, v in kwargs.items()})
    except TypeError as error:
        raise RequestError(f"{name}(): {error}") from None
    # get_type_hints reads the return type too, which is imported for type checkers alone.
    types = {
        key: eval(parameter.annotation, function.__globals__)
        for key, parameter in parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    named = {key: value for key, value in bound.arguments.items() if key in types}
    check_types(name, named, types)
    return bound.args, bound.kwargs

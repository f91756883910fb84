"""What a field takes, where pydantic refuses a value, in words that say what to write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BY_TYPE = {
    "bool": "give true or false",
    "date": "give a date such as 2026-01-31",
    "dict": "give names with their values",
    "finite": "give a finite number",
    "float": "give a number",
    "int": "give a whole number",
    "list": "give a list",
    "model": "give names with their values",
    "string": "give a text",
    "tuple": "give a list",
}
_BY_LIMIT = {
    "greater_than": "give more than {gt}",
    "greater_than_equal": "give at least {ge}",
    "invalid-json-value": "give a text, a number, true or false, or a list or table of these",
    "less_than": "give less than {lt}",
    "less_than_equal": "give at most {le}",
    "literal_error": "give {expected}",
    "string_too_long": "give at most {max_length} characters",
    "string_too_short": "give at least {min_length} characters",
    "too_long": "give at most {max_length} in the list",
    "too_short": "give at least {min_length} in the list",
}


def what_fits(error: Mapping[str, Any]) -> str:
    """``error``: the first of those of a ``ValidationError``. ``give at least 1``."""
    kind, limits = str(error["type"]), error.get("ctx", {})
    if kind in _BY_LIMIT:
        return _BY_LIMIT[kind].format(**limits)
    # int_type, int_parsing and int_from_float are one to who wrote the value.
    own_words = _BY_TYPE.get(kind.partition("_")[0])
    return own_words or str(error["msg"]).removeprefix("Value error, ")

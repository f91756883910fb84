"""Base of all declarations: frozen data whose unknown fields are refused in one sentence."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Self

from merbench.api.did_you_mean import did_you_mean

API = 2
"""Version of this contract. A declaration made for another number is refused in one sentence."""
RENAMED = {
    "uses": "pretrained",
    "requires": "required_modalities",
    "fits": "closed_form",
    "continues": "warm_start",
}
"""Fields of API 1 by the names that they have since."""


class Declaration:
    """Base of dataclasses: a field that does not exist is refused in one sentence that names the
    declaration.
    """

    def __new__(cls, *args: Any, **values: Any) -> Self:
        field_names = [f.name for f in fields(cls)]  # type: ignore[arg-type]
        for name in values:
            if name not in field_names:
                advice = did_you_mean(RENAMED.get(name, name), field_names)
                declaration = f"{cls.__name__} {values.get('name', '')!r}"
                raise TypeError(f"{declaration} has no field {name!r}; {advice}")
        return super().__new__(cls)

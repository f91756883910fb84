"""What can be asked of a place inside the model that reads the text."""

from __future__ import annotations

from typing import Protocol

from merbench.api import LanguageModel, RequestError, require_heads


class Place(Protocol):
    """``after`` so many of ``layers``; the small transformer is ``width`` wide with ``heads``."""

    width: int
    heads: int
    layers: int
    after: int


def check_inside(name: str, config: Place, language: LanguageModel | None) -> None:
    """RequestError where the settings of fusion ``name`` do not fit each other, or its language
    model.
    """
    if language is None:
        require_heads("fusion", config.width, config.heads)
    depth = config.layers if language is None else language.depth
    if config.after > depth:
        layers = f"fusion.layers {depth}" if language is None else f"the model's {depth} layers"
        raise RequestError(
            f"{name}: fusion.after {config.after} is more than {layers}; "
            "what is heard and seen enters before, between or after the layers"
        )

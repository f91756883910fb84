"""What the settings of a part mean, in words: as its source says it below each, as everywhere in
merbench, or as the setting's name says it.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

from merbench.api.declarations.config import Config
from merbench.api.material.types import MODALITIES

USUAL_MEANINGS = {
    "width": "Width of its layers.",
    "hidden": "Width of its hidden layer.",
    "layers": "Number of its layers.",
    "heads": "Number of attention heads.",
    "weight": "Factor on its terms of the loss.",
    "temperature": "Logits or similarities are divided by it before a softmax.",
    "tuned": "True: its weights are trained along.",
}
"""Settings that are named so wherever they occur, and mostly have no sentence of their own."""

USUAL_MEANINGS_BY_MODALITY = {
    "kernel": "Steps of {} that its convolution over time spans; 1 = each by itself.",
    "attn_dropout": "Share of source steps zeroed in training, in attention to {}.",
}
"""The same of settings that end in the name of a modality: ``kernel_text``."""


def meanings(config: type[Config]) -> dict[str, str]:
    """Field -> its meaning; empty where there is neither a docstring nor a usual meaning."""
    written: dict[str, str] = {}
    for base in reversed(config.__mro__):
        if issubclass(base, Config):
            written |= _docstrings(base.__module__).get(base.__qualname__, {})
    return {
        name: written.get(name) or _usual_meaning(name, info.default)
        for name, info in config.model_fields.items()
    }


def _usual_meaning(name: str, default: Any) -> str:
    stem, _, modality = name.rpartition("_")
    if modality in MODALITIES and stem in USUAL_MEANINGS_BY_MODALITY:
        return USUAL_MEANINGS_BY_MODALITY[stem].format(modality)
    if "dropout" in name.split("_"):
        return "Share of values zeroed in training."
    if name == "hidden" and isinstance(default, float):
        return ""
    return USUAL_MEANINGS.get(name, "")


@cache
def _docstrings(module: str) -> dict[str, dict[str, str]]:
    """Qualified name of a class -> field -> the string below it; empty where there is no source."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (KeyError, OSError, TypeError, SyntaxError):
        return {}
    return {name: dict(_field_docstrings(node)) for name, node in _classes(tree)}


def _classes(tree: ast.AST, scope: str = "") -> Iterator[tuple[str, ast.ClassDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield f"{scope}{node.name}", node
            yield from _classes(node, f"{scope}{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            yield from _classes(node, f"{scope}{node.name}.<locals>.")


def _field_docstrings(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(node.body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            words = " ".join(str(text.value.value).split())
            yield field.target.id, words.replace("``", "`")

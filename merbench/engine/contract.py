"""What parts are and hand over, looked at where the harness takes it: one sentence that names the
part, in place of a traceback.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from merbench.api import (
    Batch,
    Fused,
    Output,
    Prepared,
    Progress,
    Queries,
    RequestError,
    Rows,
    RunError,
    Steps,
)

if TYPE_CHECKING:
    from merbench.engine.plan import Part

HAS = {"encoder": ("width", "prepare"), "label-encoder": ("width",), "fusion": ("width",)}
"""Attributes of modules that the harness reads."""


def made(part: Part, *given: object) -> Any:
    """The part's module. RequestError where it is not made as ``merbench.api.parts`` says."""
    component = part.component
    what = f"{component.kind} {component.name} ({component.target})"
    try:
        inspect.signature(part.factory).bind(part.config, *given)
    except TypeError as error:
        raise RequestError(
            f"{what} does not take what a part of its kind is made with: {error}; see merbench.api.parts"
        ) from None
    module = part.factory(part.config, *given)
    if not isinstance(module, nn.Module):
        raise RequestError(f"{what} is no torch.nn.Module; derive it from that class")
    if lacking := [name for name in HAS.get(component.kind, ()) if not hasattr(module, name)]:
        raise RequestError(f"{what} has no {' and no '.join(lacking)}; see merbench.api.parts")
    return module


def prepared(encoder: Any, rows: Rows) -> Prepared:
    """What an encoder's ``prepare()`` made of a split."""
    found: Prepared = encoder.prepare(rows)
    _require(
        hasattr(found, "__getitem__"),
        f"prepare() of encoder {_target(encoder)}",
        found,
        "inputs by rows, as the rows it is given are",
    )
    return found


def steps(encoder: Any, found: Any, rows: int) -> Steps:
    """What an encoder returned for so many rows."""
    sound = isinstance(found, Steps) and found.x_BLD.shape == (
        rows,
        *found.mask_BL.shape[1:2],
        encoder.width,
    )
    sound = sound and found.mask_BL.shape == found.x_BLD.shape[:2]
    _require(
        sound,
        f"encoder {_target(encoder)}",
        found,
        f"Steps of [{rows}, L, {encoder.width}] and [{rows}, L]",
    )
    return found  # type: ignore[no-any-return]


def queries(label_encoder: Any, found: Any) -> Queries:
    """What a label encoder returned."""
    sound = isinstance(found, Queries) and found.emb_CD.shape[1:] == (label_encoder.width,)
    _require(
        sound,
        f"label encoder {_target(label_encoder)}",
        found,
        f"Queries of [labels, {label_encoder.width}]",
    )
    return found  # type: ignore[no-any-return]


def fused(fusion: Any, found: Any, rows: int) -> Fused:
    """What a fusion returned for so many rows."""
    sound = (
        isinstance(found, Fused)
        and found.z_BCD.ndim == 3
        and found.z_BCD.shape[::2] == (rows, fusion.width)
    )
    _require(
        sound, f"fusion {_target(fusion)}", found, f"Fused of [{rows}, 1 or labels, {fusion.width}]"
    )
    return found  # type: ignore[no-any-return]


def output(model: nn.Module, batch: Batch) -> Output:
    """The model's output for a batch; of a composed model it is the head that makes the logits."""
    out, rows = model(batch), len(batch)
    _require(
        isinstance(out, Output), f"model {_target(model)}", out, f"Output of logits [{rows}, C]"
    )
    logits = out.logits_BC
    sound = (
        isinstance(logits, Tensor)
        and logits.ndim == 2
        and len(logits) == rows
        and logits.is_floating_point()
    )
    who = f"head {_target(model.head)}" if hasattr(model, "head") else f"model {_target(model)}"
    _require(sound, who, logits, f"floating-point logits [{rows}, C]")
    return out  # type: ignore[no-any-return]


def terms(
    objectives: Iterable[tuple[str, nn.Module]],
    model: nn.Module,
    batch: Batch,
    out: Output,
    at: Progress,
) -> dict[str, Tensor]:
    """The terms of the loss, by ``objective.term``."""
    found: dict[str, Tensor] = {}
    for name, objective in objectives:
        said = objective(model, batch, out, at)
        sound = isinstance(said, Mapping) and all(
            isinstance(term, Tensor) and term.numel() == 1 for term in said.values()
        )
        _require(sound, f"objective {name}", said, "terms by name, each a tensor of one number")
        found |= {f"{name}.{term}": value for term, value in said.items()}
    if not found:
        raise RunError(
            f"stage {at.stage!r} has no term to learn by; its objectives are to return one"
        )
    return found


def fault(error: BaseException, parts: Iterable[Part]) -> str:
    """The part in whose code an error was raised, and where: ``"fusion mine (mine.py, line 12)"``;
    empty where it was in none.
    """
    parts = list(parts)
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        owner = frame.f_locals.get("self")
        for part in parts:
            if isinstance(part.factory, type) and isinstance(owner, part.factory):
                return f"{part.component.kind} {part.component.name} ({Path(frame.f_code.co_filename).name}, line {line})"
    return ""


def _require(sound: bool, who: str, found: object, wanted: str) -> None:
    if not sound:
        raise RunError(f"{who} returned {_told(found)}; it is to return {wanted}")


def _target(module: object) -> str:
    return f"{type(module).__module__}:{type(module).__qualname__}"


def _told(found: Any) -> str:
    """A value as an author knows it: its type, with shapes."""
    if isinstance(found, Tensor):
        return f"a tensor {list(found.shape)} of {str(found.dtype).removeprefix('torch.')}"
    if isinstance(found, tuple) and hasattr(found, "_fields"):
        return f"{type(found).__name__} of {' and '.join(_told(f) for f in found if isinstance(f, Tensor)) or 'no tensors'}"
    if isinstance(found, Mapping):
        return "{" + ", ".join(f"{name!r}: {_told(value)}" for name, value in found.items()) + "}"
    return "None" if found is None else f"a {type(found).__name__}"

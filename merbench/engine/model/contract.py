"""What parts are and return, validated at the harness boundary: one sentence that names the
part, in place of a traceback.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from merbench.api import (
    Batch,
    Fused,
    LabelSpace,
    Modality,
    Output,
    Prepared,
    Progress,
    Queries,
    RequestError,
    Rows,
    RunError,
    Steps,
    own_method,
    read_out,
)
from merbench.api.declarations.component import BY_MODALITY, FusedForm

if TYPE_CHECKING:
    from merbench.engine.plan.plan import Part

HAS = {
    "encoder": ("width", "frozen", "measured", "prepare"),
    "label-encoder": ("width",),
    "fusion": ("width",),
}
"""Attributes of modules that the harness reads."""


def construct(part: Part, *arguments: object) -> Any:
    """The part's module. RequestError where it is not built as ``merbench.api.parts`` says."""
    component = part.component
    name = f"{component.kind} {component.name} ({component.target})"
    try:
        module = part.factory(part.config, *arguments)
    except TypeError:
        _require_signature(part, name, *arguments)
        raise
    if component.kind == "view":
        return module
    if not isinstance(module, nn.Module):
        raise RequestError(f"{name} is no torch.nn.Module; derive it from that class")
    if lacking := [a for a in HAS.get(component.kind, ()) if not hasattr(module, a)]:
        raise RequestError(f"{name} has no {' and no '.join(lacking)}; see merbench.api.parts")
    return module


def _require_signature(part: Part, name: str, *arguments: object) -> None:
    try:
        inspect.signature(part.factory).bind(part.config, *arguments)
    except TypeError as error:
        raise RequestError(
            f"{name} does not take what a part of its kind is made with: {error}; "
            "see merbench.api.parts"
        ) from None


def prepared(encoder: Any, rows: Rows) -> Prepared:
    """What an encoder's ``prepare()`` made of a split."""
    items: Prepared = encoder.prepare(rows)
    _require(
        hasattr(items, "__getitem__"),
        f"prepare() of encoder {_target(encoder)}",
        items,
        "inputs by rows, as the rows it is given are",
    )
    return items


def steps(encoder: Any, output: Any, rows: int) -> Steps:
    """What an encoder returned for so many rows."""
    sound = isinstance(output, Steps) and output.x_BLD.shape == (
        rows,
        *output.mask_BL.shape[1:2],
        encoder.width,
    )
    sound = sound and output.mask_BL.shape == output.x_BLD.shape[:2]
    if sound and not output.x_BLD.is_floating_point():
        raise RunError(
            f"encoder {_target(encoder)} gives whole numbers, for methods that count them, and no "
            "fusion reads these; choose another encoder (merbench list encoders)"
        )
    _require(
        sound,
        f"encoder {_target(encoder)}",
        output,
        f"Steps of [{rows}, L, {encoder.width}] and [{rows}, L]",
    )
    return output  # type: ignore[no-any-return]


def queries(label_encoder: Any, returned: Any, provides: Collection[str] = ()) -> Queries:
    """What a label encoder returned."""
    sound = isinstance(returned, Queries) and returned.emb_CD.shape[1:] == (label_encoder.width,)
    origin = f"label encoder {_target(label_encoder)}"
    _require(sound, origin, returned, f"Queries of [labels, {label_encoder.width}]")
    count, widths = len(returned.emb_CD), getattr(label_encoder, "widths", {})
    for modality, emb_CD in returned.by_modality.items():
        expected = f"vectors of [{count}, {widths.get(modality, 'its widths')}] for {modality}"
        _require(emb_CD.shape == (count, widths.get(modality)), origin, emb_CD, expected)
    extras = {*returned.extras, *({"graph"} if returned.graph_CC is not None else ())}
    extras |= {BY_MODALITY} if returned.by_modality else set()
    _require_provided(origin, provides, extras, "extras")
    return returned  # type: ignore[no-any-return]


def fused(
    fusion: Any,
    returned: Any,
    rows: int,
    form: FusedForm = "pooled",
    provides: Collection[str] = (),
) -> Fused:
    """What a fusion that is declared to return ``form`` returned for so many rows."""
    origin, width = f"fusion {_target(fusion)}", fusion.width
    sound = (
        isinstance(returned, Fused)
        and returned.z_BCD.ndim == 3
        and returned.z_BCD.shape[::2] == (rows, width)
    )
    _require(sound, origin, returned, f"Fused of [{rows}, 1 or labels, {width}]")
    if form == "sequence":
        sequence = returned.steps
        sound = isinstance(sequence, Steps) and sequence.x_BLD.shape == (
            rows,
            *sequence.mask_BL.shape[1:2],
            width,
        )
        _require(
            sound, origin, sequence, f"Fused with steps of [{rows}, L, {width}] and [{rows}, L]"
        )
    if form == "slots":
        slots = returned.slots_BMCD
        labels = returned.z_BCD.shape[1]
        sound = isinstance(slots, Tensor) and slots.shape == (
            rows,
            *slots.shape[1:2],
            labels,
            width,
        )
        _require(sound, origin, slots, f"Fused with slots_BMCD of [{rows}, M, {labels}, {width}]")
    _require_provided(origin, provides, returned.aux, "aux")
    return returned  # type: ignore[no-any-return]


def logits_and_aux(
    head: Any, returned: Any, provides: Collection[str] = ()
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """What a head returned: logits, or logits and aux."""
    logits, aux = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, {})
    origin = f"head {_target(head)}"
    sound = isinstance(logits, Tensor) and isinstance(aux, Mapping)
    _require(sound, origin, returned, "logits [B, C], or logits and a mapping of tensors by name")
    _require_provided(origin, provides, aux, "aux")
    return logits, aux


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
    _require(sound, _who_makes_logits(model), logits, f"floating-point logits [{rows}, C]")
    return out  # type: ignore[no-any-return]


def predictions(model: nn.Module, out: Output, space: LabelSpace) -> Tensor:
    """Read out by the head's (or whole model's) own ``read_out``, else by ``merbench.api``'s."""
    own_read_out = own_method(model, "read_out")
    if own_read_out is None:
        return read_out(out.logits_BC.float(), space)
    predicted, rows = own_read_out(out), len(out.logits_BC)
    columns = {"score": (), "joint": (space.logit_count,)}.get(space.kind, (len(space.words),))
    shape = (rows, *columns)
    sound = isinstance(predicted, Tensor) and predicted.shape == shape
    _require(
        sound, f"read_out() of {_who_makes_logits(model)}", predicted, f"predictions {[*shape]}"
    )
    return predicted.float()  # type: ignore[no-any-return]


def view(
    transform: Any, returned: Any, encoded: Mapping[Modality, Steps]
) -> Mapping[Modality, Steps]:
    """What a transform made of encoded modalities: the same shapes, and no step more is real."""
    sound = isinstance(returned, Mapping) and returned.keys() == encoded.keys()
    for modality, steps in encoded.items() if sound else ():
        changed = returned[modality]
        sound = sound and isinstance(changed, Steps)
        sound = sound and changed.x_BLD.shape == steps.x_BLD.shape
        sound = sound and not (changed.mask_BL & ~steps.mask_BL).any()
    expected = (
        "Steps of the same modalities and shapes, in which no masked step has become a real one"
    )
    _require(sound, f"view {_target(transform)}", returned, expected)
    return returned  # type: ignore[no-any-return]


def terms(
    objectives: Iterable[tuple[str, nn.Module]],
    model: nn.Module,
    batch: Batch,
    out: Output,
    at: Progress,
) -> dict[str, Tensor]:
    """The terms of the loss, by ``objective.term``."""
    all_terms: dict[str, Tensor] = {}
    for name, objective in objectives:
        returned = objective(model, batch, out, at)
        sound = isinstance(returned, Mapping) and all(
            isinstance(term, Tensor) and term.numel() == 1 for term in returned.values()
        )
        label, expected = f"objective {name}", "terms by name, each a tensor of one number"
        _require(sound, label, returned, expected)
        origin = f"{label} ({_target(objective)})"
        _require(bool(returned), origin, returned, f"{expected}, at least one")
        all_terms |= {f"{name}.{term}": value for term, value in returned.items()}
    if not all_terms:
        raise RunError(
            f"stage {at.stage!r} has no term to learn by; its objectives are to return one"
        )
    return all_terms


def fault(error: BaseException, parts: Iterable[Part]) -> str:
    """The part in whose code an error was raised, and where: ``"fusion mine (mine.py, line 12)"``;
    empty where it was in none.
    """
    parts = list(parts)
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        owner = frame.f_locals.get("self")
        if frame.f_globals.get("__name__", "").startswith("torch."):
            continue  # in a part's method that is nn.Module's
        for part in parts:
            factory = part.factory
            if isinstance(factory, type):
                of_part = isinstance(owner, factory)
            else:  # a function, of whose module is what it makes
                of_part = frame.f_globals.get("__name__") == factory.__module__
            if of_part:
                return (
                    f"{part.component.kind} {part.component.name} "
                    f"({Path(frame.f_code.co_filename).name}, line {line})"
                )
    return ""


def _require(sound: bool, origin: str, value: object, expected: str) -> None:
    if not sound:
        raise RunError(f"{origin} returned {_described(value)}; it is to return {expected}")


def _require_provided(
    part_name: str, provides: Collection[str], returned: Collection[str], field_name: str
) -> None:
    if lacking := sorted(set(provides) - set(returned)):
        returned_names = ", ".join(sorted(returned)) or "nothing"
        raise RunError(
            f"{part_name} is declared to provide {', '.join(lacking)}, "
            f"and its {field_name} hold {returned_names}"
        )


def _who_makes_logits(model: Any) -> str:
    composed = hasattr(model, "fusion") and hasattr(model, "head")
    return f"head {_target(model.head)}" if composed else f"model {_target(model)}"


def _target(module: object) -> str:
    return f"{type(module).__module__}:{type(module).__qualname__}"


def _described(value: Any) -> str:
    """A value as an author knows it: its type, with shapes."""
    if isinstance(value, Tensor):
        return f"a tensor {list(value.shape)} of {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return (
            f"{type(value).__name__} of "
            f"{' and '.join(_described(f) for f in value if isinstance(f, Tensor)) or 'no tensors'}"
        )
    if isinstance(value, Mapping):
        items = (f"{name!r}: {_described(item)}" for name, item in value.items())
        return "{" + ", ".join(items) + "}"
    return "None" if value is None else f"a {type(value).__name__}"

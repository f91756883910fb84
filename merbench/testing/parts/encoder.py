"""Checks of encoders."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from merbench.api import Component, Modality, Steps, StreamSpec
from merbench.api.material.types import StreamKind
from merbench.data.streams.content_hash import KEPT
from merbench.host.catalog import Catalog
from merbench.testing import tiny
from merbench.testing.parts.factory import checked_factory, fitting_context
from merbench.testing.parts.gradient import assert_gradient
from merbench.testing.parts.rowwise import rowwise
from merbench.testing.verdict import Skip


def tiny_encoder(catalog: Catalog, component: Component) -> tuple[Any, dict[Modality, Steps]]:
    tiny_kinds: tuple[StreamKind, ...] = ("words", "features", "strings")
    kinds = [k for k in tiny_kinds if k in component.accepts]
    if not kinds:
        raise Skip(f"reads {' and '.join(component.accepts)}: its own package tests it on files")
    factory, config = checked_factory(catalog, component)
    kind = kinds[0]
    of_any: Modality = "audio" if kind == "features" else "text"
    modality = component.modalities[0] if component.modalities else of_any
    stream = StreamSpec(f"{modality}.tiny", modality, kind, 6 if kind == "features" else None)
    context = dataclasses.replace(fitting_context(component), streams={modality: stream})
    torch.manual_seed(0)
    encoder = factory(config, context, stream)
    prepared = encoder.prepare(tiny.rows(stream, 5))
    return encoder.eval(), {modality: prepared[torch.arange(5)]}


def keeps_what_can_be_kept(catalog: Catalog, component: Component) -> None:
    wrong = [kind for kind in component.accepts if component.version and kind not in KEPT]
    assert not wrong, (
        f"it has a version, so that its output is kept, and accepts {' and '.join(wrong)}: "
        f"only of {' and '.join(KEPT)} it can be"
    )


def declared_width(catalog: Catalog, component: Component) -> None:
    encoder, inputs = tiny_encoder(catalog, component)
    steps = encoder(next(iter(inputs.values())))
    assert steps.x_BLD.shape[-1] == encoder.width, (
        f"declares width {encoder.width} and returns {steps.x_BLD.shape[-1]}"
    )
    assert steps.mask_BL.dtype == torch.bool and steps.mask_BL.shape == steps.x_BLD.shape[:2], (
        "the mask is not bool [B, L]"
    )
    trained = any(p.requires_grad for p in encoder.parameters())
    assert encoder.frozen != trained, (
        f"declares frozen={encoder.frozen} and {'has' if trained else 'has no'} trained parameters"
    )


def is_rowwise(check: str, catalog: Catalog, component: Component) -> None:
    encoder, inputs = tiny_encoder(catalog, component)
    if not all(isinstance(steps, Steps) for steps in inputs.values()):
        raise Skip("its prepare() makes no Steps")

    def pooled(parts: dict[Modality, Steps]) -> Tensor:
        out = encoder(next(iter(parts.values())))
        return torch.where(out.mask_BL[..., None], out.x_BLD.float(), 0.0).sum(1)

    rowwise(pooled, inputs, check)


def gradient_reaches_all(catalog: Catalog, component: Component) -> None:
    encoder, inputs = tiny_encoder(catalog, component)
    if encoder.frozen:
        raise Skip("frozen")
    out = encoder(next(iter(inputs.values())))
    assert_gradient(encoder, out.x_BLD[out.mask_BL])

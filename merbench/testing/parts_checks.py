"""Checks of single parts, on tiny random sequences."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from merbench.api import (
    MODALITIES,
    Batch,
    Component,
    Config,
    Corpus,
    Fused,
    LabelSpace,
    MetricDef,
    Modality,
    Output,
    Progress,
    Queries,
    Steps,
    StreamSpec,
    masked_mean,
)
from merbench.data.content_hash import KEPT
from merbench.engine.model import contract
from merbench.host.catalog import Catalog
from merbench.results.metrics import TaskMetrics
from merbench.testing import tiny, view_checks
from merbench.testing.verdict import Bodies, Skip

CLOSE = 1e-4
QUERY_WIDTH = 10


ACCEPTS = {
    "encoder": ("strings", "words", "features", "clip", "steps"),
    "head": ("pooled", "labels", "sequence", "slots"),
}


def _accepts(component: Component) -> None:
    known = ACCEPTS[component.kind]
    wrong = sorted(set(component.accepts) - set(known))
    assert component.accepts and not wrong, (
        f"it accepts {' and '.join(wrong) or 'nothing'}; choose of {', '.join(known)}"
    )


def checks(catalog: Catalog, component: Component) -> Bodies:
    """The checks that apply to a component of this kind."""
    if component.kind == "dataset":
        return {"loads a sound corpus": partial(_dataset, catalog, component)}
    bodies: dict[str, Callable[[], None]] = {
        "defaults lie in their Tune ranges": partial(_tune, catalog, component)
    }
    if component.kind in ACCEPTS:
        bodies["accepts what there is"] = partial(_accepts, component)
    for name, body in _BY_KIND.get(component.kind, {}).items():
        bodies[name] = partial(body, catalog, component)
    return bodies


def _factory(catalog: Catalog, component: Component) -> tuple[Any, Config]:
    factory = catalog.load(component)
    kind = getattr(factory, "Config", None)
    assert isinstance(kind, type) and issubclass(kind, Config), (
        f"{component.target} has no class attribute Config that is a merbench.api.Config"
    )
    return factory, kind()


def _tune(catalog: Catalog, component: Component) -> None:
    _, config = _factory(catalog, component)
    for name, tune in type(config).tunable().items():
        value = getattr(config, name)
        assert tune.holds(value), (
            f"{component.name}.{name}: the default {value!r} lies outside its search range {tune}"
        )


# What a check of row-wise behaviour needs: f(inputs) -> [B, ...], and a way to change the inputs.


def _close(a: Tensor, b: Tensor, what: str) -> None:
    assert torch.isfinite(a).all(), "an output is not finite"
    gap = float((a.detach().float() - b.detach().float()).abs().max()) if a.numel() else 0.0
    assert a.shape == b.shape, f"{what}: shape {tuple(a.shape)} became {tuple(b.shape)}"
    assert gap < CLOSE, f"{what}: an output changed by {gap:.2g}"


def garbage(steps: Steps) -> Steps:
    """Other content in the padded steps."""
    mask = steps.mask_BL.reshape(*steps.mask_BL.shape, *[1] * (steps.x_BLD.ndim - 2))
    other = (
        torch.zeros_like(steps.x_BLD)
        if not steps.x_BLD.is_floating_point()
        else torch.full_like(steps.x_BLD, 7.0)
    )
    return Steps(torch.where(mask, steps.x_BLD, other), steps.mask_BL)


def longer(steps: Steps, by: int = 3) -> Steps:
    """More padding."""
    pad = steps.x_BLD.new_zeros(len(steps.x_BLD), by, *steps.x_BLD.shape[2:])
    return Steps(
        torch.cat([steps.x_BLD, pad], 1),
        torch.cat([steps.mask_BL, steps.mask_BL.new_zeros(len(pad), by)], 1),
    )


def without(steps: Steps, row: int) -> Steps:
    mask_BL = steps.mask_BL.clone()
    mask_BL[row] = False
    return Steps(steps.x_BLD, mask_BL)


def take(steps: Steps, rows: Tensor) -> Steps:
    return Steps(steps.x_BLD[rows], steps.mask_BL[rows])


PERMUTED = torch.tensor([3, 0, 4, 1, 2])


def rowwise(
    f: Callable[[dict[Modality, Steps]], Tensor], parts: dict[Modality, Steps], check: str
) -> None:
    """One of the row-wise checks of ``f``: parts of 5 rows -> [5, ...]."""
    with torch.no_grad():
        base = f(parts)
        if check == "padding":
            _close(base, f({m: garbage(s) for m, s in parts.items()}), "padded content was changed")
            _close(base, f({m: longer(s) for m, s in parts.items()}), "rows were padded further")
        elif check == "permutation":
            _close(
                base[PERMUTED],
                f({m: take(s, PERMUTED) for m, s in parts.items()}),
                "rows were permuted",
            )
        elif check == "alone":
            for row in range(len(base)):
                one = {m: take(s, torch.tensor([row])) for m, s in parts.items()}
                _close(base[row : row + 1], f(one), "a row stood alone in its batch")
        else:
            for modality in parts:
                other = f({m: without(s, 2) if m == modality else s for m, s in parts.items()})
                assert torch.isfinite(other).all(), (
                    f"a row without {modality} gives an output that is not finite"
                )
            other = f({m: without(s, 2) for m, s in parts.items()})
            assert torch.isfinite(other).all(), (
                "a row without any modality gives an output that is not finite"
            )


def gradient(module: nn.Module, value: Tensor) -> None:
    """Every trained parameter has a gradient that is not zero."""
    if not any(p.requires_grad for p in module.parameters()):
        raise Skip("it has no trained parameter")
    weights = torch.randn(value.shape, generator=torch.Generator().manual_seed(0))
    (value.float() * weights).sum().backward()
    dead = [
        n
        for n, p in module.named_parameters()
        if p.requires_grad and (p.grad is None or not p.grad.abs().sum() > 0)
    ]
    assert not dead, f"no gradient reaches {', '.join(dead[:4])}{' ...' if len(dead) > 4 else ''}"


# Encoders


def _encoder(catalog: Catalog, component: Component) -> tuple[Any, dict[Modality, Steps]]:
    kinds = [k for k in ("words", "features", "strings") if k in component.accepts]
    if not kinds or "weights" in component.pretrained:
        raise Skip(
            f"reads {' and '.join(component.accepts)} with pretrained weights or from files: "
            "its own package tests it with tiny towers"
        )
    factory, config = _factory(catalog, component)
    modality: Modality = "audio" if kinds[0] == "features" else "text"
    context = tiny.context(modalities=(modality,), words=kinds[0] == "words")
    torch.manual_seed(0)
    stream = (
        StreamSpec("text.tiny", "text", "strings")
        if kinds[0] == "strings"
        else context.streams[modality]
    )
    encoder = factory(config, dataclasses.replace(context, streams={modality: stream}), stream)
    prepared = encoder.prepare(tiny.rows(stream, 5))
    return encoder.eval(), {modality: prepared[torch.arange(5)]}


def _encoder_kept(catalog: Catalog, component: Component) -> None:
    wrong = [kind for kind in component.accepts if component.version and kind not in KEPT]
    assert not wrong, (
        f"it has a version, so that its output is kept, and accepts {' and '.join(wrong)}: "
        f"only of {' and '.join(KEPT)} it can be"
    )


def _encoder_width(catalog: Catalog, component: Component) -> None:
    encoder, inputs = _encoder(catalog, component)
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


def _encoder_rows(check: str, catalog: Catalog, component: Component) -> None:
    encoder, inputs = _encoder(catalog, component)
    if not all(isinstance(steps, Steps) for steps in inputs.values()):
        raise Skip("its prepare() makes no Steps")

    def pooled(parts: dict[Modality, Steps]) -> Tensor:
        out = encoder(next(iter(parts.values())))
        return torch.where(out.mask_BL[..., None], out.x_BLD.float(), 0.0).sum(1)

    rowwise(pooled, inputs, check)


def _encoder_gradient(catalog: Catalog, component: Component) -> None:
    encoder, inputs = _encoder(catalog, component)
    if encoder.frozen:
        raise Skip("frozen")
    out = encoder(next(iter(inputs.values())))
    gradient(encoder, out.x_BLD[out.mask_BL])


# Label encoders


def _label_encoder(catalog: Catalog, component: Component) -> Any:
    if "weights" in component.pretrained:
        raise Skip("starts from pretrained weights: its own package tests it with tiny towers")
    factory, config = _factory(catalog, component)
    torch.manual_seed(0)
    return factory(config, tiny.context()).eval()


def _label_width(catalog: Catalog, component: Component) -> None:
    encoder = _label_encoder(catalog, component)
    emb_CD = encoder().emb_CD
    count = len(tiny.SPACES["score"].words)
    assert emb_CD.shape == (count, encoder.width), (
        f"declares width {encoder.width} for {count} labels and returns {tuple(emb_CD.shape)}"
    )
    assert torch.isfinite(emb_CD).all(), "label queries are not finite"
    assert torch.cdist(emb_CD, emb_CD).fill_diagonal_(1.0).min() > 1e-6, (
        "two labels have the same query"
    )


def _label_space(catalog: Catalog, component: Component) -> None:
    encoder = _label_encoder(catalog, component)
    other: LabelSpace = tiny.EMOTIONS
    emb_CD = encoder(other).emb_CD
    assert emb_CD.shape == (len(other.words), encoder.width), (
        f"{len(other.words)} other labels gave {tuple(emb_CD.shape)}"
    )


# Fusions and heads


def _queries(width: int = QUERY_WIDTH) -> Queries:
    draw = torch.Generator().manual_seed(7)
    labels = len(tiny.SPACES["score"].words)
    emb_CD = torch.randn(labels, width, generator=draw)
    return Queries(emb_CD, torch.rand(labels, labels, generator=draw))


def _fusions(
    catalog: Catalog, component: Component
) -> list[tuple[Any, dict[Modality, Steps], Queries | None]]:
    """With and without queries, with all modalities and with as few as it takes."""
    factory, config = _factory(catalog, component)
    made = []
    required_first = sorted(MODALITIES, key=lambda m: m not in component.required_modalities)
    few = required_first[: max(component.min_modalities, len(component.required_modalities))]
    for modalities in ({"text", "audio", "video"}, set(few)):
        for queries in (None, _queries()):
            if queries is None and "queries" in component.needs:
                continue
            parts = {m: s for m, s in tiny.parts().items() if m in modalities}
            torch.manual_seed(0)
            query_width = None if queries is None else QUERY_WIDTH
            fusion = factory(
                config, tiny.context(modalities=tuple(parts)), dict.fromkeys(parts, 6), query_width
            )
            made.append((fusion.eval(), parts, queries))
    return made


def _fusion_width(catalog: Catalog, component: Component) -> None:
    for fusion, parts, queries in _fusions(catalog, component):
        fused = contract.fused(
            fusion, fusion(parts, queries), 5, component.returns, component.provides
        )
        by_label = component.returns in ("labels", "slots")
        labels = len(tiny.SPACES["score"].words) if by_label else 1
        want = (5, labels, fusion.width)
        got = tuple(fused.z_BCD.shape)
        assert got == want, (
            f"declares {component.returns} and width {fusion.width}, "
            f"so z should be {want}; it is {got}"
        )


def _fusion_rows(check: str, catalog: Catalog, component: Component) -> None:
    for fusion, parts, queries in _fusions(catalog, component):

        def flat(
            parts: dict[Modality, Steps], fusion: Any = fusion, queries: Any = queries
        ) -> Tensor:
            fused = fusion(parts, queries)
            return torch.cat([part.flatten(1) for part in _of_fused(fused)], 1)

        rowwise(flat, parts, check)


def _of_fused(fused: Fused) -> list[Tensor]:
    """What a head may read of it; a sequence summed over its real steps."""
    read = [fused.z_BCD]
    if fused.steps is not None:
        x_BLD, mask_BL = fused.steps
        read.append(torch.where(mask_BL[..., None], x_BLD, 0.0).sum(1))
    if fused.slots_BMCD is not None:
        read.append(fused.slots_BMCD)
    return read


def _fusion_gradient(catalog: Catalog, component: Component) -> None:
    for fusion, parts, queries in _fusions(catalog, component):
        fused = fusion(parts, queries)
        gradient(
            fusion,
            torch.cat(
                [
                    *(part.flatten() for part in _of_fused(fused)),
                    *(v.flatten() for v in fused.aux.values() if v.requires_grad),
                ]
            ),
        )


def _tiny_fused(form: str) -> Fused:
    draw = torch.Generator().manual_seed(1)
    labels = len(tiny.SPACES["score"].words) if form in ("labels", "slots") else 1
    z_BCD = torch.randn(5, labels, 6, generator=draw)
    steps = tiny.steps() if form == "sequence" else None
    slots = torch.randn(5, 3, labels, 6, generator=draw) if form == "slots" else None
    return Fused(z_BCD, {}, steps, slots)


def _permuted(fused: Fused) -> Fused:
    return Fused(
        fused.z_BCD[PERMUTED],
        fused.aux,
        None if fused.steps is None else take(fused.steps, PERMUTED),
        None if fused.slots_BMCD is None else fused.slots_BMCD[PERMUTED],
    )


def _heads(catalog: Catalog, component: Component) -> list[tuple[Any, Fused, Queries | None]]:
    if named := sorted(set(component.needs) - {"queries"}):
        raise Skip(f"needs {' and '.join(named)}: checked in the recipes that have it")
    factory, config = _factory(catalog, component)
    heads = []
    for form in component.accepts:
        queries = _queries() if form == "labels" or "queries" in component.needs else None
        torch.manual_seed(0)
        head = factory(config, tiny.context(), 6, None if queries is None else QUERY_WIDTH)
        heads.append((head.eval(), _tiny_fused(form), queries))
    return heads


def _logits(head: Any, component: Component, fused: Fused, queries: Queries | None) -> Tensor:
    return contract.logits_and_aux(head, head(fused, queries), component.provides)[0]


def _head_shape(catalog: Catalog, component: Component) -> None:
    for head, fused, queries in _heads(catalog, component):
        logits_BC = _logits(head, component, fused, queries)
        columns = (1, len(tiny.SPACES["score"].words))
        any_number = hasattr(head, "read_out") and hasattr(head, "loss")
        assert logits_BC.ndim == 2 and (any_number or logits_BC.shape[1] in columns), (
            f"logits of a score are {tuple(logits_BC.shape)}; other than {columns} columns need "
            "a read_out and a loss of the head's own"
        )
        permuted = _logits(head, component, _permuted(fused), queries)
        _close(logits_BC[PERMUTED], permuted, "rows were permuted")


def _head_gradient(catalog: Catalog, component: Component) -> None:
    for head, fused, queries in _heads(catalog, component):
        returned = head(fused, queries)
        logits_BC, aux = contract.logits_and_aux(head, returned, component.provides)
        trained = [value for value in aux.values() if value.requires_grad]
        gradient(head, torch.cat([part.flatten() for part in (logits_BC, *trained)]))


class _Pooled(nn.Module):
    """The least model there is."""

    def __init__(self, space: LabelSpace) -> None:
        super().__init__()
        self.line = nn.Linear(6, space.logit_count)
        self.widths = dict.fromkeys(("text", "audio", "video"), 6)

    def forward(self, batch: Batch) -> Output:
        return Output(self.line(masked_mean(*batch.inputs["text"])), batch.inputs)


def _objective_terms(catalog: Catalog, component: Component) -> None:
    if lacking := set(component.needs) - {"logits", "steps"}:
        raise Skip(f"needs {' and '.join(sorted(lacking))}: looked at in the recipes that have it")
    factory, config = _factory(catalog, component)
    context = tiny.context()
    model, batch = _Pooled(context.space), tiny.batch(context, tiny.parts(), 5)
    found = contract.terms(
        [(component.name, factory(config, context, model))],
        model,
        batch,
        model(batch),
        Progress(0, 1, 0, 1, "main"),
    )
    assert torch.isfinite(torch.stack(list(found.values()))).all(), "a term is not finite"
    assert any(term.requires_grad for term in found.values()), (
        f"no term of {', '.join(found)} has a gradient"
    )


def _state(
    make: Callable[[Catalog, Component], Any], catalog: Catalog, component: Component
) -> None:
    made = make(catalog, component)
    module: nn.Module = (
        made[0][0] if isinstance(made, list) else made[0] if isinstance(made, tuple) else made
    )
    other = make(catalog, component)
    twin: nn.Module = (
        other[0][0] if isinstance(other, list) else other[0] if isinstance(other, tuple) else other
    )
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1.0)
    twin.load_state_dict(module.state_dict())
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, twin.state_dict()[name]), (
            f"{name} does not come back from its state"
        )


def _view(check: Callable[[Any, Config], None], catalog: Catalog, component: Component) -> None:
    check(*_factory(catalog, component))


def metric(definition: MetricDef) -> None:
    """It makes a number of every kind of task that it is for."""
    for kind in definition.kinds:
        task = next(iter(tiny.corpus(kind).tasks.values()))
        draw, rows = np.random.default_rng(0), len(task.target)
        shares = draw.random((rows, len(task.space.words)))
        p = draw.normal(size=rows) if kind == "score" else shares
        values = TaskMetrics(task.space, [definition]).evaluate(task.target, p, known=task.known)
        assert values[definition.name] is not None, f"it is undefined for random rows of a {kind}"


def _dataset(catalog: Catalog, component: Component) -> None:
    if component.folder:
        raise Skip("read from a folder of the user's")
    factory, config = _factory(catalog, component)
    corpus: Corpus = factory(config).load()
    size = len(corpus)
    assert len(set(corpus.ids.tolist())) == size, "ids are not unique"
    for name, task in corpus.tasks.items():
        assert len(task.target) == size and np.isfinite(task.target).all(), (
            f"task {name}: targets are not {size} finite values"
        )
    for stream in corpus.streams.values():
        end = stream.start + stream.length
        assert (
            len(end) == size
            and (stream.length >= 0).all()
            and (end[stream.length > 0] <= len(stream.values)).all()
        ), f"stream {stream.name} points beyond its values"
    for name, protocol in corpus.protocols.items():
        assert set(protocol.streams) <= set(corpus.streams), (
            f"protocol {name} offers a stream that is not there"
        )
        for split in protocol.splits:
            rows = np.concatenate([split.train, split.valid, split.test])
            assert len(set(rows.tolist())) == len(rows), (
                f"protocol {name}: a row stands in two splits"
            )
            assert min(len(split.train), len(split.valid), len(split.test)) > 0, (
                f"protocol {name}: an empty split"
            )
    again: Corpus = factory(config).load()
    assert all(
        np.array_equal(again.streams[n].values, s.values) for n, s in corpus.streams.items()
    ), "loading twice gives other values"


_ROWS = {
    "padding invariance": "padding",
    "batch permutation": "permutation",
    "a row alone": "alone",
    "missing modality is finite": "missing",
}
_BY_KIND: dict[str, dict[str, Callable[[Catalog, Component], None]]] = {
    "encoder": {
        "keeps what can be kept": _encoder_kept,
        "declared width": _encoder_width,
        **{name: partial(_encoder_rows, check) for name, check in _ROWS.items()},
        "gradient reaches every parameter": _encoder_gradient,
        "state round-trips": partial(_state, _encoder),
    },
    "label-encoder": {
        "declared width": _label_width,
        "another label space": _label_space,
        "state round-trips": partial(_state, _label_encoder),
    },
    "fusion": {
        "declared width": _fusion_width,
        **{name: partial(_fusion_rows, check) for name, check in _ROWS.items()},
        "gradient reaches every parameter": _fusion_gradient,
        "state round-trips": partial(_state, _fusions),
    },
    "objective": {"terms of the loss": _objective_terms},
    "view": {
        "drawn from its generator": partial(_view, view_checks.is_seeded),
        "padding invariance": partial(_view, view_checks.is_blind_to_padding),
    },
    "head": {
        "logits": _head_shape,
        "gradient reaches every parameter": _head_gradient,
        "state round-trips": partial(_state, _heads),
    },
}

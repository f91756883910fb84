"""A stored run restored: its spec to a plan, its weights into a model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from merbench.api import Corpus, Lexicon, RequestError
from merbench.api.first_line import first_line
from merbench.engine.build import Problem, build
from merbench.engine.plan.plan import Plan, Request
from merbench.engine.plan.settings import SINGLE
from merbench.engine.plan.start_weights import Start
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.engine.training.evaluate import weights_digest
from merbench.host.catalog import Catalog
from merbench.results.records.sealed import DamagedError, check, seal
from merbench.results.spec import RunSpec


def plan_of(spec: RunSpec, catalog: Catalog, corpus: Corpus, lexicon: Lexicon | None) -> Plan:
    """The plan whose spec this is; on the same data its runs have the same ids. RequestError where
    that cannot be had here.

    Of a run that started from another's weights it lacks that start: ``restore`` needs none.
    """
    settings = _settings_of(spec)
    known = spec.task in corpus.offered and spec.protocol in corpus.protocols
    usual = corpus.default_streams(spec.task, spec.protocol) if known else ()
    unusual = {m: name for m, name in spec.streams.items() if name not in usual}
    request = Request(
        model=spec.model,
        task=spec.task,
        protocol=spec.protocol,
        settings=settings,
        options=dict.fromkeys(settings, "settings of its spec"),
        streams=unusual,  # type: ignore[arg-type]
        modalities=tuple(spec.streams),  # type: ignore[arg-type]
        ablations=tuple(name for name in spec.ablation.split("+") if name),
        thresholds=spec.thresholds,
        labels=spec.labels,
        missing=spec.missing,
        allow_leak=spec.allow_leak,
        start=Start(spec.init_from) if spec.init_from else None,
    )
    name = f"{spec.model} {spec.ablation}".strip()
    try:
        plan = resolve(request, catalog, corpus, lexicon)
    except RequestError as error:
        raise RequestError(
            f"the stored run of {name} cannot be made again with what is here: {error}"
        ) from error
    # Records of before may have a policy as it was typed, by which their rows were drawn.
    as_stored: dict[str, Any] = {"labels": spec.labels, "thresholds": spec.thresholds}
    if spec.init_from:  # whose own leaks are not looked for again
        as_stored["allow_leak"] = spec.allow_leak
    plan = dataclasses.replace(plan, spec=plan.spec.model_copy(update=as_stored))
    if plan.spec != spec:
        changed = [
            field
            for field in RunSpec.model_fields
            if getattr(plan.spec, field) != getattr(spec, field)
        ]
        raise RequestError(
            f"the stored run of {name} cannot be made again: "
            f"its {', '.join(changed)} are others today; run the model anew"
        )
    return plan


def _settings_of(spec: RunSpec) -> dict[str, Any]:
    """Every part, field and stage of a spec by its dotted name."""
    settings: dict[str, Any] = dict.fromkeys(SINGLE)
    objectives = []
    for slot, part in spec.parts.items():
        if slot.startswith("objective."):
            objectives.append(part.name)
        elif not slot.startswith("view."):
            settings[slot] = part.name
        settings |= {f"{slot}.{field}": value for field, value in part.config.items()}
    settings["objective"] = objectives
    settings |= {f"view.{name}": transforms for name, transforms in spec.views.items()}
    train = spec.train.model_dump(mode="json")
    settings |= {f"train.{field}": value for field, value in train.items()}
    for stage in spec.stages:
        stage_settings = dict(stage["settings"])
        if stage["epochs"] is not None and not stage.get("within"):
            stage_settings["epochs"] = stage["epochs"]
        settings |= {
            f"stage.{stage['name']}.{field}": value for field, value in stage_settings.items()
        }
    return settings


def save(plan: Plan, problem: Problem, digest: str) -> bytes:
    """The trained weights as a safetensors file, with the ``weights_digest`` of the whole model.

    Without what is known by its hash: frozen parameters of pretrained parts, and the buffers beside
    them.
    """
    known = _known_by_hash(plan, problem)
    state = problem.model.state_dict()
    # Copies, because tensors that share memory cannot be written.
    tensors = {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in state.items()
        if name not in known
    }
    return seal(lambda metadata: safetensors.torch.save(tensors, metadata), {"sha256": digest})


def restore(plan: Plan, fold: Fold, seed: int, weights: Path, device: torch.device) -> Problem:
    """What ``build`` makes, with the weights of a stored run. RequestError where they are not whole
    or not of this plan and seed.
    """
    try:
        check(weights)
        with safe_open(weights, framework="pt") as file:
            digest = (file.metadata() or {}).get("sha256")
            names = file.keys()  # no dict, so it cannot be iterated itself
            state = {name: file.get_tensor(name) for name in names}
        problem = build(plan, fold, seed, device, state)
        missing, unexpected = problem.model.load_state_dict(state, strict=False)
    except (OSError, DamagedError, SafetensorError, RuntimeError) as error:
        reason = first_line(error)
        raise RequestError(
            f"the weights {weights} cannot be loaded ({reason}); run again with --force"
        ) from error
    # A run that read the output of its frozen encoders from the cache had none of their tensors.
    cached = tuple(f"encoders.{m}." for m in plan.streams if plan.parts[f"encoder.{m}"].fixed)
    lacking = {name for name in missing if not name.startswith(cached)} - _known_by_hash(
        plan, problem
    )
    if (
        unexpected
        or lacking
        or digest not in (weights_digest(problem.model), weights_digest(problem.model, cached))
    ):
        raise RequestError(
            f"the weights {weights} are not those of {plan.spec.model} as it is built here: "
            "its source, its pretrained files or the "
            "vocabulary have changed since; run again with --force"
        )
    return problem


def _known_by_hash(plan: Plan, problem: Problem) -> set[str]:
    model: Any = problem.model
    parts = {
        id(model) if slot == "model" else id(getattr(model, slot, None))
        for slot in SINGLE
        if _starts_from_files(plan, slot)
    }
    parts |= {
        id(encoder)
        for m, encoder in problem.encoders.items()
        if _starts_from_files(plan, f"encoder.{m}")
    }
    known = set()
    for prefix, part in model.named_modules():
        if id(part) in parts:
            known |= {f"{prefix}.{name}".lstrip(".") for name in _frozen(part)}
    return known


def _starts_from_files(plan: Plan, slot: str) -> bool:
    return slot in plan.parts and bool(plan.parts[slot].pretrained)


def _frozen(part: nn.Module) -> set[str]:
    names = set()
    for prefix, module in part.named_modules():
        own_parameters = dict(module.named_parameters(recurse=False))
        if own_parameters and not any(p.requires_grad for p in own_parameters.values()):
            names |= {
                f"{prefix}.{name}".lstrip(".")
                for name in (*own_parameters, *dict(module.named_buffers(recurse=False)))
            }
    return names

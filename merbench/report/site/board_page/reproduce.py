"""The command that makes a row's runs again, with every setting spelled out, so that later defaults
change nothing.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from merbench.results.spec import RunSpec

_PARTS = ("fusion", "head", "label_encoder")


def command(spec: RunSpec, seeds: Sequence[int]) -> str:
    """One line for a shell."""
    return " ".join(phrases(spec, seeds))


def phrases(spec: RunSpec, seeds: Sequence[int]) -> list[str]:
    """The command, then each option with its value, as a shell reads them. Outside predictions are
    not made again, but scored again.
    """
    words = _score(spec, seeds) if "predictions" in spec.parts else _run(spec, seeds)
    starts = [place for place, word in enumerate(words) if word.startswith("--")]
    ends = [*starts, len(words)]
    return [shlex.join(words[start:end]) for start, end in pairwise([0, *ends])]


def _run(spec: RunSpec, seeds: Sequence[int]) -> list[str]:
    words = ["merbench", "run", "--model", spec.model, "--dataset", spec.dataset]
    words += ["--task", spec.task, "--protocol", spec.protocol]
    words += ["--modalities", ",".join(spec.streams)] if spec.streams else []
    for name in filter(None, spec.ablation.split("+")):
        words += ["--ablation", name]
    for modality, stream in spec.streams.items():
        words += ["--stream", f"{modality}={stream}"]
    words += _parts(spec)
    words += _settings("train", spec.train.model_dump(mode="json"))
    for stage in spec.stages:
        words += _stage(stage)
    words += ["--labels", spec.labels] if spec.labels else []
    words += ["--missing", spec.missing] if spec.missing else []
    words += _thresholds(spec)
    words += ["--allow-leak"] if spec.allow_leak else []
    words += ["--init-from", spec.init_from] if spec.init_from else []
    if list(seeds) == list(range(len(seeds))):
        return [*words, "--seeds", str(len(seeds))]
    return [*words, *_seeds(seeds)]


def _parts(spec: RunSpec) -> list[str]:
    words = []
    if "model" not in spec.parts:
        for slot in _PARTS:
            name = spec.parts[slot].name if slot in spec.parts else "none"
            words += ["--part", f"{slot.replace('_', '-')}={name}"]
    objectives = [part.name for slot, part in spec.parts.items() if slot.startswith("objective.")]
    if objectives:
        words += ["--part", f"objective={','.join(objectives)}"]
    for slot, part in spec.parts.items():
        if slot.startswith("encoder."):
            words += ["--encoder", f"{slot.removeprefix('encoder.')}={part.name}"]
        words += _settings(slot, part.config)
    return words


def _stage(stage: Mapping[str, Any]) -> list[str]:
    """A stage's own epochs too: those of ``train``, spelled out, would limit them."""
    own = {} if stage["epochs"] is None else {"epochs": stage["epochs"]}
    return _settings(f"stage.{stage['name']}", {**own, **stage["settings"]})


def _settings(slot: str, config: Mapping[str, Any]) -> list[str]:
    words = []
    for key, value in config.items():
        text = "none" if value is None else json.dumps(value, ensure_ascii=False)
        words += ["--set", f"{slot}.{key}={text}"]
    return words


def _thresholds(spec: RunSpec) -> list[str]:
    return [] if spec.thresholds == "fixed:0.5" else ["--thresholds", spec.thresholds]


def _seeds(seeds: Sequence[int]) -> list[str]:
    return [word for seed in seeds for word in ("--seed", str(seed))]


def _score(spec: RunSpec, seeds: Sequence[int]) -> list[str]:
    words = ["merbench", "score", *(f"seed{seed}.csv" for seed in seeds)]
    words += ["--dataset", spec.dataset, "--task", spec.task, "--protocol", spec.protocol]
    words += [*_seeds(seeds), "--name", spec.model, "--about", "about.toml"]
    return words + _thresholds(spec)

"""The command that makes a row's runs again, with every setting spelled out, so that later defaults
change nothing.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
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
    words = [
        "merbench",
        "run",
        "--model",
        spec.model,
        "--dataset",
        spec.dataset,
        "--task",
        spec.task,
        "--protocol",
        spec.protocol,
    ]
    words += ["--modalities", ",".join(spec.streams)] if spec.streams else []
    words += [w for name in spec.ablation.split("+") if name for w in ("--ablation", name)]
    words += [
        w for modality, stream in spec.streams.items() for w in ("--stream", f"{modality}={stream}")
    ]
    if "model" not in spec.parts:
        for slot in _PARTS:
            name = spec.parts[slot].name if slot in spec.parts else "none"
            words += ["--part", f"{slot.replace('_', '-')}={name}"]
    if objectives := [
        part.name for slot, part in spec.parts.items() if slot.startswith("objective.")
    ]:
        words += ["--part", f"objective={','.join(objectives)}"]
    for slot, part in spec.parts.items():
        if slot.startswith("encoder."):
            words += ["--encoder", f"{slot.removeprefix('encoder.')}={part.name}"]
        words += [
            w
            for key, value in part.config.items()
            for w in ("--set", f"{slot}.{key}={_said(value)}")
        ]
    words += [
        w
        for key, value in spec.train.model_dump(mode="json").items()
        for w in ("--set", f"train.{key}={_said(value)}")
    ]
    if spec.thresholds != "fixed:0.5":
        words += ["--thresholds", spec.thresholds]
    if spec.allow_leak:
        words.append("--allow-leak")
    if spec.init_from:
        words += ["--init-from", spec.init_from]
    if list(seeds) == list(range(len(seeds))):
        words += ["--seeds", str(len(seeds))]
    else:
        words += [w for seed in seeds for w in ("--seed", str(seed))]
    return words


def _score(spec: RunSpec, seeds: Sequence[int]) -> list[str]:
    words = ["merbench", "score", *(f"seed{seed}.csv" for seed in seeds)]
    words += ["--dataset", spec.dataset, "--task", spec.task, "--protocol", spec.protocol]
    words += [word for seed in seeds for word in ("--seed", str(seed))]
    words += ["--name", spec.model, "--about", "about.toml"]
    if spec.thresholds != "fixed:0.5":
        words += ["--thresholds", spec.thresholds]
    return words


def _said(value: Any) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False)

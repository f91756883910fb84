"""The command that makes a row's runs again, with every setting spelled out, so that later defaults change nothing."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from merbench.results.spec import RunSpec

_PARTS = ("fusion", "head", "label_encoder")


def command(spec: RunSpec, seeds: Sequence[int]) -> str:
    """One line for a shell. A variant whose name is no ``no-X`` is made by ``merbench ablate``, beside the full model."""
    variants = [name for name in spec.variant.split("+") if name]
    words = ["merbench", "ablate" if any(not v.startswith("no-") for v in variants) else "run", "--model", spec.model]
    words += ["--dataset", spec.dataset, "--task", spec.task, "--protocol", spec.protocol, "--modalities", ",".join(spec.streams)]
    words += [w for v in variants for w in ([f"--{v}"] if words[1] == "run" else ["--variant", v])]
    words += [w for modality, stream in spec.streams.items() for w in ("--stream", f"{modality}={stream}")]
    if "model" not in spec.parts:
        for slot in _PARTS:
            words += ["--part", f"{slot.replace('_', '-')}={spec.parts[slot].name if slot in spec.parts else 'none'}"]
    for slot, part in spec.parts.items():
        if slot.startswith("encoder."):
            words += ["--encoder", f"{slot.removeprefix('encoder.')}={part.name}"]
        words += [w for key, value in part.config.items() for w in ("--set", f"{slot}.{key}={_said(value)}")]
    words += [w for key, value in spec.train.model_dump(mode="json").items() for w in ("--set", f"train.{key}={_said(value)}")]
    if spec.thresholds != "fixed:0.5":
        words += ["--thresholds", spec.thresholds]
    if spec.allow_leak:
        words.append("--allow-leak")
    if list(seeds) == list(range(len(seeds))):
        words += ["--seeds", str(len(seeds))]
    else:
        words += [w for seed in seeds for w in ("--seed", str(seed))]
    return shlex.join(words)


def _said(value: Any) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False)

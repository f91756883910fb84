"""What a run cost: time, memory, parameters."""

from __future__ import annotations

import resource
import sys

import torch

from merbench.engine.build import Problem
from merbench.results.records.record import Cost


def cost_of(problem: Problem, device: torch.device, seconds: float) -> Cost:
    parameters = list(problem.model.parameters())
    return Cost(
        seconds=seconds,
        gpu_seconds=seconds if device.type == "cuda" else 0.0,
        peak_bytes=_peak_bytes(device),
        parameters=sum(p.numel() for p in parameters),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
    )


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

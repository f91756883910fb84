"""Where runs are made: device, threads, determinism, cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from merbench.api import RequestError
from merbench.api.events import Watch, ignore
from merbench.data.encoder_cache.cache import Cache, cache_home
from merbench.engine.plan.plan import Plan
from merbench.engine.rows.encode import with_cached
from merbench.engine.rows.missing import takes_steps
from merbench.runs.waiting_threads import MOST_THREADS

Determinism = Literal["prefer", "strict", "off"]
"""``prefer``: deterministic kernels where torch has them. ``strict``: an operation that has none
fails. ``off``: the fastest.
"""


@dataclass(frozen=True)
class Machine:
    """Not part of a run's identity; it stands in the record."""

    device: torch.device
    threads: int
    determinism: Determinism = "prefer"
    cache: Cache | None = None
    """Where outputs of frozen encoders are kept; None = they are computed again for every batch."""

    @classmethod
    def choose(
        cls,
        device: str = "auto",
        threads: int | None = None,
        jobs: int = 1,
        determinism: Determinism = "prefer",
    ) -> Machine:
        """``auto`` is the GPU where there is one. ``threads`` are those of one process; by default
        at most 4, and ``jobs`` share the cores.

        Threads are capped, so that runs side by side do not starve each other.
        """
        # Asking the driver itself would keep processes that are forked later from using the GPU.
        os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
        has_cuda = torch.cuda.is_available()
        if device == "cuda" and not has_cuda:
            raise RequestError(
                "--device cuda: torch sees no GPU here; "
                "merbench doctor says more, and --device cpu runs without"
            )
        kind = ("cuda" if has_cuda else "cpu") if device == "auto" else device
        if kind == "cuda" and determinism != "off":
            os.environ.setdefault(
                "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
            )  # cuBLAS is deterministic with a workspace of fixed size
        cache = Cache(cache_home(os.environ))
        machine = cls(
            torch.device(kind),
            threads or max(1, min(MOST_THREADS, torch.get_num_threads() // jobs)),
            determinism,
            cache,
        )
        machine.prepare()
        return machine

    @property
    def parsed_code(self) -> Path | None:
        """Where ``code_digest`` finds what another process parsed."""
        return self.cache.root / "code.json" if self.cache else None

    def encoded(self, plan: Plan, watch: Watch = ignore) -> Plan:
        """The plan with the cache, where there is one, in the place of its frozen encoders."""
        # Of a transcript with words taken out, an encoder makes something else of the others too.
        if self.cache is None or takes_steps(plan.spec.missing):
            return plan
        return with_cached(plan, self.cache, self.device, watch)

    def prepare(self) -> None:
        """Set this process up as the machine says."""
        torch.set_num_threads(self.threads)
        # `use_deterministic_algorithms` does the same and imports torch's compiler, seconds of it.
        torch.set_deterministic_debug_mode(
            {"off": "default", "prefer": "warn"}.get(self.determinism, "error")
        )

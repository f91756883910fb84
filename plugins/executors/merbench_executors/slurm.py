"""Slurm through submitit: each call a job of one array. The store, and the folder of the logs in
it, must be shared by the nodes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from merbench.api import Config
from merbench_executors.extra import extra, one_line

MARGIN_MINUTES = 2
"""submitit interrupts a job 90 s before Slurm's limit, and a local one 30 s before its own."""


class Slurm:
    """``jobs`` of the array run at once. Logs of the jobs lie in the store's folder ``slurm``."""

    class Config(Config):
        cluster: Literal["slurm", "local"] = "slurm"
        """``local``: submitit's processes on this machine in place of Slurm. Its ``debug`` is not
        offered, because it opens a debugger where a run fails.
        """
        minutes: Annotated[int, Field(ge=1)] = 120
        """Time limit of one run."""
        cpus: Annotated[int, Field(ge=1)] = 1
        """CPU cores of each job."""
        gpus: Annotated[int, Field(ge=0)] = 0
        """GPUs of each job; 0 = none."""
        memory_gb: Annotated[float, Field(gt=0)] = 8.0
        """Memory of each job, in gigabytes."""
        partition: str | None = None
        """Slurm partition of the jobs; None = the cluster's default."""
        account: str | None = None
        """Slurm account that the jobs are charged to; None = the user's default."""
        poll_seconds: Annotated[float, Field(gt=0)] = 5.0
        """How often the jobs are polled."""

    def __init__(self, config: Config, jobs: int, folder: Path) -> None:
        self.config, self.jobs, self.folder = config, jobs, folder / "slurm"

    def __call__(
        self, work: Callable[[Any], object], tasks: Sequence[Any]
    ) -> Iterator[tuple[Any, str | None] | None]:
        submitit = extra("submitit", "slurm")
        config = self.config
        executor = submitit.AutoExecutor(folder=self.folder, cluster=config.cluster)
        executor.update_parameters(
            name="merbench",
            timeout_min=config.minutes + MARGIN_MINUTES,
            cpus_per_task=config.cpus,
            gpus_per_node=config.gpus,
            mem_gb=config.memory_gb,
            slurm_array_parallelism=self.jobs,
            **{
                f"slurm_{key}": value
                for key in ("partition", "account")
                if (value := getattr(config, key))
            },
        )
        # submitit's local form starts all that it is given at once, so it is given as many as may
        # run.
        size = self.jobs if config.cluster == "local" else len(tasks)
        for first in range(0, len(tasks), size):
            part = tasks[first : first + size]
            running = dict(zip(executor.map_array(work, part), part, strict=True))
            while running:
                for job in [job for job in running if job.done()]:
                    error = job.exception()
                    yield running.pop(job), None if error is None else one_line(error)
                if running:
                    yield None
                    time.sleep(config.poll_seconds)

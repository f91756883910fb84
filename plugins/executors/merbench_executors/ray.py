"""Ray: each call a task in a worker process of a cluster, or of this machine where no address is
given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from merbench.api import Config
from merbench_executors.extra import extra


class Ray:
    """``jobs`` tasks at once. A call that is tried again is the caller's business, so Ray itself
    tries none twice.
    """

    class Config(Config):
        address: str | None = None
        """Of a running cluster, such as ``auto``; None starts Ray on this machine for the time of
        the study.
        """
        cpus: Annotated[float, Field(gt=0)] = 1.0
        """CPUs that one run takes."""
        gpus: Annotated[float, Field(ge=0)] = 0.0
        """Share of a GPU that one run takes."""

    def __init__(self, config: Config, jobs: int, folder: Path) -> None:
        self.config, self.jobs = config, jobs

    def __call__(
        self, work: Callable[[Any], object], tasks: Sequence[Any]
    ) -> Iterator[tuple[Any, str | None] | None]:
        ray = extra("ray", "ray")
        config = self.config
        begun = not ray.is_initialized()
        if begun:
            here = (
                {}
                if config.address
                else {
                    "num_cpus": max(1, round(self.jobs * config.cpus)),
                    "include_dashboard": False,
                }
            )
            ray.init(address=config.address, log_to_driver=False, configure_logging=False, **here)
        try:

            @ray.remote(num_cpus=config.cpus, num_gpus=config.gpus, max_retries=0)
            def call(task: Any) -> None:
                work(task)

            waiting, running = list(reversed(tasks)), {}
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    task = waiting.pop()
                    running[call.remote(task)] = task
                ended, _ = ray.wait(list(running), timeout=0.5)
                if not ended:
                    yield None
                for reference in ended:
                    task = running.pop(reference)
                    try:
                        ray.get(reference)
                    except ray.exceptions.RayError as error:
                        yield task, f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}"
                    else:
                        yield task, None
        finally:
            if begun:
                ray.shutdown()

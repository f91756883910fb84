"""Ray: each call a task in a worker process of a cluster, or of this machine where no address is
given.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from merbench.api import Config, RequestError
from merbench_executors.extra import extra, one_line


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
        """Share of a GPU that is reserved for one run. With 0 none is reserved and none is hidden:
        runs share what their machine has, as those of ``--jobs`` do; ``--device cpu`` uses none.
        """

    def __init__(self, config: Config, jobs: int, folder: Path) -> None:
        self.config, self.jobs = config, jobs

    def __call__(
        self, work: Callable[[Any], object], tasks: Sequence[Any]
    ) -> Iterator[tuple[Any, str | None] | None]:
        ray = extra("ray", "ray")
        config = self.config
        starts_ray = not ray.is_initialized()
        if starts_ray:
            self._begin(ray)
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
                        yield task, one_line(error)
                    else:
                        yield task, None
        finally:
            if starts_ray:
                ray.shutdown()

    def _begin(self, ray: Any) -> None:
        """Starts or reaches a cluster. RequestError where that fails."""
        address = self.config.address
        same_machine: dict[str, Any] = {}
        if not address:
            cpus = math.ceil(self.jobs * self.config.cpus)
            same_machine = {"num_cpus": cpus, "include_dashboard": False}
        # Older releases hide all GPUs from a task that asks for none. Its workers inherit this.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False, **same_machine)
        except Exception as error:  # of many kinds, a plain Exception among them
            failed = (
                f"no Ray cluster at {address} can be reached"
                if address
                else ("Ray cannot be started on this machine")
            )
            raise RequestError(
                f"executor ray: {failed} ({one_line(error)}); see its logs in /tmp/ray, try again "
                "when the machine is less busy, or take --executor local"
            ) from error

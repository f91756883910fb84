"""What this package offers to merbench. Imports neither ray nor submitit."""

from merbench.api import Component, hookimpl


@hookimpl
def merbench_components():
    yield Component(
        kind="executor",
        name="local",
        target="merbench_executors.local:Local",
        summary="processes of this machine that share one copy of the data",
    )
    yield Component(
        kind="executor",
        name="slurm",
        target="merbench_executors.slurm:Slurm",
        summary="a job array on a Slurm cluster, through submitit",
    )
    yield Component(
        kind="executor",
        name="ray",
        target="merbench_executors.ray:Ray",
        summary="tasks on a Ray cluster, or on this machine where there is none",
    )

"""What this package offers to merbench. Imports no logging library."""

from merbench.api import Component, hookimpl


@hookimpl
def merbench_components():
    yield Component(
        kind="logger",
        name="tensorboard",
        target="merbench_loggers.tensorboard:TensorBoard",
        summary="event files of TensorBoard in a folder: losses and validation scores by epoch",
    )

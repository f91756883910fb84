"""What this package offers to merbench. Imports no torch."""

from merbench.api import hookimpl


@hookimpl
def merbench_components():
    yield from ()

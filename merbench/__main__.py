"""``python -m merbench`` is the same program as ``merbench``."""

from merbench.cli.program import program

program()

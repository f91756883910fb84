"""``python -m merbench`` is the same program as ``merbench``."""

from merbench.cli.main import main

main()

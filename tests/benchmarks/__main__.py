"""``tox -e bench``: every benchmark, one table of ratios. A machine's seconds mean little; ratios
within one run hold.
"""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from tests.benchmarks import (
    audit,
    board,
    data,
    encode,
    loop,
    memory,
    mmsa,
    mosei_size,
    stack,
    startup,
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    table = Table(title=f"median of {repeats}", box=None, padding=(0, 2, 0, 0))
    for column in ("what", "measured", "target"):
        table.add_column(column)
    for module in (loop, stack, memory, startup, data, mmsa, mosei_size, audit, encode, board):
        for row in module.measure(repeats):
            table.add_row(*row)
    Console(width=140).print(table)


main()

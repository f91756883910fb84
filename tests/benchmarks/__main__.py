"""``tox -e bench``: every benchmark, one table of ratios. A machine's seconds mean little; ratios
within one run hold.
"""

from __future__ import annotations

import argparse
import os
import sys

from rich.console import Console
from rich.table import Table

from tests.benchmarks import (
    audit,
    board,
    data,
    encode,
    loop,
    memory,
    methods,
    mmsa,
    mosei_size,
    page,
    stack,
    startup,
    text_tower,
    tuning,
)

MODULES = {
    "loop": loop,
    "stack": stack,
    "memory": memory,
    "methods": methods,
    "startup": startup,
    "data": data,
    "mmsa": mmsa,
    "mosei_size": mosei_size,
    "text_tower": text_tower,
    "audit": audit,
    "encode": encode,
    "board": board,
    "page": page,
    "tuning": tuning,
}
QUIET = 0.3
"""The load of a machine whose figures count, over the last minute."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("only", nargs="*", choices=list(MODULES), help="default: all")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--loaded", action="store_true", help="measure whatever the load is")
    options = parser.parse_args()
    repeats, (load, _, _) = options.repeats, os.getloadavg()
    if load > QUIET and not options.loaded:
        sys.exit(
            f"the load of this machine is {load:.2f}, and figures count at {QUIET} or less; "
            "try again when it is quiet (or --loaded, for figures that count for nothing)"
        )
    table = Table(title=f"median of {repeats}", box=None, padding=(0, 2, 0, 0))
    for column in ("what", "measured", "target"):
        table.add_column(column)
    for name in options.only or MODULES:
        for row in MODULES[name].measure(repeats):
            table.add_row(*row)
    Console(width=140).print(table)


main()

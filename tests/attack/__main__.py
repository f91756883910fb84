"""``tox -e attack``: every attack at its large size, or ``--scale`` of it, from any ``--seed``; a
table, and exit code 1 where anything fell.
"""

from __future__ import annotations

import argparse
import sys

from tests.attack.attack import Tally, carry_out
from tests.attack.clips import CLIPS
from tests.attack.kills import KILLS
from tests.attack.options import OPTIONS
from tests.attack.pickles import PICKLES
from tests.attack.readers import READERS
from tests.attack.records import RECORDS
from tests.attack.store import STORE

ATTACKS = (KILLS, STORE, RECORDS, READERS, OPTIONS, PICKLES, CLIPS)
WIDTHS = (8, 8, 8, 6, 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these; all where none is named")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="of the large size")
    given = parser.parse_args()
    fell: list[str] = []
    print(_line("attack", "tried", "held", "fell", "seconds"), flush=True)
    for attack in ATTACKS:
        if given.names and attack.name not in given.names:
            continue
        tally: Tally = carry_out(attack, given.seed, max(1, round(attack.large * given.scale)))
        held = tally.tried - len(tally.fell)
        print(
            _line(attack.name, tally.tried, held, len(tally.fell), round(tally.seconds)), flush=True
        )
        fell += [f"{attack.name}: {sentence}" for sentence in tally.fell]
    for sentence in fell[:50]:
        print(sentence.encode("unicode_escape").decode())
    sys.exit(1 if fell else 0)


def _line(*cells: object) -> str:
    return "  ".join(str(cell).rjust(width) for cell, width in zip(cells, WIDTHS, strict=True))


if __name__ == "__main__":
    main()

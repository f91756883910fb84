"""``tox -e attack``: every attack at its large size, or ``--scale`` of it, from any ``--seed``; a
table, and exit code 1 where anything fell.
"""

from __future__ import annotations

import argparse
import faulthandler
import signal
import sys
from pathlib import Path

from tests.attack.attack import Attack, Tally, carry_out
from tests.attack.clips import CLIPS
from tests.attack.journal import Journal, commit, total
from tests.attack.kills import KILLS
from tests.attack.options import OPTIONS
from tests.attack.pickles import PICKLES
from tests.attack.readers import READERS
from tests.attack.records import RECORDS
from tests.attack.store import STORE

ATTACKS = {a.name: a for a in (KILLS, STORE, RECORDS, READERS, OPTIONS, PICKLES, CLIPS)}
WIDTHS = (8, 6, 8, 8, 6, 11, 0)
PART = 30.0
"""CPU seconds after which what was tried goes into the journal."""


def main() -> None:
    given = _arguments()
    # A try that hangs ends the process: where it was is printed first.
    faulthandler.register(signal.SIGPROF, chain=True)
    fell: list[str] = []
    print(_line("attack", "seed", "tried", "held", "fell", "CPU seconds", "commit"), flush=True)
    for name in given.names or ATTACKS:
        attack = ATTACKS[name]
        tries = given.tries or max(1, round(attack.large * given.scale))
        if given.journal:
            tally, commits = _in_parts(attack, given.seed, tries, Journal(given.journal))
        else:
            tally, commits = carry_out(attack, given.seed, tries, given.start), commit()
        held, seconds = tally.tried - len(tally.fell), f"{tally.seconds:.1f}"
        cells = (name, given.seed, tally.tried, held, len(tally.fell), seconds, commits)
        print(_line(*cells), flush=True)
        fell += [f"{name}: {sentence}" for sentence in tally.fell]
    for sentence in fell[:50]:
        print(sentence.encode("unicode_escape").decode())
    sys.exit(1 if fell else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"only these of {', '.join(ATTACKS)}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="of the large size")
    parser.add_argument("--tries", type=int, help="in place of --scale")
    parser.add_argument("--start", type=int, default=0, help="the first try, to repeat one")
    parser.add_argument(
        "--journal",
        type=Path,
        help=f"every {PART:.0f} CPU seconds add what was tried to this file; continue after what "
        "it holds of the seed, and print the sum",
    )
    given = parser.parse_args()
    if unknown := sorted({*given.names} - {*ATTACKS}):
        parser.error(f"no attack {unknown[0]!r}; there are {', '.join(ATTACKS)}")
    if given.start < 0 or (given.tries is not None and given.tries < 1) or given.scale <= 0:
        parser.error("--tries is at least 1, --scale above 0, and --start at least 0")
    return given


def _in_parts(attack: Attack, seed: int, tries: int, journal: Journal) -> tuple[Tally, str]:
    while (done := total(journal.parts(attack.name, seed)).tried) < tries:
        tally = carry_out(attack, seed, tries - done, done, limit=PART)
        journal.add(attack.name, seed, done, tally)
    parts = journal.parts(attack.name, seed)
    return total(parts), " ".join(dict.fromkeys(part.commit for part in parts))


def _line(*cells: object) -> str:
    return "  ".join(str(cell).rjust(width) for cell, width in zip(cells, WIDTHS, strict=True))


if __name__ == "__main__":
    main()

"""``python -m tests.everywhere``: methods on every data set of this machine, one epoch and one seed
each, in one table.

A cell is ``ok`` with its CPU seconds, or the number of the sentence that refuses it, which stands
below the table. A run that fails in any other way makes the exit code 1. By default the ten related
systems, on the sets of TRACKS, which ``MERBENCH_DATA`` holds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import merbench
from merbench.api import MerbenchError

RELATED = (
    "lsgmer lgca tailor carat memobert mpuc mpuc-tuned mpuc-aside scpnet kggr cmpc-tgfe mcl-ner"
)
TRACKS = {
    "sample": {"dataset": "sample"},
    "sample-emotions": {"dataset": "sample", "task": "emotions"},
    "sample-mentions": {"dataset": "sample", "task": "mentions"},
    "mosi": {"dataset": "mosi", "protocol": "standard"},
    "mosi-folds": {"dataset": "mosi", "protocol": "folds"},
    "mosei": {"dataset": "mosei"},
    "mosei-emotions": {"dataset": "mosei", "task": "emotions"},
    "meld": {"dataset": "meld"},
}


class Table:
    """Cells as they come, and the sentences that they refer to."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.failed = False

    def cell(self, model: str, track: str, store: Path) -> str:
        started = time.process_time()
        try:
            result = merbench.run(
                model,
                seeds=1,
                settings={"train.epochs": 1},
                store=store,
                threads=1,
                **TRACKS[track],
            )
        except MerbenchError as refusal:
            return f"refused ({self._number(str(refusal))})"
        except Exception as fault:  # whatever else comes is what this looks for
            self.failed = True
            return f"FAILED ({self._number(f'{type(fault).__name__}: {fault}')})"
        if result.failed:
            self.failed = True
            return f"FAILED ({self._number(str(result.failed[0].error))})"
        return f"ok {time.process_time() - started:.0f} s"

    def _number(self, sentence: str) -> int:
        if sentence not in self.sentences:
            self.sentences.append(sentence)
            print(sentence, file=sys.stderr, flush=True)
        return self.sentences.index(sentence) + 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--models", default=RELATED.replace(" ", ","), help="with commas")
    parser.add_argument("--tracks", default=",".join(TRACKS), help="with commas")
    options = parser.parse_args()
    tracks, table = options.tracks.split(","), Table()
    print(f"| method | {' | '.join(tracks)} |")
    print("|---" * (len(tracks) + 1) + "|", flush=True)
    with tempfile.TemporaryDirectory() as store:
        for model in options.models.split(","):
            cells = [table.cell(model, track, Path(store)) for track in tracks]
            print(f"| {model} | {' | '.join(cells)} |", flush=True)
    for number, sentence in enumerate(table.sentences, 1):
        print(f"{number}. {sentence}")
    sys.exit(table.failed)


if __name__ == "__main__":
    main()

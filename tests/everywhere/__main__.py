"""``python -m tests.everywhere``: methods on every data set of this machine, one epoch and one seed
each, in one table.

A cell is ``ok`` with its CPU seconds, or the number of the sentence that refuses it, which stands
below the table. Where that sentence names a setting that helps, ``(label_encoder.text=gloss)``, the
run is asked for again with it. A run that fails in any other way makes the exit code 1. By default
the ten related systems, on the sets of TRACKS, which ``MERBENCH_DATA`` holds.
"""

from __future__ import annotations

import argparse
import re
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
    "mosei-emotion": {"dataset": "mosei", "task": "emotion_argmax"},
    "meld": {"dataset": "meld"},
}


class Table:
    """Cells as they come, and the sentences that they refer to."""

    def __init__(self, labels: str) -> None:
        self.labels = labels
        self.sentences: list[str] = []
        self.failed = False

    def cell(self, model: str, track: str, store: Path) -> str:
        try:
            return self._run(model, track, store)
        except MerbenchError as refusal:
            refused = f"refused ({self._number(str(refusal))})"
            way_out = re.search(r"\((\w+\.\w+)=(\w+)\)", str(refusal))
        except Exception as fault:  # whatever else comes is what this looks for
            return self._failed(f"{type(fault).__name__}: {fault}")
        if not way_out:
            return refused
        try:
            return f"{refused}; then {self._run(model, track, store, dict([way_out.groups()]))}"
        except Exception as fault:  # a way out that is none
            return self._failed(f"{way_out[0]}: {fault}")

    def _run(self, model: str, track: str, store: Path, way_out: dict | None = None) -> str:
        started = time.process_time()
        settings = {"train.epochs": 1, **(way_out or {})}
        result = merbench.run(
            model,
            seeds=1,
            settings=settings,
            labels=self.labels,
            store=store,
            threads=1,
            **TRACKS[track],
        )
        if result.failed:
            return self._failed(str(result.failed[0].error))
        return f"ok {time.process_time() - started:.0f} s"

    def _failed(self, sentence: str) -> str:
        self.failed = True
        return f"FAILED ({self._number(sentence)})"

    def _number(self, sentence: str) -> int:
        if sentence not in self.sentences:
            self.sentences.append(sentence)
            print(sentence, file=sys.stderr, flush=True)
        return self.sentences.index(sentence) + 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--models", default=RELATED.replace(" ", ","), help="with commas")
    parser.add_argument("--tracks", default=",".join(TRACKS), help="with commas")
    parser.add_argument("--labels", default="", help="such as keep:0.05, for fewer train rows")
    options = parser.parse_args()
    tracks, table = options.tracks.split(","), Table(options.labels)
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

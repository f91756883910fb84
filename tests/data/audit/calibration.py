"""How often the leak audit accuses an honest stream, at the shapes of real data sets.

    MERBENCH_DATA=FOLDER python -m tests.data.audit.calibration --draws 200

Videos, rows of each video and labels are a real data set's; only the stream is drawn. Every target
that the audit would look at is looked at (MELD: seven emotions and a sentiment).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from merbench.api import Corpus, Stream
from merbench.data.audit.feature_values import scan
from merbench.data.audit.leaks import probe_streams, targets
from merbench.data.folder.read import read_folder

NAMES = ("mosi", "mosei", "meld", "sims", "simsv2")
MOST = 0.05
"""False alarms that are accepted, as a share of the draws."""
WIDTH = 8

Law = Callable[[np.random.Generator, Corpus], np.ndarray]


def noise(rng: np.random.Generator, corpus: Corpus) -> np.ndarray:
    """[N, WIDTH] of nothing but noise."""
    return rng.normal(size=(len(corpus.ids), WIDTH))


def speakers(rng: np.random.Generator, corpus: Corpus) -> np.ndarray:
    """[N, WIDTH] of noise around each video's own place and loudness, as voices have."""
    _, video_N = np.unique(corpus.videos, return_inverse=True)
    place_VD = rng.normal(size=(video_N.max() + 1, WIDTH))
    loudness_V = np.exp(0.5 * rng.normal(size=len(place_VD)))
    return place_VD[video_N] + loudness_V[video_N, None] * noise(rng, corpus)


def informed(rng: np.random.Generator, corpus: Corpus) -> np.ndarray:
    """[N, WIDTH]: speakers who also show every target, each in a degree of their own."""
    _, video_N = np.unique(corpus.videos, return_inverse=True)
    goal_NT = np.stack([np.nan_to_num(goal) for goal in targets(corpus.tasks).values()], axis=1)
    goal_NT = (goal_NT - goal_NT.mean(axis=0)) / (goal_NT.std(axis=0) + 1e-9)
    gain_V = np.exp(0.5 * rng.normal(size=video_N.max() + 1))
    shown_ND = goal_NT @ rng.normal(size=(goal_NT.shape[1], WIDTH))
    return speakers(rng, corpus) + 0.3 * gain_V[video_N, None] * shown_ND


LAWS: dict[str, Law] = {
    "noise": noise,
    "speakers who show the label": informed,
    "noise around speakers": speakers,
}


def alarms(corpus: Corpus, law: Law, draws: Sequence[int]) -> int:
    """In how many draws the one stream, which knows no label that it should not, is suspected."""
    suspected = 0
    for seed in draws:
        x_ND = law(np.random.default_rng(seed), corpus).astype(np.float32)
        stream = Stream.of_rows("made", "audio", "features", x_ND)
        suspected += probe_streams(replace(corpus, streams={"made": stream}), {"made": x_ND})[
            0
        ].suspected
    return suspected


def suspected(corpus: Corpus) -> list[str]:
    """The streams that the data set itself has and that look fitted, whatever it declares of them."""
    streams = {name: replace(stream, fitted_on=None) for name, stream in corpus.streams.items()}
    means = {name: scan(s).mean_ND for name, s in streams.items() if s.kind == "features"}
    return [p.stream for p in probe_streams(replace(corpus, streams=streams), means) if p.suspected]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--names", nargs="+", default=NAMES)
    options = parser.parse_args()
    home = Path(os.environ["MERBENCH_DATA"])
    corpora = {name: read_folder(home / name) for name in options.names}
    for name, corpus in corpora.items():
        print(f"{name}: its own streams: {', '.join(suspected(corpus)) or 'none'} suspected")
    for title, law in LAWS.items():
        for name, corpus in corpora.items():
            start = time.process_time()
            found = alarms(corpus, law, range(options.draws))
            seconds = time.process_time() - start
            verdict = "" if found <= MOST * options.draws else f", more than {MOST:.0%}"
            print(
                f"{name}: {title}: suspected in {found} of {options.draws} draws{verdict} "
                f"({seconds:.0f} s)",
                flush=True,
            )


if __name__ == "__main__":
    main()

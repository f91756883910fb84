"""How often intervals cover and tests err, by simulation with seed, video and row effects: ``python
-m tests.report.scores.calibration``.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from merbench.report.scores.statistics import interval, paired_interval, sign_flip, significant
from merbench.results.metrics.score import ERRORS

MAE = ERRORS[0].value


class Effects(NamedTuple):
    """Standard deviations of what a seed, a video, and a seed on a video add to the loss of a row;
    a row adds .2.
    """

    seeds: int
    videos: int
    of_seed: float
    of_video: float
    of_both: float


CASES = (
    Effects(10, 31, 0.1, 0.0, 0.0),
    Effects(10, 31, 0.03, 0.3, 0.1),
    Effects(5, 31, 0.1, 0.1, 0.1),
    Effects(5, 10, 0.02, 0.2, 0.0),
    Effects(10, 31, 0.03, 0.0, 0.1),
)
NULL = Effects(6, 20, 0.05, 0.3, 0.05)


def losses(draw: np.random.Generator, e: Effects, models: int) -> tuple[np.ndarray, np.ndarray]:
    """``(loss [M, S, N], video [N])`` of models with the mean 10 and seeds of their own on the same
    videos and rows.
    """
    video_N = np.repeat(np.arange(e.videos), draw.integers(1, 9, e.videos))
    shared = draw.normal(0, 1, e.videos) * e.of_video
    effect = (
        draw.normal(0, 1, (models, e.seeds, 1)) * e.of_seed
        + shared
        + draw.normal(0, 1, (models, e.seeds, e.videos)) * e.of_both
    )
    return 10 + effect[..., video_N] + draw.normal(0, 0.2, (models, e.seeds, len(video_N))), video_N


def coverage(e: Effects, trials: int, resamples: int = 300, seed: int = 1) -> float:
    """Share of 95 % intervals of one model's mean that hold its true value, for new seeds and
    videos.
    """
    draw, covered = np.random.default_rng(seed), 0
    for _ in range(trials):
        (loss,), video_N = losses(draw, e, 1)
        found = interval(MAE, np.zeros(len(video_N)), loss, video_N, resamples=resamples)
        covered += found.low <= 10 <= found.high
    return covered / trials


def found_significant(
    e: Effects, difference: float, trials: int, resamples: int = 300, seed: int = 0
) -> float:
    """Share of trials in which the whole test (interval and sign-flip) tells a model from one that
    is ``difference`` worse; 0 = A/A.
    """
    draw, found = np.random.default_rng(seed), 0
    for _ in range(trials):
        (a, b), video_N = losses(draw, e, 2)
        b = b + difference
        each = a.mean(axis=-1) - b.mean(axis=-1)
        found += significant(
            paired_interval(MAE, np.zeros(len(video_N)), a, b, video_N, resamples=resamples),
            sign_flip(each),
        )
    return found / trials


def figures(trials: int) -> Iterator[tuple[str, str, str]]:
    """What was simulated, the share, what it should be. Each share has its Monte Carlo error."""
    for e in CASES:
        yield f"coverage: {_said(e)}", _share(coverage(e, trials), trials), "95 % or more"
    for e in (NULL, Effects(10, 31, 0.05, 0.3, 0.05)):
        yield (
            f"A/A found significant: {_said(e)}",
            _share(found_significant(e, 0, trials), trials),
            "at most 5 %",
        )
        for difference in (0.05, 0.1, 0.3):
            yield (
                f"power at a difference of {difference}: {_said(e)}",
                _share(found_significant(e, difference, trials), trials),
                "",
            )


def _said(e: Effects) -> str:
    return f"{e.seeds} seeds (sd {e.of_seed}), {e.videos} videos (sd {e.of_video}), seed x video sd {e.of_both}"


def _share(share: float, trials: int) -> str:
    return f"{100 * share:.1f} ± {196 * math.sqrt(max(share * (1 - share), 1 / trials) / trials):.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    table = Table(
        title="simulated, with the 95 % error of the simulation",
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for heading in ("what", "share", "nominal"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for row in figures(parser.parse_args().trials):
        table.add_row(*row)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()

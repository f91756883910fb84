"""How often intervals cover and tests err, by simulation with seed, video and row effects: ``python
-m tests.report.scores.statistics.calibration``.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from merbench.report.scores.statistics.intervals import Resampler, interval
from merbench.report.scores.statistics.p_values import ALPHA, adjusted, sign_flip
from merbench.results.metrics.regression import ERRORS

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


BOARD = Effects(10, 31, 0.03, 0.15, 0.05)
"""A board of the size of MOSI's: ten seeds, 31 test videos."""
MODELS = 14


def losses(draw: np.random.Generator, e: Effects, models: int) -> tuple[np.ndarray, np.ndarray]:
    """``(loss [M, S, N], video [N])`` of models with the mean 10, on the same videos and rows. Each
    model has effects of its own of seeds, of videos, and of seeds on videos: one video effect that
    all share would cancel in every difference, and hide what a test gets wrong.
    """
    video_N = np.repeat(np.arange(e.videos), draw.integers(1, 9, e.videos))
    effect = (
        draw.normal(0, 1, (models, e.seeds, 1)) * e.of_seed
        + draw.normal(0, 1, (models, 1, e.videos)) * e.of_video
        + draw.normal(0, 1, (models, e.seeds, e.videos)) * e.of_both
    )
    return 10 + effect[..., video_N] + draw.normal(0, 0.2, (models, e.seeds, len(video_N))), video_N


def board(loss: np.ndarray, video_N: np.ndarray, resamples: int) -> np.ndarray:
    """[M, M] where a model is significantly better than another, by the rule of the boards."""
    resampler = Resampler([str(v) for v in video_N], resamples)
    value_MRS = [resampler.values(MAE, np.zeros(len(video_N)), p) for p in loss]
    pairs, tests, means = list(combinations(range(len(loss)), 2)), [], []
    for a, b in pairs:
        difference = resampler.difference(value_MRS[a], value_MRS[b])
        tests.append((sign_flip(value_MRS[a][0] - value_MRS[b][0]), difference.p))
        means.append(difference.mean)
    better = np.zeros((len(loss), len(loss)), dtype=bool)
    for (a, b), mean, p in zip(pairs, means, adjusted(tests), strict=True):
        better[(a, b) if mean < 0 else (b, a)] = p < ALPHA
    return better


def false_ranks(e: Effects, trials: int, models: int = MODELS, seed: int = 0) -> float:
    """Family-wise error: share of boards of equal models on which any two are separated."""
    draw = np.random.default_rng(seed)
    return float(np.mean([board(*losses(draw, e, models), 300).any() for _ in range(trials)]))


def power(e: Effects, difference: float, trials: int, models: int = MODELS, seed: int = 0) -> float:
    """Share of the other models from which one model that is ``difference`` better is separated."""
    draw, significant = np.random.default_rng(seed), 0.0
    for _ in range(trials):
        loss, video_N = losses(draw, e, models)
        loss[0] -= difference
        significant += board(loss, video_N, 300)[0].sum() / (models - 1)
    return significant / trials


def coverage(e: Effects, trials: int, resamples: int = 300, seed: int = 1) -> float:
    """Share of 95 % intervals of one model's mean that hold its true value, for new seeds and
    videos.
    """
    draw, covered = np.random.default_rng(seed), 0
    for _ in range(trials):
        (loss,), video_N = losses(draw, e, 1)
        ends = interval(MAE, np.zeros(len(video_N)), loss, video_N, resamples=resamples)
        covered += ends.low <= 10 <= ends.high
    return covered / trials


def found_significant(
    e: Effects, difference: float, trials: int, resamples: int = 300, seed: int = 0
) -> float:
    """Share of trials in which the whole test (interval and sign-flip) tells a model from one that
    is ``difference`` worse; 0 = A/A.
    """
    draw, n_significant = np.random.default_rng(seed), 0
    for _ in range(trials):
        loss, video_N = losses(draw, e, 2)
        loss[1] += difference
        n_significant += board(loss, video_N, resamples).any()
    return n_significant / trials


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


def boards(trials: int) -> Iterator[tuple[str, str, str]]:
    for e in (BOARD, BOARD._replace(seeds=5), BOARD._replace(videos=12)):
        yield (
            f"boards of {MODELS} equal models with a false separation: {_said(e)}",
            _share(false_ranks(e, trials), trials),
            "at most 5 %",
        )
    for difference in (0.05, 0.1, 0.15, 0.2, 0.3):
        few = max(50, trials // 5)
        share = power(BOARD, difference, few)
        yield (
            f"of the other {MODELS - 1} separated from one that is {difference} better: {_said(BOARD)}",
            _share(share, few),
            "",
        )


def _said(e: Effects) -> str:
    return f"{e.seeds} seeds (sd {e.of_seed}), {e.videos} videos (sd {e.of_video}), seed x video sd {e.of_both}"


def _share(share: float, trials: int) -> str:
    return f"{100 * share:.1f} ± {196 * math.sqrt(max(share * (1 - share), 1 / trials) / trials):.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--boards", action="store_true", help="Whole boards alone.")
    table = Table(
        title="simulated, with the 95 % error of the simulation",
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for heading in ("what", "share", "nominal"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    given = parser.parse_args()
    simulated = boards(given.trials)
    for row in simulated if given.boards else (*simulated, *figures(given.trials)):
        table.add_row(*row)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()

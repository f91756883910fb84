"""Pictures of a search, as SVG that is the same to the byte each time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any, Literal

import matplotlib
from matplotlib.figure import Figure

from merbench.report.pictures.plots import STYLE, svg


@dataclass(frozen=True)
class Tried:
    """One finished trial: ``value`` (None where it failed), ``curve`` of (epoch, value) as reported
    while it trained.
    """

    state: Literal["complete", "pruned", "failed"]
    value: float | None
    curve: Sequence[tuple[int, float]] = ()


COLOURS = {"complete": "tab:blue", "pruned": "tab:orange", "failed": "tab:red"}


def best_of_n(values: Sequence[float], higher_is_better: bool) -> list[float]:
    """Expected best of n values drawn without replacement from the N given, for n = 1 to N.

    With the values in order from worst to best, value i (from 1) is the best of n in comb(i - 1, n
    - 1) of comb(N, n) draws. It is the curve of Dodge et al. 2019 (1909.03004, section 3), whose
    draws are with replacement and biased (Tang et al. 2020, 2004.13705).
    """
    ordered = sorted(values, reverse=not higher_is_better)
    total = len(ordered)
    return [
        sum(comb(i - 1, n - 1) * v for i, v in enumerate(ordered, 1)) / comb(total, n)
        for n in range(1, total + 1)
    ]


def history(trials: Sequence[Tried], metric: str, higher_is_better: bool) -> bytes:
    """Every trial in the order in which it was drawn, and the best so far."""

    def draw(axes: Any) -> None:
        worst = _worst(trials, higher_is_better)
        for state, colour in COLOURS.items():
            points = [
                (i, worst if t.value is None else t.value)
                for i, t in enumerate(trials)
                if t.state == state
            ]
            if points:
                axes.scatter(
                    *zip(*points, strict=True),
                    s=22,
                    color=colour,
                    label=state,
                    marker="x" if state == "failed" else "o",
                )
        best, steps = math.nan, []
        for trial in trials:
            if trial.state == "complete" and trial.value is not None:
                better = max if higher_is_better else min
                best = trial.value if math.isnan(best) else better(best, trial.value)
            steps.append(best)
        axes.step(
            range(len(steps)),
            steps,
            where="post",
            color="black",
            linewidth=1.2,
            label="best so far",
        )
        axes.set_xlabel("trial")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_ylabel(f"valid {metric}")
        axes.legend(frameon=False, fontsize=8)

    return _picture(draw)


def budget(trials: Sequence[Tried], metric: str, higher_is_better: bool) -> bytes:
    """What a budget of n trials may expect. A trial that failed, or was pruned before it reported,
    counts as the worst one.
    """

    def draw(axes: Any) -> None:
        worst = _worst(trials, higher_is_better)
        expected = best_of_n(
            [worst if t.value is None else t.value for t in trials], higher_is_better
        )
        axes.plot(range(1, len(expected) + 1), expected, color="tab:blue", marker="o", markersize=3)
        axes.set_xlabel("trials")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_ylabel(f"expected best valid {metric}")

    return _picture(draw)


def importance(shares: Mapping[str, float], method: str) -> bytes:
    """How much of the trials' differences each setting explains, by ``method``."""

    def draw(axes: Any) -> None:
        names = sorted(shares, key=lambda n: (-shares[n], n))
        axes.barh(range(len(names)), [shares[n] for n in names], color="tab:blue")
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlabel(f"importance ({method})")

    return _picture(draw, height=1.2 + 0.26 * len(shares))


def curves(trials: Sequence[Tried], metric: str, higher_is_better: bool) -> bytes:
    """Best validation score so far over epochs, a line a trial; the best trial in front."""

    def draw(axes: Any) -> None:
        whole = [t for t in trials if t.state == "complete" and t.value is not None]
        best = (max if higher_is_better else min)(whole, key=lambda t: t.value or 0.0, default=None)
        for trial in trials:
            if trial.curve:
                front = trial is best
                colour = "black" if front else COLOURS[trial.state]
                axes.plot(
                    *zip(*trial.curve, strict=True),
                    color=colour,
                    alpha=1.0 if front else 0.45,
                    linewidth=1.8 if front else 0.9,
                )
        axes.set_xlabel("epoch (runs of one trial one after another)")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_ylabel(f"valid {metric}")

    return _picture(draw)


def _worst(trials: Sequence[Tried], higher_is_better: bool) -> float:
    """The worst value of all, 0 where no trial has one."""
    values = [t.value for t in trials if t.value is not None]
    return (min if higher_is_better else max)(values, default=0.0)


def _picture(draw: Callable[[Any], None], height: float = 4.0) -> bytes:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7, height), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        axes.grid(alpha=0.25)
        return svg(figure)

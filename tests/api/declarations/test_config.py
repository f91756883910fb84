"""Settings of parts: what of them is a run's identity."""

from __future__ import annotations

from typing import Annotated

from merbench.api import LATER, Config, TrainConfig, Tune


class Inner(Config):
    width: int = 3
    bias: Annotated[bool, LATER] = True


class Outer(Config):
    inner: Inner = Inner()
    ranges: Annotated[dict[str, float], LATER] = {}
    rate: Annotated[float, LATER, Tune(0.0, 1.0)] = 0.5


def test_a_field_that_came_later_is_left_out_at_its_default():
    assert Outer().identity() == {"inner": {"width": 3}}
    changed = Outer(inner=Inner(bias=False), ranges={"a": 1.0}, rate=0.25)
    assert changed.identity() == changed.model_dump(mode="json")
    assert Outer.tunable() == {"rate": Tune(0.0, 1.0)}


def test_a_field_of_the_first_release_always_counts():
    assert Outer(inner=Inner(width=3)).identity()["inner"] == {"width": 3}
    assert {"epochs", "ema", "precision"} <= TrainConfig().identity().keys()
    assert "stack" not in TrainConfig().identity()

"""Views of encoded modalities, for objectives that compare an utterance with itself changed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from merbench.api import Component, Recipe
from merbench_baselines.declare import part

_view = partial(part, "view")


def components() -> Iterator[Component]:
    yield _view("noise", "views.content:Noise", "Gaussian noise on every step")
    yield _view("mask-spans", "views.content:MaskSpans", "zeros in place of some runs of steps")
    yield _view("drop-channels", "views.content:DropChannels", "zeros in some dimensions")
    yield _view("crop", "views.time_steps:Crop", "a random window of each sequence")
    yield _view(
        "time-warp", "views.time_steps:TimeWarp", "faster here and slower there, same length"
    )
    yield _view("hide-steps", "views.hide_steps:HideSteps", "some steps hidden, at a rate a row")
    yield _view("drop-modality", "views.drop_modality:DropModality", "some modalities hidden")


def recipes() -> Iterator[Recipe]:
    return iter(())

"""Modalities that a batch or a row of it lacks."""

from __future__ import annotations

import torch

from merbench.api import complete, present_modalities
from merbench.testing import tiny


def test_an_absent_modality_is_one_masked_step_a_row_in_its_place():
    parts = tiny.parts(modalities=("video", "text"))
    whole = complete(parts, {"text": 6, "audio": 4, "video": 6})
    assert list(whole) == ["text", "audio", "video"]
    assert whole["text"] is parts["text"] and whole["video"] is parts["video"]
    x_BLD, mask_BL = whole["audio"]
    assert x_BLD.shape == (5, 1, 4) and x_BLD.dtype == parts["text"].x_BLD.dtype
    assert not mask_BL.any() and mask_BL.shape == (5, 1)


def test_a_modality_that_a_run_has_not_is_left_out():
    assert list(complete(tiny.parts(), {"audio": 6})) == ["audio"]


def test_a_row_has_the_modalities_of_which_it_has_a_step():
    parts = {"text": tiny.steps(missing=[1]), "audio": tiny.steps(missing=[1, 3])}
    assert present_modalities(parts).tolist() == [
        [True, True],
        [False, False],
        [True, True],
        [True, False],
        [True, True],
    ]
    absent = complete({"text": parts["text"]}, {"text": 6, "audio": 6})
    assert torch.equal(present_modalities(absent)[:, 1], torch.zeros(5, dtype=torch.bool))

"""Early stopping, against the epoch with the best score of a list."""

from __future__ import annotations

import math

import numpy as np
import pytest

from merbench.engine.training.early_stopping import EarlyStopping


def course(ranks, patience):
    """(epochs that run, the kept one)."""
    stopping, kept = EarlyStopping(patience), None
    for epoch, rank in enumerate(ranks):
        if stopping.keeps(rank, always=kept is None):
            kept = epoch
        if stopping.stops:
            return epoch + 1, kept
    return len(ranks), kept


def test_the_first_of_the_best_epochs_is_kept():
    ranks = np.random.default_rng(0).integers(0, 9, 50)
    assert course(ranks, 99) == (50, int(np.argmax(ranks)))


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_it_stops_after_so_many_epochs_that_are_not_better(patience):
    assert course([1, 2, 3, *[3] * 20], patience) == (3 + patience, 2)


def test_a_score_that_is_undefined_from_the_start_keeps_the_first_epoch():
    assert course([-math.inf] * 9, 3) == (4, 0)


def test_a_stage_that_does_not_select_keeps_its_last_epoch():
    stopping = EarlyStopping(1)
    assert all(stopping.keeps(rank, always=True) for rank in (3, 2, 1)) and not stopping.stops

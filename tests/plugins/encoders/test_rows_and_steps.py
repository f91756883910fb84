"""Which rows share a padded batch, and steps as means of frames, against loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from merbench_encoders.padding import rows_together
from merbench_encoders.sound.waves import normalised, side_by_side, step_means

LENGTHS = st.lists(st.integers(0, 6), min_size=1, max_size=12)


@given(LENGTHS, st.booleans(), st.one_of(st.none(), st.integers(1, 20)))
def test_every_row_that_is_there_is_in_one_batch_that_fits(lengths, masks_padding, most):
    length_B = torch.tensor(lengths)
    batches = [rows.tolist() for rows in rows_together(length_B, masks_padding, most)]
    present = [row for row, length in enumerate(lengths) if length]
    assert sorted(row for rows in batches for row in rows) == present
    for rows in batches:
        inside = [lengths[row] for row in rows]
        assert masks_padding or len(set(inside)) == 1
        assert most is None or len(rows) == 1 or len(rows) * max(inside) <= most
    if most is None:
        groups = bool(present) if masks_padding else len({lengths[row] for row in present})
        assert len(batches) == groups


def test_a_batch_is_cut_no_more_than_it_must_be():
    """Longest first: 5 alone, then 3 and 3 (6 of 7 steps), then 2, 1 and 1."""
    length_B = torch.tensor([1, 3, 0, 5, 2, 3, 1])
    batches = [rows.tolist() for rows in rows_together(length_B, True, 7)]
    assert batches == [[3], [1, 5], [4, 0, 6]]
    assert [rows.tolist() for rows in rows_together(length_B, True, 30)] == [[0, 1, 3, 4, 5, 6]]


@pytest.mark.parametrize("frames", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [1, 2, 5, 6, 7, 13])
def test_steps_are_means_of_frames_and_the_last_takes_the_rest(count, frames):
    x_TD = torch.randn(count, 2, generator=torch.Generator().manual_seed(count))
    steps = max(1, count // frames)
    ends = [*range(frames, steps * frames, frames), count]
    wanted, first = [], 0
    for end in ends:
        wanted.append(x_TD[first:end].mean(0))
        first = end
    torch.testing.assert_close(step_means(x_TD, frames), torch.stack(wanted))


def test_a_clip_is_normalised_by_its_own_mean_and_deviation():
    x_LD = torch.tensor([[1.0, 5.0, 0.0], [3.0, 5.0, 1e-4], [5.0, 5.0, 2e-4]])
    y_LD = normalised(x_LD)
    deviation = np.std([1.0, 3.0, 5.0])
    np.testing.assert_allclose(y_LD[:, 0], np.array([-2.0, 0.0, 2.0]) / deviation, rtol=1e-6)
    assert y_LD[:, 1].tolist() == [0, 0, 0]
    np.testing.assert_allclose(y_LD[:, 2], np.array([-1e-4, 0, 1e-4]) / 1e-3, rtol=1e-3)


def test_waves_stand_side_by_side_and_missing_ones_are_empty():
    waves = side_by_side([torch.tensor([1.0, 2.0]), None, torch.tensor([3.0])])
    assert waves.wave_BS.tolist() == [[1, 2], [0, 0], [3, 0]]
    assert waves.length_B.tolist() == [2, 0, 1]

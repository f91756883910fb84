"""Groups of like length: every row in its place, and cut where it costs least."""

import numpy as np
import pytest
import torch

from merbench.api import Steps, by_length, masked_mean
from merbench.testing import tiny


def test_groups_of_like_length_are_put_back_in_order():
    steps = {"a": tiny.steps(37, 9, missing=[5]), "b": tiny.steps(37, 3, seed=1)}
    calls = []

    def f(parts):
        calls.append({m: s.mask_BL for m, s in parts.items()})
        return torch.cat([masked_mean(*s) for s in parts.values()], 1)

    assert torch.allclose(
        by_length(f, steps), torch.cat([masked_mean(*s) for s in steps.values()], 1), atol=1e-5
    )
    assert len(calls) > 1 and all(
        mask_BL[:, -1].any() or mask_BL.shape[1] == 1
        for group in calls
        for mask_BL in group.values()
    )


def groups(length_N, *, attends):
    """The longest rows of the groups in which they come, once for each of its rows."""
    length_N = torch.as_tensor(length_N)
    mask_BL = torch.arange(int(length_N.max())) < length_N[:, None]
    longest = []

    def f(parts):
        longest.append([parts["x"].mask_BL.shape[1]] * len(parts["x"].x_BLD))
        return masked_mean(*parts["x"])

    by_length(f, {"x": Steps(torch.zeros(*mask_BL.shape, 1), mask_BL)}, attends=attends)
    return longest


def test_rows_that_are_read_step_by_step_come_in_four_groups():
    assert [len(group) for group in groups(torch.linspace(1, 300, 64).long(), attends=False)] == (
        [16] * 4
    )


@pytest.mark.parametrize("longest", [40, 200, 400, 900])
def test_rows_that_are_attended_to_come_in_the_groups_of_least_cost(longest):
    length_N = np.sort(np.random.default_rng(longest).integers(1, longest, 10))
    cuts = [
        np.split(length_N, [i + 1 for i in range(9) if which >> i & 1]) for which in range(2**9)
    ]

    def cost(cut):
        return sum(500 + len(g) * (max(g) + max(g) ** 2 / 300) for g in cut)

    assert cost(groups(length_N, attends=True)) == pytest.approx(min(map(cost, cuts)))


def test_rows_that_fit_into_memory_come_at_once_and_no_more():
    assert list(map(len, groups([20] * 200, attends=True))) == [200]
    assert max(map(len, groups([300] * 70, attends=True))) == 13
    assert list(map(len, groups([20_000] * 2, attends=True))) == [1, 1]


@pytest.mark.parametrize("attends", [False, True])
def test_no_rows_are_one_group_without_any(attends):
    empty = Steps(torch.zeros(0, 300, 2), torch.zeros(0, 300, dtype=torch.bool))
    pooled = by_length(lambda parts: masked_mean(*parts["x"]), {"x": empty}, attends=attends)
    assert pooled.shape == (0, 2)

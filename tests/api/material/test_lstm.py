"""LSTMs over rows of unequal length give what torch's own gives on each row alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from merbench.api import Steps, lstm_memories, lstm_states

MASKS = {
    "real steps first": torch.arange(6) < torch.tensor([4, 0, 6, 1])[:, None],
    "holes": torch.tensor([[1, 0, 1, 1, 0, 0], [0, 0, 1, 0, 0, 1], [0] * 6, [1] * 6]).bool(),
    "nothing": torch.zeros(4, 6, dtype=torch.bool),
}


@pytest.fixture
def x_BLD():
    torch.manual_seed(0)
    return torch.randn(4, 6, 7, dtype=torch.double, requires_grad=True)


def row_by_row(lstm: nn.LSTM, steps: Steps, backwards: bool) -> Tensor:
    rows = []
    for x_LD, mask_L in zip(*steps, strict=True):
        y_LH = x_LD.new_zeros(len(x_LD), lstm.hidden_size)
        if mask_L.any():
            place_L = mask_L.nonzero()[:, 0]
            place_L = place_L.flip(0) if backwards else place_L
            y_LH = y_LH.index_copy(0, place_L, lstm(x_LD[place_L])[0])
        rows.append(y_LH)
    return torch.stack(rows)


def gradients(y: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    weight = torch.arange(y.numel(), dtype=y.dtype).view_as(y).cos()
    gradient = torch.autograd.grad((y * weight).sum(), inputs, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(gradient, inputs, strict=True)]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("backwards", [False, True])
def test_states_and_gradients_are_torchs_own(x_BLD, mask, backwards):
    lstm, steps = nn.LSTM(7, 5, 2, batch_first=True).double(), Steps(x_BLD, MASKS[mask])
    y_BLH = lstm_states(lstm, steps, backwards=backwards)
    expected_BLH = row_by_row(lstm, steps, backwards)
    torch.testing.assert_close(y_BLH, expected_BLH)
    if MASKS[mask].any():
        inputs = [x_BLD, *lstm.parameters()]
        torch.testing.assert_close(gradients(y_BLH, inputs), gradients(expected_BLH, inputs))


@pytest.mark.parametrize("mask", MASKS)
def test_memories_have_the_gradients_of_their_differences(x_BLD, mask):
    cell = nn.LSTMCell(7, 5).double()
    assert torch.autograd.gradcheck(
        lambda x_BLD, *weights: lstm_memories(cell, Steps(x_BLD, MASKS[mask])),
        (x_BLD, *cell.parameters()),
    )


def test_no_row_has_no_states():
    steps = Steps(torch.zeros(0, 6, 7), torch.zeros(0, 6, dtype=torch.bool))
    assert lstm_states(nn.LSTM(7, 5, batch_first=True), steps).shape == (0, 6, 5)


def test_memories_are_the_cells_own(x_BLD):
    cell = nn.LSTMCell(7, 5).double()
    h_BLH, c_BLH = lstm_memories(cell, Steps(x_BLD, torch.ones(4, 6, dtype=torch.bool)))
    state = None
    for step in range(6):
        state = cell(x_BLD[:, step], state)
        torch.testing.assert_close((h_BLH[:, step], c_BLH[:, step]), state)


def test_dropout_falls_on_what_is_read_and_between_layers(x_BLD):
    lstm = nn.LSTM(7, 5, 2, batch_first=True, dropout=1.0).double()
    steps = Steps(x_BLD, MASKS["holes"])
    silent = lstm_states(lstm, Steps(torch.zeros_like(x_BLD), steps.mask_BL))
    torch.testing.assert_close(lstm_states(lstm, steps), silent)
    lstm.dropout = 0.0
    assert not torch.allclose(lstm_states(lstm, steps), silent)
    everything = nn.Dropout(1.0)
    dropped = lstm_states(lstm, steps, everything)
    torch.testing.assert_close(dropped, lstm_states(lstm, Steps(x_BLD * 0, steps.mask_BL)))


def test_half_precision_is_torchs_own_packed_lstm(x_BLD):
    lstm, steps = nn.LSTM(7, 5, batch_first=True), Steps(x_BLD.float(), MASKS["holes"])
    with torch.autocast("cpu", torch.bfloat16):
        y_BLH = lstm_states(lstm, steps, backwards=True)
    torch.testing.assert_close(
        y_BLH.float(), row_by_row(lstm, steps, backwards=True), atol=0.02, rtol=0
    )
    assert (y_BLH[~steps.mask_BL] == 0).all()

"""Where memory does not suffice, batches go through in pieces and the step stays the same."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from merbench.api import RunError, TrainConfig
from merbench.engine.training.evaluate import predict
from merbench.engine.training.train import fit
from tests.engine.training.test_train import L1, SPACE, model, split


class Small(nn.Module):
    """A model with room for so many rows."""

    def __init__(self, net, room: int):
        super().__init__()
        self.net, self.room = net, room

    def forward(self, batch):
        if len(batch) > self.room:
            # Part of the work is done before the memory is full.
            if self.training:
                self.net(batch).logits_BC.sum().backward()
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.net(batch)


class Loss(nn.Module):
    def forward(self, model, batch, out, at):
        return {"l1": (out.logits_BC[:, 0] - batch.target).abs().mean()}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_pieces_of_a_batch_make_the_step_of_the_whole(accumulate):
    config = TrainConfig(epochs=2, batch_size=8, accumulate=accumulate, lr=0.05)
    results = []
    for room in (100, 3):
        net = Small(model().double(), room)
        train, valid = split(20, 0), split(9, 1)
        for rows in (train, valid):
            rows.inputs["audio"].x_ND, rows.target = (
                rows.inputs["audio"].x_ND.double(),
                rows.target.double(),
            )
        results.append((net, fit(net, {"task": Loss()}, train, valid, space=SPACE, config=config)))
    (in_one_pass, fitted), (pieces, refitted) = results
    assert fitted.rows_at_once is None and refitted.rows_at_once == 2
    for a, b in zip(in_one_pass.parameters(), pieces.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-12)
    for a, b in zip(fitted.history, refitted.history, strict=True):
        assert a["loss"]["task.l1"] == pytest.approx(b["loss"]["task.l1"], abs=1e-6)


def test_scoring_makes_do_with_smaller_batches_too():
    net, data = model().eval(), split(11, 3)
    assert predict(Small(net, 2), data, SPACE).tolist() == pytest.approx(
        predict(net, data, SPACE).tolist(), abs=1e-6
    )


class ByBatch(L1):
    def after_batch(self, model, batch, out, at):
        self.steps += 1


def test_not_even_one_row_and_objectives_that_keep_state_by_batch_are_told():
    config = TrainConfig(epochs=1, batch_size=8)
    with pytest.raises(torch.OutOfMemoryError):
        fit(
            Small(model(), 0),
            {"task": Loss()},
            split(20, 0),
            split(9, 1),
            space=SPACE,
            config=config,
        )
    with pytest.raises(RunError, match=r"objective task keeps state by batch.*train\.batch_size"):
        fit(
            Small(model(), 3),
            {"task": ByBatch()},
            split(20, 0),
            split(9, 1),
            space=SPACE,
            config=config,
        )

"""Each update of the loop: its rate, its gradients, and whose weights it changes.

The objectives here pull one weight with a gradient of 1, so that plain SGD moves it by the rate.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from merbench.api import Stage, TrainConfig
from merbench.engine.training.optimise import clip_gradients, make_optimiser
from merbench.engine.training.train import fit
from tests.engine.training.test_train import L1, SPACE, model, split

PLAIN = {
    "optimiser": "sgd", "momentum": 0.0, "lr": 1.0, "weight_decay": 0.0, "clip_norm": 0.0,
    "schedule": "constant", "batch_size": 20,
}  # fmt: skip
"""Whole train rows at once, and steps that are rate times gradient."""


def learn(net, objectives, config, **more):
    return fit(net, objectives, split(20, 0), split(9, 1), space=SPACE, config=config, **more)


class Pull(nn.Module):
    """Pulls the weight that no prediction depends on. ``moved``: by how much, update by update."""

    def __init__(self):
        super().__init__()
        self.moved, self.at, self.teachers = [], None, []

    def forward(self, model, batch, out, at):
        self.at = model.other.weight.item() if self.at is None else self.at
        self.teachers.append(model.teacher)
        return {"pull": model.other.weight.sum() + 0 * out.logits_BC.sum()}

    def after_step(self, model, at):
        now = model.other.weight.item()
        self.moved.append(self.at - now)
        self.at = now


def test_a_plateau_lowers_the_rate_after_each_half_patience_without_a_better_score():
    """No epoch is better than the first: two of four are waited, and two more."""
    pull, config = Pull(), TrainConfig(**PLAIN | {"schedule": "plateau"}, epochs=9, patience=4)
    fitted = learn(model(), {"task": pull}, config)
    assert len(fitted.history) == 5 and fitted.best_epoch == 0
    assert pull.moved == pytest.approx([1, 1, 1, 0.1, 0.1], abs=1e-5)


def test_a_schedule_counts_updates_and_not_batches():
    pull = Pull()
    config = {**PLAIN, "schedule": "linear", "batch_size": 8, "accumulate": 2}
    learn(model(), {"task": pull}, TrainConfig(**config, epochs=2))
    assert pull.moved == pytest.approx([1, 0.75, 0.5, 0.25], abs=1e-5)


def test_the_best_epoch_is_that_of_the_last_stage_that_selects():
    first = Stage(name="first", epochs=3, settings={"lr": 0.05})
    last = Stage(name="last", epochs=2, trains=("other",), selects=False)
    fitted = learn(model(), {"task": L1()}, TrainConfig(**PLAIN), stages=(first, last))
    scores = [entry["mae"] for entry in fitted.history[:3]]
    assert fitted.best_epoch == scores.index(min(scores)) == 2


def test_a_teacher_leaves_with_its_stage():
    pull = Pull()
    stages = (Stage(name="taught", settings={"ema": 0.5}), Stage(name="alone"))
    learn(model(), {"task": pull}, TrainConfig(**PLAIN, epochs=1), stages=stages)
    assert [teacher is None for teacher in pull.teachers] == [False, True]


def test_an_average_follows_the_steps_of_its_stage_and_not_of_one_within_it():
    """Of one step the average is what the step made, whatever another stage did before it."""
    within = Stage(name="within", within="main", trains=("other",), objectives=("pull",))
    main = Stage(name="main", trains=("out",), objectives=("task",))
    objectives = {"pull": Pull(), "task": L1()}
    averaged, alone = model(), model()
    config = {**PLAIN, "lr": 0.1, "epochs": 1}
    learn(averaged, objectives, TrainConfig(**config, ema=0.5), stages=(within, main))
    learn(alone, {"task": L1()}, TrainConfig(**config))
    assert torch.equal(averaged.out[1].weight, alone.out[1].weight)


def test_gradients_that_another_stage_left_are_no_part_of_a_step():
    """The outer stage's term has a gradient for the weight that the inner one alone trains."""
    pull = Pull()
    stages = (
        Stage(name="within", within="main", trains=("other",), objectives=("pull",)),
        Stage(name="main", trains=("out",), objectives=("same",)),
    )
    learn(model(), {"pull": pull, "same": Pull()}, TrainConfig(**PLAIN, epochs=3), stages=stages)
    assert pull.moved == pytest.approx([1, 1, 1], abs=1e-5)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_loss_of_an_epoch_is_the_mean_over_its_rows(accumulate):
    """The last batch is half as long as the others."""
    config = {**PLAIN, "batch_size": 8, "lr": 1e-9, "accumulate": accumulate}
    net, rows = model(), split(20, 0)
    predicted = net(rows.batch(torch.arange(20))).logits_BC[:, 0]
    fitted = learn(net, {"task": L1()}, TrainConfig(**config, epochs=1))
    expected = (predicted - rows.target).abs().mean().item()
    assert fitted.history[0]["loss"]["task.l1"] == pytest.approx(expected, abs=1e-6)


OPTIMISERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.6, weight_decay=0.3),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.1, weight_decay=0.3),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.1, weight_decay=0.3),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_optimiser_is_the_one_that_was_named(name):
    weights = [nn.Linear(4, 3, bias=False) for _ in range(2)]
    weights[1].load_state_dict(weights[0].state_dict())
    config = TrainConfig(optimiser=name, lr=0.1, momentum=0.6, weight_decay=0.3)
    optimisers = (
        make_optimiser(weights[0], {}, config, ()),
        OPTIMISERS[name](weights[1].parameters()),
    )
    for step in range(3):
        for net, optimiser in zip(weights, optimisers, strict=True):
            optimiser.zero_grad()
            net(torch.full((1, 4), step + 1.0)).square().sum().backward()
            optimiser.step()
    assert torch.allclose(weights[0].weight, weights[1].weight, atol=1e-6)


def test_what_an_objective_learns_is_named_by_its_kind():
    centre = nn.Linear(2, 2)
    config = TrainConfig(lr=1.0, lr_factors={"objective.task": 0.5, "objective": 0.1})
    optimiser = make_optimiser(
        nn.Linear(1, 1), {"task": centre}, config, ("objective.task.weight",)
    )
    (group,) = optimiser.param_groups
    assert group["params"] == [centre.weight] and group["lr"] == 0.5


def test_values_are_clipped_and_then_their_norm():
    weight = nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([30.0, 0.3])
    clip_gradients([weight], TrainConfig(clip_value=0.4, clip_norm=0.25))
    assert torch.allclose(weight.grad, torch.tensor([0.2, 0.15]), atol=1e-5)


class Draws(L1):
    """What is drawn for a batch: its rows, and torch's own random numbers, as dropout takes them."""

    def __init__(self):
        super().__init__()
        self.rows, self.numbers = [], []

    def forward(self, model, batch, out, at):
        self.rows.append(batch.ids_B.tolist())
        self.numbers.append(torch.rand(()).item())
        return super().forward(model, batch, out, at)


def test_each_seed_and_fold_has_an_order_and_a_dropout_of_its_own():
    runs = []
    for of_run in ({}, {}, {"seed": 1}, {"fold": 1}):
        draws = Draws()
        learn(model(), {"task": draws}, TrainConfig(**PLAIN, epochs=1), **of_run)
        runs.append(draws)
    first, again, *others = runs
    assert (first.rows, first.numbers) == (again.rows, again.numbers)
    for other in others:
        assert other.rows != first.rows and other.numbers != first.numbers

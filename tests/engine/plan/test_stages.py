"""Stages, alternation, schedules of objectives, the teacher and views: what the loop does beside
plain training.
"""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

import merbench.engine.training.checkpoint as checkpoints
from merbench.api import Output, Stage, TrainConfig
from merbench.api.declarations.weight_schedule import factor_at
from merbench.engine.model.weight_average import MovingAverage, changing
from merbench.engine.training.checkpoint import Checkpoint
from merbench.engine.training.evaluate import weights_digest
from merbench.engine.training.optimise import make_optimiser, make_schedule
from merbench.engine.training.train import fit
from merbench.results.store.store import Store
from tests.engine.training.test_train import L1, SPACE, Linear, model, split


def learn(net, objectives, config, **more):
    return fit(net, objectives, split(20, 0), split(9, 1), space=SPACE, config=config, **more)


class Counts(L1):
    """What it is called with."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, model, batch, out, at):
        self.calls.append((at, dict(batch.views), model.teacher, model.training))
        return super().forward(model, batch, out, at)


def test_progress_counts_batches_and_epochs():
    counts = Counts()
    learn(model(), {"task": counts}, TrainConfig(epochs=2, batch_size=8, accumulate=2))
    places = [at for at, *_ in counts.calls]
    assert [(at.epoch, at.step) for at in places] == [(e, s) for e in (0, 1) for s in (0, 1, 2)]
    assert {(at.epochs, at.steps, at.stage) for at in places} == {(2, 3, "main")}
    assert [at.share for at in places] == pytest.approx([k / 6 for k in range(6)])


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("ramp:0:0.5", [0, 0.5, 1, 1, 1]),
        ("ramp:0.25:0.75", [0, 0, 0.5, 1, 1]),
        ("warm-up:0.5", [0, 0, 1, 1, 1]),
        ("decay:0.5:1", [1, 1, 1, 0.5, 0]),
    ],
)
def test_an_objective_counts_as_its_schedule_says(schedule, factors):
    assert [factor_at(schedule, k / 4) for k in range(5)] == factors


@pytest.mark.parametrize("wrong", ["ramp", "ramp:0.5:0.2", "rise:0:1", "warm-up:2", "decay:a:b"])
def test_a_schedule_that_is_none_is_refused(wrong):
    with pytest.raises(ValidationError, match="is none of: constant, ramp:FROM:TO"):
        TrainConfig(objective_schedules={"task": wrong})


def test_a_scheduled_objective_teaches_only_when_it_counts():
    config = {"epochs": 1, "batch_size": 20, "weight_decay": 0.0}
    net, before = model(), model()
    late = TrainConfig(**config, objective_schedules={"late": "warm-up:0.5"})
    fitted = learn(net, {"late": L1(), "task": Apart()}, late)
    assert fitted.history[0]["loss"]["late.l1"] == 0
    assert torch.equal(net.out[1].weight, before.out[1].weight)
    assert not torch.equal(net.other.weight, before.other.weight)


class Apart(L1):
    def forward(self, model, batch, out, at):
        return {"square": model.other.weight.square().sum()}


def test_a_stage_within_another_makes_a_pass_in_each_of_its_epochs_with_its_own_optimiser():
    inner, outer = Counts(), Counts()
    plain = {"optimiser": "sgd", "lr": 0.5, "momentum": 0.0, "schedule": "constant"}
    stages = (
        Stage(
            name="bounds",
            within="main",
            trains=("other",),
            objectives=("inner",),
            settings={**plain, "batch_size": 20},
        ),
        Stage(name="main", trains=("out",), objectives=("outer",)),
    )

    class Inner(Counts):
        def forward(self, model, batch, out, at):
            super().forward(model, batch, out, at)
            return {"square": model.other.weight.square().sum()}

    inner = Inner()
    net, start = model(), model()
    config = TrainConfig(epochs=3, batch_size=8, weight_decay=0, clip_norm=0)
    fitted = learn(net, {"inner": inner, "outer": outer}, config, stages=stages)
    assert [at.epoch for at, *_ in inner.calls] == [0, 1, 2]
    assert len(outer.calls) == 9 and {at.stage for at, *_ in inner.calls} == {"bounds"}
    assert set(fitted.history[0]["loss"]) == {"bounds/inner.square", "outer.l1"}
    # Of three steps of w - .5 * 2w = 0 nothing is left, and the outer stage never touches it.
    assert net.other.weight.item() == 0 != start.other.weight.item()
    assert torch.equal(net.other.bias, start.other.bias)


class TwoParts(nn.Module):
    """A body with dropout and batch norm, and a head with dropout."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 1))
        self.modes = []

    def forward(self, batch):
        self.modes.append((self.training, self.body[2].training, self.head[0].training))
        return Output(self.head(self.body(batch.inputs["audio"].x_BLD[:, 0])))


def test_what_a_stage_does_not_train_is_in_evaluation_mode():
    net = TwoParts()
    stages = (Stage(name="head", trains=("head.",), epochs=1, selects=False),)
    learn(net, {"task": L1()}, TrainConfig(batch_size=20), stages=stages)
    assert net.modes[0] == (True, False, True)
    assert torch.equal(net.body[1].running_mean, torch.zeros(4))
    net = TwoParts()
    learn(net, {"task": L1()}, TrainConfig(batch_size=20, epochs=1))
    assert net.modes[0] == (True, True, True)


def test_the_teacher_is_the_moving_average_and_shares_what_is_frozen():
    counts, net = Counts(), model(dropout=0.5)
    net.other.requires_grad_(False)
    learn(net, {"task": counts}, TrainConfig(epochs=1, batch_size=4, ema=0.9, lr=0.1))
    teachers = [teacher for _, _, teacher, _ in counts.calls]
    assert len({id(t) for t in teachers}) == 1 and not teachers[0].training
    assert teachers[0].other.weight is net.other.weight
    assert teachers[0].out[1].weight is not net.out[1].weight
    assert not teachers[0].out[1].weight.requires_grad
    assert not hasattr(net, "teacher"), "outside of training there is none"
    assert set(net.state_dict()) == set(model().state_dict())


def test_the_average_follows_by_its_decay():
    net = model()
    average = MovingAverage(net, 0.75)
    values = []
    for step in range(3):
        with torch.no_grad():
            net.out[1].weight.fill_(float(step))
        average.update(net)
        values.append(float(average.model.out[1].weight[0, 0]))
    assert values == [0.0, 0.25, 0.25 + 0.25 * 1.75]
    assert set(changing(net, average.model)) == set(net.state_dict())


class Taught(L1):
    """Drawn to the teacher's output of a view."""

    def forward(self, model, batch, out, at):
        with torch.no_grad():
            wanted = model.teacher(batch).logits_BC
        weak, strong = (
            batch.views[name]["audio"].x_BLD.mean((1, 2)) for name in ("weak", "strong")
        )
        change = (weak - strong).abs().mean()
        terms = super().forward(model, batch, out, at)
        return {**terms, "taught": (1 + change) * (out.logits_BC - wanted).square().mean()}


class WithSteps(Linear):
    def forward(self, batch):
        out = super().forward(batch)
        return Output(out.logits_BC, dict(batch.inputs))


class Shift:
    def __init__(self, size):
        self.size = size

    def __call__(self, steps, draw):
        return {
            m: s._replace(x_BLD=s.x_BLD + self.size * torch.rand(s.x_BLD.shape, generator=draw))
            for m, s in steps.items()
        }


class Stopped(BaseException):
    pass


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_teacher_and_views_go_on_to_the_same_bits(tmp_path, monkeypatch, accumulate):
    monkeypatch.setattr(checkpoints, "EVERY", 0)
    monkeypatch.setattr(checkpoints, "SHARE", 0)
    store = Store(tmp_path)
    stages = (
        Stage(name="bounds", within="main", trains=("other",), objectives=("apart",)),
        Stage(name="main", objectives=("taught",)),
    )
    config = TrainConfig(
        epochs=4, batch_size=8, ema=0.9, accumulate=accumulate, betas=(0.5, 0.9), clip_value=0.1,
        objective_schedules={"taught": "ramp:0:0.5"}, schedule="one-cycle",
    )  # fmt: skip

    def run(stop=None, resumable=False):
        torch.manual_seed(0)
        net, seen = WithSteps(0.3), []

        def watch(entry):
            seen.append(entry)
            if len(seen) == stop:
                raise Stopped

        fitted = learn(
            net,
            {"taught": Taught(), "apart": Apart()},
            config,
            stages=stages,
            views={"weak": [Shift(0.1)], "strong": [Shift(0.1), Shift(1.0)]},
            watch=watch,
            checkpoint=Checkpoint(store, "run", {}) if resumable else None,
        )
        return weights_digest(net), fitted.history

    uninterrupted = run()
    for stop in range(1, 4):
        with pytest.raises(Stopped):
            run(stop, resumable=True)
        assert run(resumable=True) == uninterrupted
        store.checkpoint("run").unlink()


def test_a_view_does_not_depend_on_the_others():
    calls = []

    class Looks(L1):
        def __init__(self, names):
            super().__init__()
            self.names = names

        def forward(self, model, batch, out, at):
            calls.append([batch.views[name]["audio"].x_BLD for name in self.names][-1])
            return super().forward(model, batch, out, at)

    views = {"a": [Shift(1.0)], "b": [Shift(1.0)]}
    for names in (["a", "b"], ["b"]):
        learn(
            WithSteps(), {"task": Looks(names)}, TrainConfig(epochs=2, batch_size=20), views=views
        )
    assert torch.equal(calls[0], calls[2]) and not torch.equal(calls[0], calls[1])


def test_decay_by_prefix_and_the_moments_of_adam():
    net = model()
    config = TrainConfig(weight_decay=0.1, decay_factors={"out": 0.0}, betas=(0.8, 0.98), eps=1e-6)
    groups = {
        id(p): group
        for group in make_optimiser(net, {}, config, ()).param_groups
        for p in group["params"]
    }
    assert groups[id(net.out[1].weight)]["weight_decay"] == 0.0
    assert groups[id(net.other.weight)]["weight_decay"] == 0.1
    assert groups[id(net.other.weight)]["betas"] == (0.8, 0.98)
    assert groups[id(net.other.weight)]["eps"] == 1e-6


def rates(config, updates=40):
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=config.lr)
    schedule = make_schedule(optimiser, config, updates)
    calls = []
    for _ in range(updates):
        calls.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return calls


@pytest.mark.parametrize(("warmup", "rising"), [(0.25, 0.25), (0.0, 0.3)])
def test_one_cycle_is_torchs(warmup, rising):
    """Where nothing is set it rises for torch's own share of the updates."""
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=0.1, total_steps=40, pct_start=rising, cycle_momentum=False
    )
    wanted = []
    for _ in range(40):
        wanted.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        if len(wanted) < 40:
            reference.step()
    actual = rates(TrainConfig(schedule="one-cycle", warmup=warmup, lr=0.1))
    assert actual == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_one_cycle_whose_rise_is_a_single_update_begins_at_its_peak():
    actual = rates(TrainConfig(schedule="one-cycle", warmup=0.2, lr=0.1), updates=5)
    assert actual[0] == pytest.approx(0.1) and actual == sorted(actual, reverse=True)


@pytest.mark.parametrize(
    ("schedule", "power"), [("polynomial", 0.9), ("polynomial", 2.0), ("linear", 1.0)]
)
def test_polynomial_and_linear_decay(schedule, power):
    actual = rates(TrainConfig(schedule=schedule, power=power, lr=1.0))
    assert actual == pytest.approx([(1 - k / 40) ** power for k in range(40)])


def test_values_are_clipped_before_the_norm():
    net = model()
    moved = model()
    config = TrainConfig(
        epochs=1, batch_size=20, lr=1.0, optimiser="sgd", momentum=0, clip_value=1e-3, clip_norm=0,
        weight_decay=0, schedule="constant",
    )  # fmt: skip
    learn(moved, {"task": L1()}, config)
    step = (net.out[1].weight - moved.out[1].weight).abs()
    assert step.max().item() == pytest.approx(1e-3, rel=1e-4)

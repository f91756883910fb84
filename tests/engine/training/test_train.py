"""The one training loop: against a loop written out by hand, and its promises on selection, order
and stages.
"""

from __future__ import annotations

import inspect
import math
import subprocess
import sys
from itertools import chain

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from merbench.api import Output, RequestError, RunError, Stage, Steps, TrainConfig
from merbench.engine.rows.splits import SplitData
from merbench.engine.training.evaluate import predict, weights_digest
from merbench.engine.training.optimise import (
    lower_rates,
    make_optimiser,
    make_schedule,
    without_compiler,
)
from merbench.engine.training.train import fit
from merbench.results.seeds import derive
from merbench.testing import tiny

SPACE = tiny.SPACES["score"]


class Inputs:
    """A prepared split of one step a row."""

    def __init__(self, x_ND):
        self.x_ND = x_ND

    def __len__(self):
        return len(self.x_ND)

    def __getitem__(self, rows_B):
        return Steps(self.x_ND[rows_B][:, None], torch.ones(len(rows_B), 1, dtype=torch.bool))


def split(size: int, seed: int) -> SplitData:
    draw = torch.Generator().manual_seed(seed)
    x_ND = torch.randn(size, 4, generator=draw)
    return SplitData(
        {"audio": Inputs(x_ND)},
        x_ND @ torch.tensor([1.0, -1.0, 0.5, 0.0]),
        None,
        torch.device("cpu"),
    )


class Linear(nn.Module):
    def __init__(self, dropout: float = 0.0):
        super().__init__()
        self.out = nn.Sequential(nn.Dropout(dropout), nn.Linear(4, 1))
        self.other = nn.Linear(1, 1)

    def forward(self, batch):
        return Output(self.out(batch.inputs["audio"].x_BLD[:, 0]) + 0 * self.other.weight)


class L1(nn.Module):
    def __init__(self):
        super().__init__()
        self.steps = 0

    def forward(self, model, batch, out, at):
        return {"l1": (out.logits_BC[:, 0] - batch.target).abs().mean()}

    def after_step(self, model, at):
        self.steps += 1


def model(dropout: float = 0.0) -> Linear:
    torch.manual_seed(0)
    return Linear(dropout)


def train(net, config, **more):
    return fit(net, {"task": L1()}, split(20, 0), split(9, 1), space=SPACE, config=config, **more)


def test_fit_is_the_loop_that_one_would_write_by_hand():
    config = TrainConfig(
        epochs=3, batch_size=8, lr=0.05, patience=9, schedule="cosine", warmup=0.2, clip_norm=0.5
    )
    net = model()
    fitted = train(net, config)

    bare, data = model(), split(20, 0)
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in bare.parameters() if p.ndim > 1], "weight_decay": 0.01},
            {"params": [p for p in bare.parameters() if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=0.05,
    )
    total, warm = 9, 1
    states, scores = [], []
    update = 0
    for epoch in range(3):
        order = torch.randperm(
            20, generator=torch.Generator().manual_seed(derive(0, "order", None, "main", epoch))
        )
        for rows in (order[:8], order[8:16], order[16:]):
            rate = (
                (update + 1) / (warm + 1)
                if update < warm
                else 0.5 * (1 + math.cos(math.pi * (update - warm) / (total - warm)))
            )
            for group in optimiser.param_groups:
                group["lr"] = 0.05 * rate
            batch = data.batch(rows)
            (bare(batch).logits_BC[:, 0] - batch.target).abs().mean().backward()
            nn.utils.clip_grad_norm_(bare.parameters(), 0.5)
            optimiser.step()
            optimiser.zero_grad()
            update += 1
        valid = split(9, 1)
        everything = valid.batch(torch.arange(9))
        scores.append((bare(everything).logits_BC[:, 0] - everything.target).abs().mean().item())
        states.append({k: v.clone() for k, v in bare.state_dict().items()})
    best = scores.index(min(scores))
    assert fitted.best_epoch == best
    assert [e["mae"] for e in fitted.history] == pytest.approx(scores, abs=1e-6)
    for name, value in net.state_dict().items():
        assert torch.allclose(value, states[best][name], atol=1e-6), name


def test_there_is_no_parameter_through_which_the_test_split_could_come_in():
    assert {"train", "valid"} <= set(inspect.signature(fit).parameters)
    assert not [p for p in inspect.signature(fit).parameters if "test" in p]


def test_same_seed_same_weights_and_another_seed_other_weights():
    config = TrainConfig(epochs=2, batch_size=8)
    digests = []
    for seed in (0, 0, 1):
        net = model(dropout=0.5)
        train(net, config, seed=seed)
        digests.append(weights_digest(net))
    assert digests[0] == digests[1] != digests[2]


def test_order_does_not_depend_on_what_the_model_draws():
    """Two models with one seed see the same data order, so that they can be compared in pairs."""
    calls = []
    for dropout in (0.0, 0.9):
        rows = []

        class Spy(L1):
            def forward(self, model, batch, out, at, rows=rows):
                rows.append(batch.ids_B.tolist())
                return super().forward(model, batch, out, at)

        fit(
            model(dropout),
            {"task": Spy()},
            split(20, 0),
            split(9, 1),
            space=SPACE,
            config=TrainConfig(epochs=2, batch_size=8),
        )
        calls.append(rows)
    assert calls[0] == calls[1]
    assert sorted(chain.from_iterable(calls[0][:3])) == list(range(20)), (
        "an epoch shows every row once, the last incomplete batch included"
    )


def test_accumulated_batches_equal_one_large_batch_and_the_last_group_counts():
    large, small = model(), model()
    config = {"epochs": 1, "lr": 0.05, "schedule": "constant", "clip_norm": 0}
    objective = L1()
    fit(
        large,
        {"task": L1()},
        split(16, 0),
        split(9, 1),
        space=SPACE,
        config=TrainConfig(batch_size=8, **config),
    )
    fit(
        small,
        {"task": objective},
        split(16, 0),
        split(9, 1),
        space=SPACE,
        config=TrainConfig(batch_size=4, accumulate=2, **config),
    )
    for a, b in zip(large.parameters(), small.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    assert objective.steps == 2
    odd = L1()
    fit(
        model(),
        {"task": odd},
        split(12, 0),
        split(9, 1),
        space=SPACE,
        config=TrainConfig(batch_size=4, accumulate=2, **config),
    )
    assert odd.steps == 2


def test_early_stopping_counts_epochs_without_a_better_score():
    fitted = train(
        model(), TrainConfig(epochs=50, patience=3, lr=1.0, batch_size=4, schedule="constant")
    )
    scores = [e["mae"] for e in fitted.history]
    best = scores.index(min(scores))
    assert len(scores) == best + 1 + 3 < 50


def test_a_stage_trains_only_its_parameters_and_then_the_next():
    net = model()
    before = net.out[1].bias.detach().clone()
    stages = (
        Stage(name="none", trains=("other",), epochs=2, selects=False),
        Stage(name="all", epochs=1),
    )
    fitted = train(net, TrainConfig(batch_size=8), stages=stages[:1])
    assert (
        torch.equal(net.out[1].bias, before)
        and fitted.best_epoch is None
        and len(fitted.history) == 2
    )
    train(net, TrainConfig(batch_size=8), stages=stages)
    assert not torch.equal(net.out[1].bias, before)


def test_a_stage_may_have_its_own_settings_and_objectives():
    one, two = L1(), L1()
    stages = (
        Stage(name="a", epochs=1, objectives=("one",), settings={"batch_size": 20}),
        Stage(name="b", epochs=1, objectives=("two",)),
    )
    fit(
        model(),
        {"one": one, "two": two},
        split(20, 0),
        split(9, 1),
        space=SPACE,
        config=TrainConfig(batch_size=4),
        stages=stages,
    )
    assert (one.steps, two.steps) == (1, 5)


def test_the_average_of_the_weights_is_what_is_scored_and_kept():
    net = model()
    train(
        net,
        TrainConfig(
            epochs=1,
            batch_size=20,
            lr=0.1,
            ema=0.5,
            schedule="constant",
            clip_norm=0,
            weight_decay=0,
        ),
    )
    plain, start = model(), model()
    train(
        plain,
        TrainConfig(
            epochs=1, batch_size=20, lr=0.1, schedule="constant", clip_norm=0, weight_decay=0
        ),
    )
    # torch's average takes the weights after the first step as they are.
    assert torch.allclose(net.out[1].weight, plain.out[1].weight)
    train(
        start,
        TrainConfig(
            epochs=1,
            batch_size=10,
            lr=0.1,
            ema=0.5,
            schedule="constant",
            clip_norm=0,
            weight_decay=0,
        ),
    )
    two = model()
    train(
        two,
        TrainConfig(
            epochs=1, batch_size=10, lr=0.1, schedule="constant", clip_norm=0, weight_decay=0
        ),
    )
    assert not torch.allclose(start.out[1].weight, two.out[1].weight)


def test_a_loss_that_is_not_finite_names_its_term():
    class Broken(L1):
        def forward(self, model, batch, out, at):
            return {"fine": out.logits_BC.mean(), "broken": out.logits_BC.mean() * float("nan")}

    with pytest.raises(RunError, match=r"'task\.broken' is not finite in epoch 0"):
        fit(
            model(),
            {"task": Broken()},
            split(8, 0),
            split(8, 1),
            space=SPACE,
            config=TrainConfig(epochs=1),
        )


def test_what_a_processor_cannot_compute_in_bf16_is_told():
    class Lacking(Linear):
        def forward(self, batch):
            if self.training:
                raise RuntimeError(
                    "could not create a primitive descriptor for the LSTM forward propagation primitive. Run workload with"
                )
            return super().forward(batch)

    with pytest.raises(
        RunError,
        match=r"no bf16 for a part of the model \(could not create .* primitive\); leave train.precision out",
    ):
        train(Lacking(), TrainConfig(epochs=1, precision="bf16"))


def test_a_selecting_metric_of_another_kind_is_refused():
    with pytest.raises(RequestError, match="mae"):
        train(model(), TrainConfig(epochs=1, select="accuracy"))


def test_prediction_covers_every_row_in_order_whatever_the_batch_size():
    net, data = model().eval(), split(11, 3)
    together = predict(net, data, SPACE, batch_size=11)
    assert len(together) == 11
    assert torch.allclose(
        torch.from_numpy(predict(net, data, SPACE, batch_size=4)), torch.from_numpy(together)
    )


def test_rates_by_prefix_and_no_decay_of_vectors():
    net = model()
    config = TrainConfig(lr=1e-2, lr_factors={"out": 0.1, "out.1.bias": 0.5}, weight_decay=0.3)
    groups = {
        id(p): (g["lr"], g["weight_decay"])
        for g in make_optimiser(net, {}, config, ()).param_groups
        for p in g["params"]
    }
    assert groups[id(net.out[1].weight)] == (pytest.approx(1e-3), 0.3)
    assert groups[id(net.out[1].bias)] == (pytest.approx(5e-3), 0.0)
    assert groups[id(net.other.weight)] == (1e-2, 0.3)
    with pytest.raises(ValidationError, match="greater than or equal to 0"):  # it would climb
        TrainConfig(lr_factors={"out": -0.1})


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_an_optimiser_without_the_compiler_steps_as_torch_does(kind):
    trained, reference = [model(), model()]
    options = (
        {"lr": 0.1, "weight_decay": 0.1, "momentum": 0.9}
        if kind is torch.optim.SGD
        else {"lr": 0.1, "weight_decay": 0.1}
    )
    expected, actual = (
        kind(trained.parameters(), **options),
        without_compiler(kind)(reference.parameters(), **options),
    )
    for step in range(4):
        for net, optimiser in ((trained, expected), (reference, actual)):
            net(split(6, step).batch(torch.arange(6))).logits_BC.square().mean().backward()
            optimiser.step()
            optimiser.zero_grad()
        actual.load_state_dict(actual.state_dict())
    assert all(
        torch.equal(a, b) for a, b in zip(trained.parameters(), reference.parameters(), strict=True)
    )


def test_training_does_not_import_the_compiler():
    step = """if True:
        import sys, torch
        from merbench.api import TrainConfig
        from merbench.engine.training.optimise import make_optimiser
        optimiser = make_optimiser(net := torch.nn.Linear(1, 1), {}, TrainConfig(), ())
        net(torch.ones(1, 1)).sum().backward()
        optimiser.step(), optimiser.zero_grad()
        sys.exit("torch._dynamo" in sys.modules)
    """
    assert subprocess.run([sys.executable, "-c", step], check=False).returncode == 0


@pytest.mark.parametrize(("kind", "last"), [("cosine", 0.0), ("linear", 0.0), ("constant", 1.0)])
def test_schedules_begin_with_the_warm_up_and_end_where_they_should(kind, last):
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = make_schedule(optimiser, TrainConfig(schedule=kind, warmup=0.25), 40)
    rates = []
    for _ in range(40):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert rates[0] == pytest.approx(1 / 11)
    assert max(rates) == pytest.approx(1.0)
    assert optimiser.param_groups[0]["lr"] == pytest.approx(last, abs=1e-9)


@pytest.mark.parametrize("warmup", [0.0, 0.1])
def test_a_plateau_lowers_the_rate_for_good_also_after_a_warmup(warmup):
    config = TrainConfig(schedule="plateau", warmup=warmup, lr=1e-2)
    optimiser = make_optimiser(Linear(), {}, config, ())
    schedule = make_schedule(optimiser, config, updates=100)

    def step():
        optimiser.step()
        if schedule:
            schedule.step()

    for _ in range(20):
        step()
    lower_rates(optimiser, schedule)
    step()
    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx(
        [1e-3] * len(optimiser.param_groups)
    )


class PerSample(L1):
    """As Self-MM keeps its unimodal labels: one number a train row, and a count of steps."""

    def __init__(self, rows: int):
        super().__init__()
        self.register_buffer("seen_N", torch.zeros(rows))

    def after_batch(self, model, batch, out, at):
        assert not torch.is_grad_enabled()
        self.seen_N[batch.ids_B] += 1


@pytest.mark.parametrize("accumulate", [1, 4])
def test_state_by_sample_sees_every_row_of_every_batch(accumulate):
    objective = PerSample(20)
    config = TrainConfig(epochs=3, batch_size=3, accumulate=accumulate)
    fit(model(), {"task": objective}, split(20, 0), split(9, 1), space=SPACE, config=config)
    assert objective.seen_N.tolist() == [3.0] * 20
    assert objective.steps == 3 * math.ceil(7 / accumulate)


@pytest.mark.parametrize("kind", ["Adam", "AdamW"])
def test_one_pass_takes_the_steps_that_torch_takes_one_by_one(kind):
    config, weights = TrainConfig(optimiser=kind.lower(), lr=1e-2, weight_decay=0.1), []
    for ours in (True, False):
        torch.manual_seed(0)
        net = torch.nn.Linear(40, 30, bias=False)
        optimiser = make_optimiser(net, {}, config, ())
        if not ours:
            options = {"betas": config.betas, "eps": config.eps, "weight_decay": 0.1}
            optimiser = getattr(torch.optim, kind)(
                net.parameters(), lr=1e-2, foreach=False, **options
            )
        for _ in range(5):
            optimiser.zero_grad()
            net(torch.randn(16, 40)).square().mean().backward()
            optimiser.step()
        weights.append(net.weight.detach().clone())
    torch.testing.assert_close(*weights, rtol=1e-5, atol=1e-6)

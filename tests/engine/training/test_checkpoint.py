"""An interrupted run resumes to the very bits of an uninterrupted one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from merbench.api import Stage, TrainConfig
from merbench.engine.training import checkpoint as module
from merbench.engine.training.checkpoint import Checkpoint, StartAnewError
from merbench.engine.training.evaluate import predict, weights_digest
from merbench.engine.training.train import fit
from merbench.results.store.store import Store
from tests.engine.training.test_train import L1, SPACE, model, split

CONFIGS = {
    "dropout": (TrainConfig(epochs=4, batch_size=8, lr=0.05), (Stage(),)),
    "plateau": (
        TrainConfig(
            epochs=6, batch_size=8, lr=0.5, schedule="plateau", patience=2, optimiser="sgd"
        ),
        (Stage(),),
    ),
    "average": (TrainConfig(epochs=3, batch_size=8, lr=0.05, ema=0.7, warmup=0.3), (Stage(),)),
    "accumulate": (TrainConfig(epochs=3, batch_size=4, accumulate=3, lr=0.05), (Stage(),)),
    "stages": (
        TrainConfig(epochs=2, batch_size=8, lr=0.05),
        (
            Stage(name="first", trains=("out.1.bias",), selects=False),
            Stage(name="second", objectives=("task",), settings={"lr": 0.01, "ema": 0.5}),
            Stage(name="third"),
        ),
    ),
}


class Centre(nn.Module):
    """An objective with a parameter and a moving average of its own."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1))
        self.register_buffer("mean", torch.zeros(1))

    def forward(self, model, batch, out, at):
        return {"centre": (out.logits_BC - self.shift - self.mean).square().mean()}

    def after_batch(self, model, batch, out, at):
        self.mean.lerp_(out.logits_BC.mean()[None], 0.1)


class Stopped(BaseException):
    """As KeyboardInterrupt, which pytest would take for its own."""


class Stops(L1):
    """Raises at one batch of all."""

    def __init__(self, at: int):
        super().__init__()
        self.left = at

    def forward(self, *words):
        self.left -= 1
        if self.left == -1:
            raise Stopped
        return super().forward(*words)


def train(config, stages, store=None, *, stop_epoch=None, stop_batch=10**6, identity="same"):
    net = model(dropout=0.3)
    objectives = {"task": Stops(stop_batch), "centre": Centre()}
    entries = []

    def watch(entry):
        entries.append(entry)
        if len(entries) == stop_epoch:
            raise Stopped

    place = Checkpoint(store, "run", {"source": identity}) if store else None
    fitted = fit(
        net,
        objectives,
        split(20, 0),
        split(9, 1),
        space=SPACE,
        config=config,
        stages=stages,
        watch=watch,
        checkpoint=place,
    )
    predictions = torch.from_numpy(predict(net, split(9, 1), SPACE))
    assert torch.equal(fitted.valid_predictions, predictions), "they are of other weights"
    states = [weights_digest(m) for m in (net, objectives["centre"])]
    return states, fitted, entries


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "EVERY", 0)
    monkeypatch.setattr(module, "SHARE", 0)
    return Store(tmp_path)


@pytest.mark.parametrize("name", CONFIGS)
def test_stopped_at_every_epoch_and_amid_each_it_goes_on_to_the_same_bits(name, store):
    config, stages = CONFIGS[name]
    states, fitted, entries = train(config, stages)
    batches = 3 if config.batch_size == 8 else 5
    for epoch in range(len(entries)):
        for stop in ({"stop_epoch": epoch + 1}, {"stop_batch": epoch * batches + 1}):
            with pytest.raises(Stopped):
                train(config, stages, store, **stop)
            again, refitted, later_entries = train(config, stages, store)
            assert (again, refitted) == (states, fitted)
            assert later_entries == entries[epoch:], (
                "the epochs before the interruption were made again, or others left out"
            )
            store.checkpoint("run").unlink()


def test_interrupted_again_and_again(store):
    config, stages = CONFIGS["stages"]
    states, fitted, entries = train(config, stages)
    for _ in entries[:-1]:
        with pytest.raises(Stopped):
            train(config, stages, store, stop_epoch=2)
    again, refitted, _ = train(config, stages, store)
    assert (again, refitted) == (states, fitted)


LACKING = (
    ["fitted"], ["stage"], ["epoch"], ["model"], ["parts"], ["rng"], ["fitted", "history"],
    ["parts", "optimiser", "state", 0, "exp_avg"], ["parts", "optimiser", "param_groups", 0, "lr"],
    ["parts", "schedule", "base_lrs", 0],
)  # fmt: skip
"""The way to what is taken out of a state. Some of it shows when the state is taken over, some in
the epoch after that."""


@pytest.mark.parametrize("lacking", LACKING, ids=lambda way: ".".join(map(str, way)))
def test_a_checkpoint_that_lacks_a_key_does_not_fail_twice(lacking, store, monkeypatch):
    config, stages = CONFIGS["average"]
    states, fitted, _ = train(config, stages)
    unpack = module._unpack
    with pytest.raises(Stopped):
        train(config, stages, store, stop_epoch=2)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_unpack", lambda *words: without(unpack(*words), lacking))
        with pytest.raises(StartAnewError):
            train(config, stages, store)
    (warning,) = store.warnings
    assert "starts anew" in warning and "set-aside" in warning
    assert lacking[0] in warning or len(lacking) > 1
    assert train(config, stages, store)[:2] == (states, fitted)


def without(state, way):
    """Inner values, which are unpacked one by one, stay as they are."""
    is_state_of_training = isinstance(state, dict) and "fitted" in state
    if is_state_of_training:
        *above, key = way
        inner = state
        for name in above:
            inner = inner[name]
        del inner[key]
    return state


@pytest.mark.parametrize("harm", ["cut", "flipped", "foreign", "not ours"])
def test_a_checkpoint_of_no_use_is_set_aside_and_told(harm, store):
    config, stages = CONFIGS["dropout"]
    states, fitted, _ = train(config, stages)
    with pytest.raises(Stopped):
        train(
            config, stages, store, stop_epoch=3, identity="other" if harm == "foreign" else "same"
        )
    path = store.checkpoint("run")
    if harm == "flipped":
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    elif harm == "not ours":
        path.write_bytes(b"x" * 100)
    again, refitted, later_entries = train(config, stages, store)
    assert (again, refitted) == (states, fitted) and len(later_entries) == 4
    (warning,) = store.warnings
    assert (
        "the run starts anew" in warning and str(path) in warning and "it was moved to" in warning
    )
    assert "its source is another than here" in warning or harm != "foreign"
    assert (store.root / "set-aside" / path.name).exists()


def test_writing_never_takes_more_than_its_share_of_the_time(tmp_path, monkeypatch):
    """A clock that says: a writing takes 2 s, an epoch 1 s."""
    now = [0.0]

    def tick():
        return now[0]

    def slow(path, data):
        now[0] += 2.0

    monkeypatch.setattr(module, "write_atomic", slow)
    monkeypatch.setattr(module.time, "perf_counter", tick)
    place, written = Checkpoint(Store(tmp_path), "run", {}), []
    for _ in range(200):
        now[0] += 1.0
        place.save(lambda: written.append(now[0]) or {})
    assert written[0] == module.EVERY
    assert 2.0 * len(written) <= 0.06 * now[0] and len(written) >= 4


def test_the_time_of_a_run_is_that_of_all_its_parts(tmp_path, monkeypatch):
    """Interrupted after 40 s and again after 50 more; what is of no use has taken none."""
    now, store = [0.0], Store(tmp_path)
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    for seconds, spent in ((40, 0.0), (50, 40.0), (0, 90.0)):
        part = Checkpoint(store, "run", {})
        part.load()
        assert part.spent == spent
        now[0] += seconds
        part.save(dict)
        now[0] += 1000
    with pytest.raises(StartAnewError), part.resuming():
        raise KeyError("epoch")
    assert part.spent == 0


def test_a_full_disk_costs_the_checkpoint_and_not_the_run(store, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_atomic", full)
    config, stages = CONFIGS["dropout"]
    states, _, _ = train(config, stages)
    assert train(config, stages, store)[0] == states
    assert ["No space left" in w for w in store.warnings] == [True]

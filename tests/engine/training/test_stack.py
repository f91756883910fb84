"""Seeds that train together learn what each learns alone."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from merbench.api import Output, RunError, Stage, TrainConfig
from merbench.api.events import EpochDone, TrainedAlone
from merbench.engine.build import build
from merbench.engine.learn import learn, learn_together
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.engine.training import checkpoint
from merbench.engine.training.checkpoint import Checkpoint
from merbench.engine.training.evaluate import predict, weights_digest
from merbench.engine.training.stacked.dropout import own_draws
from merbench.engine.training.stacked.loop import fit_stacked
from merbench.engine.training.stacked.modules import CannotStackError, Together
from merbench.engine.training.train import Fitted, fit
from merbench.results.store.store import Store
from merbench.runs.run import run
from merbench.testing import tiny
from tests.engine.training.test_memory import Loss
from tests.engine.training.test_train import L1, SPACE, split
from tests.tiny_runs import MACHINE

CPU = torch.device("cpu")
SEEDS = [0, 3, 4]


class Attending(nn.Module):
    """Dropout of every kind that the parts use: a layer's, a function's, attention's."""

    def __init__(self):
        super().__init__()
        self.widen = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3))
        self.attention = nn.MultiheadAttention(8, 2, 0.2, batch_first=True)
        self.out = nn.Linear(8, 1)
        self.register_buffer("fixed_D", torch.ones(8))

    def forward(self, batch):
        x_BLD = self.widen(batch.inputs["audio"].x_BLD + torch.arange(3.0)[:, None])
        x_BLD, _ = self.attention(
            x_BLD,
            x_BLD,
            x_BLD,
            key_padding_mask=torch.zeros(x_BLD.shape[:2], dtype=torch.bool),
            need_weights=False,
        )
        q_BHLE = x_BLD.unflatten(-1, (2, 4)).transpose(1, 2)
        p = 0.2 if self.training else 0.0
        x_BLD = x_BLD + F.scaled_dot_product_attention(
            q_BHLE, q_BHLE, q_BHLE, dropout_p=p
        ).transpose(1, 2).flatten(2)
        return Output(self.out(x_BLD.mean(1) + F.dropout(self.fixed_D, 0.5, self.training)))


def attending(seed: int) -> Attending:
    torch.manual_seed(seed)
    return Attending()


class Double(Loss):
    """Its gradient is twice that of ``Loss``."""

    def forward(self, model, batch, out, at):
        return {name: 2 * term for name, term in super().forward(model, batch, out, at).items()}


@pytest.mark.parametrize(
    "stage", [Stage(), Stage(objectives=("task",)), Stage(trains=("attention.", "out."))]
)
def test_losses_of_ten_steps_are_those_of_training_alone_dropout_included(stage):
    config = TrainConfig(epochs=5, batch_size=10, lr=0.01, clip_norm=0.1, patience=9)
    rows, valid = {"space": SPACE, "config": config, "stages": (stage,)}, split(9, 1)

    def losses():
        return {"task": Loss(), "more": Double()}

    alone = []
    for seed in SEEDS:
        net = attending(seed)
        alone.append((net, fit(net, losses(), split(20, 0), split(9, 1), seed=seed, **rows)))
    modules = [Together(attending(seed), losses()) for seed in SEEDS]
    more = {
        "thresholds": "fixed:0.5",
        "seeds": SEEDS,
        "fold": None,
        "watch": lambda seed, entry: None,
    }
    together = fit_stacked(modules, split(20, 0), split(9, 1), **rows, **more)
    for (net, fitted), module, result in zip(alone, modules, together, strict=True):
        assert result.best_epoch == fitted.best_epoch
        for a, b in zip(fitted.history, result.history, strict=True):
            assert a["loss"] == pytest.approx(b["loss"], abs=1e-5)
            assert a["mae"] == pytest.approx(b["mae"], abs=1e-5)
        a, b = (predict(trained_model, valid, SPACE) for trained_model in (net, module.model))
        assert a.tolist() == pytest.approx(b.tolist(), abs=1e-5)
        # Those of the best epoch are kept, so that nobody has to make them again.
        assert result.valid_predictions.dtype == torch.float64
        assert result.valid_predictions.tolist() == pytest.approx(b.tolist(), abs=1e-6)


class Unwritten(Loss):
    def forward(self, model, batch, out, at):
        raise NotImplementedError


def plan_of(catalog, model: str, **settings):
    settings = {"train.epochs": 3, "train.batch_size": 6, "train.patience": 9, **settings}
    return resolve(Request(model, settings=settings), catalog, tiny.corpus(), None)


@pytest.mark.parametrize("model", ["merclip", "mult"])
def test_real_methods_learn_the_same_together_as_alone(model, catalog, monkeypatch):
    import merbench_baselines.fusions.mult

    # As on a GPU, where the whole batch goes at once.
    monkeypatch.setattr(
        merbench_baselines.fusions.mult, "by_length", lambda f, parts, attends: f(dict(parts))
    )
    parts = resolve(Request(model), catalog, tiny.corpus(), None).parts
    settings = {
        f"{slot}.{f}": 0.0
        for slot, part in parts.items()
        for f in type(part.config).model_fields
        if "dropout" in f
    }
    plan = plan_of(catalog, model, **settings)
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    problems = [build(plan, fold, seed, CPU) for seed in SEEDS]
    together = learn_together(plan, problems, fold, SEEDS, lambda seed, entry: None)
    for seed, problem, result in zip(SEEDS, problems, together, strict=True):
        single = build(plan, fold, seed, CPU)
        fitted = learn(plan, single, fold, seed)
        for a, b in zip(fitted.history, result.history, strict=True):
            assert a["loss"] == pytest.approx(b["loss"], abs=1e-5)
        assert result.best_epoch == fitted.best_epoch
        a, b = (predict(p.model, p.valid, SPACE) for p in (single, problem))
        assert a.tolist() == pytest.approx(b.tolist(), abs=1e-4)


class Scaled(nn.Module):
    """One weight; it can be made to break."""

    def __init__(self, start: float):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[start, -1.0, 0.5, 0.0]]))

    def forward(self, batch):
        return Output(batch.inputs["audio"].x_BLD[:, 0] @ self.weight.T)


def test_each_seed_stops_by_itself_and_one_that_fails_leaves_the_others():
    config = TrainConfig(epochs=30, batch_size=4, lr=0.3, patience=2, schedule="constant")
    starts = [9.0, float("nan"), 1.0]
    modules = [Together(Scaled(start), {"task": Loss()}) for start in starts]
    more = {
        "stages": (Stage(),),
        "thresholds": "fixed:0.5",
        "seeds": SEEDS,
        "fold": None,
        "watch": lambda seed, entry: None,
    }
    first, failed, last = fit_stacked(
        modules, split(20, 0), split(9, 1), space=SPACE, config=config, **more
    )
    assert isinstance(failed, RunError) and "'task.l1' is not finite in epoch 0" in str(failed)
    for seed, start, result, module in (
        (SEEDS[0], starts[0], first, modules[0]),
        (SEEDS[2], starts[2], last, modules[2]),
    ):
        net = Scaled(start)
        fitted = fit(
            net, {"task": Loss()}, split(20, 0), split(9, 1), space=SPACE, config=config, seed=seed
        )
        assert len(result.history) == len(fitted.history) and result.best_epoch == fitted.best_epoch
        assert torch.allclose(net.weight, module.model.weight, atol=1e-5)
    assert len(first.history) != len(last.history)


class Stopped(BaseException):
    """As KeyboardInterrupt, which pytest would take for its own."""


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY", 0)
    monkeypatch.setattr(checkpoint, "SHARE", 0)
    return Store(tmp_path)


def stops(after: int | None, entries: list):
    def watch(*message):
        entries.append(message)
        if len(entries) == after:
            raise Stopped

    return watch


def test_stopped_at_every_epoch_it_goes_on_to_the_same_bits(store):
    def train(place=None, stop=None):
        modules = [Together(attending(seed), {"task": Loss()}) for seed in SEEDS]
        torch.nn.init.constant_(modules[1].model.out.bias, float("nan"))
        config, entries = TrainConfig(epochs=8, batch_size=10, lr=0.01, warmup=0.2, patience=1), []
        more = {
            "stages": (Stage(),),
            "thresholds": "fixed:0.5",
            "seeds": SEEDS,
            "fold": None,
            "watch": stops(stop, entries),
        }
        fitted_stack = fit_stacked(
            modules, split(20, 0), split(9, 1), space=SPACE, config=config, checkpoint=place, **more
        )
        return (
            [weights_digest(m) for m in modules],
            [f if isinstance(f, Fitted) else str(f) for f in fitted_stack],
            entries,
        )

    weights, fitted, entries = train()
    assert isinstance(fitted[1], str) and 2 < len(fitted[0].history) != len(fitted[2].history) > 2
    for stop in range(1, len(entries) + 1):
        with pytest.raises(Stopped):
            train(Checkpoint(store, "run", {}), stop)
        *again, later_entries = train(Checkpoint(store, "run", {}))
        assert again == [weights, fitted]
        assert (
            later_entries == entries[-len(later_entries) :]
            and len(later_entries) <= len(entries) - stop + 2
        ), "epochs were made again, or others left out"
        store.checkpoint("run").unlink()


@pytest.mark.parametrize("stop", ["training", "scoring", "last seed"])
def test_an_interrupted_stack_goes_on_with_the_same_company(stop, catalog, store, monkeypatch):
    plan = plan_of(catalog, "merclip", **{"train.stack": True})
    wanted = run(plan, tiny.corpus(), SEEDS, Store(store.root / "whole"), MACHINE)
    put, run_ids, calls = Store.put, [], []

    def once(*words):
        calls.append(1)
        if len(calls) == (2 if stop == "scoring" else 3):
            raise Stopped
        put(*words)

    if stop != "training":
        monkeypatch.setattr(Store, "put", once)
    watch = stops(4, []) if stop == "training" else lambda *message: None
    with pytest.raises(Stopped):
        run(
            plan,
            tiny.corpus(),
            SEEDS,
            store,
            MACHINE,
            watch=lambda event: watch(event) if isinstance(event, EpochDone) else None,
        )
    assert len(list(store.records())) == {"training": 0, "scoring": 1, "last seed": 2}[stop]
    records = run(
        plan, tiny.corpus(), SEEDS, store, MACHINE, watch=lambda event: run_ids.append(type(event))
    )
    assert [(r.weights_sha256, r.metrics, r.history, r.notes) for r in records] == [
        (r.weights_sha256, r.metrics, r.history, r.notes) for r in wanted
    ]
    assert run_ids.count(EpochDone) == (6 if stop == "training" else 0)
    assert not store.warnings and not list((store.root / "checkpoints").iterdir())


def test_a_stack_of_other_seeds_starts_anew_and_tells(catalog, store):
    plan = plan_of(catalog, "merclip", **{"train.stack": True})
    watch = stops(5, [])
    with pytest.raises(Stopped):
        run(
            plan,
            tiny.corpus(),
            [0, 3],
            store,
            MACHINE,
            watch=lambda event: watch(event) if isinstance(event, EpochDone) else None,
        )
    assert [r.status for r in run(plan, tiny.corpus(), [0, 4], store, MACHINE)] == ["done", "done"]
    assert "the stack starts anew" in store.warnings[0] and "of seeds 0, 3" in store.warnings[0]


@pytest.mark.parametrize(
    ("model", "settings", "why"),
    [
        ("late-fusion-dnn", {}, "torch.func has no rule for its LSTM"),
        ("merclip", {"train.ema": 0.5}, "train.ema"),
        ("merclip", {"train.schedule": "plateau"}, "plateau"),
        ("ridge", {}, "closed form"),
    ],
)
def test_what_cannot_be_stacked_is_trained_alone_and_told(model, settings, why, catalog, tmp_path):
    plan = plan_of(catalog, model, **{"train.epochs": 2, **settings, "train.stack": True})
    events = []
    records = run(
        plan,
        tiny.corpus(),
        [0, 1],
        Store(tmp_path),
        MACHINE,
        watch=events.append,
    )
    assert [r.status for r in records] == ["done", "done"]
    assert why in next(e.reason for e in events if isinstance(e, TrainedAlone))
    assert all("trained alone, not stacked" in r.notes[0] for r in records)
    alone = plan_of(catalog, model, **{"train.epochs": 2, **settings})
    single = run(alone, tiny.corpus(), [0, 1], Store(tmp_path), MACHINE)
    assert [r.weights_sha256 for r in records] == [r.weights_sha256 for r in single]
    assert {r.run_id for r in records}.isdisjoint(r.run_id for r in single), (
        "stacking is part of the spec"
    )


def test_a_stacked_study_is_recorded_seed_by_seed(catalog, tmp_path):
    plan = plan_of(catalog, "merclip", **{"train.stack": True})
    store = Store(tmp_path)
    records = run(plan, tiny.corpus(), SEEDS, store, MACHINE)
    assert [r.seed for r in records] == SEEDS and all(r.status == "done" for r in records)
    assert all(r.notes == ["trained together with seeds 0, 3, 4"] for r in records)
    assert len({r.weights_sha256 for r in records}) == 3
    company = run(plan, tiny.corpus(), [3, 7], Store(tmp_path / "other"), MACHINE)
    assert company[0].metrics.test["mae"] == pytest.approx(records[1].metrics.test["mae"], abs=1e-4)


def test_one_seed_is_no_stack_however_many_folds_it_has(catalog, tmp_path):
    corpus = tiny.corpus()
    (split,) = corpus.protocols["standard"].splits
    folds = tuple(dataclasses.replace(split, fold=fold) for fold in (1, 2))
    protocol = dataclasses.replace(corpus.protocols["standard"], splits=folds)
    corpus = dataclasses.replace(corpus, protocols={"standard": protocol})
    settings = {"train.epochs": 1, "train.stack": True}
    plan = resolve(Request("merclip", settings=settings), catalog, corpus, None)
    records = run(plan, corpus, [4], Store(tmp_path), MACHINE)
    assert [(r.fold, r.status, r.notes) for r in records] == [(1, "done", []), (2, "done", [])]


def test_state_by_batch_and_stages_are_for_seeds_that_train_alone():
    more = {
        "thresholds": "fixed:0.5",
        "seeds": SEEDS,
        "fold": None,
        "watch": lambda seed, entry: None,
    }
    several, last_epoch = (Stage(), Stage(name="b")), (Stage(selects=False),)
    for objective, stages, settings, why in (
        (L1(), (Stage(),), {}, "keeps state"),
        (Loss(), several, {}, "several stages"),
        (Loss(), last_epoch, {}, "several stages"),
        (Loss(), (Stage(),), {"by_length": True}, "by_length"),
        (Loss(), (Stage(),), {"accumulate": 2}, "accumulate"),
        (Loss(), (Stage(),), {"clip_value": 0.1}, "clip_value"),
        (Loss(), (Stage(),), {"objective_schedules": {"task": "ramp:0:1"}}, "objective_schedules"),
        (Unwritten(), (Stage(),), {}, r"cannot be stacked \(NotImplementedError\)"),
    ):
        modules = [Together(Scaled(1.0), {"task": objective}) for _ in SEEDS]
        rows = {"space": SPACE, "config": TrainConfig(epochs=1, **settings)}
        with pytest.raises(CannotStackError, match=why):
            fit_stacked(modules, split(20, 0), split(9, 1), stages=stages, **rows, **more)


class Recurrent(nn.Module):
    """A cell of this kind over the steps."""

    def __init__(self, cell):
        super().__init__()
        self.cell, self.out = cell(1, 8), nn.Linear(8, 1)

    def forward(self, batch):
        state = None
        for x_BD in batch.inputs["audio"].x_BLD[..., :1].unbind(1):
            state = self.cell(x_BD, state)
        return Output(self.out(state[0] if isinstance(state, tuple) else state))


@pytest.mark.parametrize("cell", [nn.GRUCell, nn.RNNCell, nn.LSTMCell])
def test_the_recurrent_cells_that_torch_has_rules_for_are_stacked(cell):
    modules = [Together(Recurrent(cell), {"task": Loss()}) for _ in SEEDS]
    settings = {"thresholds": "fixed:0.5", "seeds": SEEDS, "fold": None}
    rows = {"space": SPACE, "config": TrainConfig(epochs=1), "stages": (Stage(),)}
    expected = (
        pytest.raises(CannotStackError, match="no rule for its LSTMCell")
        if cell is nn.LSTMCell
        else nullcontext()
    )
    with expected:
        fit_stacked(
            modules, split(20, 0), split(9, 1), watch=lambda seed, entry: None, **rows, **settings
        )


@pytest.mark.parametrize("drawn", ["labels", "missing", "views"])
def test_rows_that_differ_by_seed_are_for_seeds_that_train_alone(drawn):
    drawn_rows = {"labels": "", "missing": "", "views": {}} | {drawn: "x"}
    plan = SimpleNamespace(
        recipe=SimpleNamespace(closed_form=False), spec=SimpleNamespace(**drawn_rows)
    )
    with pytest.raises(CannotStackError, match=drawn):
        learn_together(plan, [], None, SEEDS, lambda seed, entry: None)


@pytest.mark.parametrize("form", ["bool", "float"])
def test_attention_over_nothing_is_0_in_a_stack_as_alone(form):
    draw = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, 4, 5, generator=draw, requires_grad=True) for _ in range(3))
    kept_SBHL = torch.rand(2, 1, 4, 4, generator=draw) < 0.5
    kept_SBHL[0, :, 1], kept_SBHL[1, :, 2] = False, True
    mask = (
        kept_SBHL
        if form == "bool"
        else torch.zeros(kept_SBHL.shape).masked_fill(~kept_SBHL, -torch.inf)
    )
    alone = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    wanted = torch.autograd.grad(alone.square().sum(), (q, k, v))

    def attend(seed, q, k, v, mask):
        with own_draws(seed, [torch.Generator()] * 2):
            return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    stacked = torch.func.vmap(attend)(torch.arange(2), q, k, v, mask)
    assert (alone[0, :, 1] == 0).all() and torch.allclose(stacked, alone, atol=1e-6)
    for of_stack, of_one in zip(
        torch.autograd.grad(stacked.square().sum(), (q, k, v)), wanted, strict=True
    ):
        assert torch.allclose(of_stack, of_one, atol=1e-5)

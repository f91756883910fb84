"""A stored run comes back: the same run id from its spec, the same predictions from its weights."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from merbench.api import Config, RequestError, Steps
from merbench.engine.build import build
from merbench.engine.plan.plan import Part, Request
from merbench.engine.resolve import resolve
from merbench.engine.restore import plan_of, restore, save
from merbench.engine.rows.splits import Fold
from merbench.engine.training.evaluate import predict, weights_digest
from merbench.results.records.record import Record
from merbench.results.spec import run_id
from merbench.results.store.store import Store
from merbench.runs.run import run
from merbench.testing import tiny
from tests.tiny_runs import MACHINE

CPU = torch.device("cpu")
SHORT = {"train.epochs": 2, "train.batch_size": 4}
CASES = {
    "composed": Request(
        "merclip",
        settings={
            **SHORT,
            "fusion.order": ["audio", "text", "video"],
            "train.lr_factors": {"fusion": 0.5},
        },
    ),
    "ablated": Request("merclip", settings=SHORT, ablations=("no-label-encoder", "joint-decoder")),
    "other parts": Request(
        "lmf",
        settings={**SHORT, "head": "mlp", "encoder.audio": "feature-bilstm"},
        modalities=("text", "audio"),
    ),
    "learned vocabulary": Request(
        "text-only", settings={**SHORT, "encoder.tuned": True}, streams={"text": "text.transcript"}
    ),
    "modality ablation": Request("mult", settings=SHORT, ablations=("text-audio",)),
    "floor": Request("ridge"),
    "floor of words": Request("tfidf-ridge"),
    "floor without inputs": Request("majority"),
}


@pytest.fixture(params=CASES, ids=str)
def plan(request, catalog):
    return resolve(CASES[request.param], catalog, tiny.corpus(), None)


def fold_of(plan):
    return Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)


def test_a_spec_becomes_the_plan_it_came_from(plan, catalog):
    spec = type(plan.spec).model_validate_json(plan.spec.model_dump_json())
    again = plan_of(spec, catalog, tiny.corpus(), None)
    assert run_id(again.spec, again.contents, 3, None) == run_id(plan.spec, plan.contents, 3, None)
    assert again.track == plan.track


def test_a_restored_model_predicts_the_very_bytes_that_were_stored(plan, tmp_path):
    corpus, store = tiny.corpus(), Store(tmp_path)
    (record,) = run(plan, corpus, [1], store, MACHINE)
    fold = fold_of(plan)
    problem = restore(plan, fold, 1, store.weights(record.run_id), CPU)
    again = predict(problem.model, fold.data("test", problem.encoders, CPU), fold.space)
    assert again.tobytes() == store.predictions(record.run_id).prediction.tobytes()


def test_a_spec_that_cannot_be_had_is_told(catalog):
    plan = resolve(CASES["ablated"], catalog, tiny.corpus(), None)
    with pytest.raises(RequestError, match=r"merclip gone cannot be made again.*no-label-encoder"):
        plan_of(plan.spec.model_copy(update={"ablation": "gone"}), catalog, tiny.corpus(), None)
    with pytest.raises(RequestError, match="its stages are others today"):
        plan_of(plan.spec.model_copy(update={"stages": []}), catalog, tiny.corpus(), None)


def test_weights_that_are_not_there_or_not_whole_or_of_another_model_are_told(catalog, tmp_path):
    store, corpus = Store(tmp_path), tiny.corpus()
    plan, other = (
        resolve(Request("lmf", settings={**SHORT, "fusion.width": w}), catalog, corpus, None)
        for w in (8, 9)
    )
    (record,) = run(plan, corpus, [0], store, MACHINE, keep_weights=False)
    with pytest.raises(RequestError, match=f"no weights of run {record.run_id}.*--force"):
        store.weights(record.run_id)
    (record,) = run(plan, corpus, [0], store, MACHINE, force=True)
    path = store.weights(record.run_id)
    with pytest.raises(RequestError, match="cannot be loaded"):
        restore(other, fold_of(other), 0, path, CPU)
    state = safetensors.torch.load_file(path)
    state["fusion.bias_D"] = state["fusion.bias_D"] + 1
    safetensors.torch.save_file(state, path, metadata={"sha256": record.weights_sha256})
    with pytest.raises(RequestError, match="are not those of lmf"):
        restore(plan, fold_of(plan), 0, path, CPU)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(RequestError, match="cannot be loaded"):
        restore(plan, fold_of(plan), 0, path, CPU)


class Pretrained(nn.Module):
    """An encoder around frozen weights from a file, with a trained layer after them."""

    Config = Config
    width, frozen = 6, False

    def __init__(self, config, context, stream):
        super().__init__()
        self.measured = {}
        draw = torch.Generator().manual_seed(0)
        self.net = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6, affine=True)).requires_grad_(
            False
        )
        self.net[0].weight.copy_(torch.randn(6, 6, generator=draw))
        self.net[0].bias.zero_()
        self.tuned = nn.Linear(6, 6)
        self.register_buffer("learned", torch.zeros(1))

    def train(self, mode=True):
        super().train(mode)
        self.net.eval()
        return self

    @staticmethod
    def pretrained(config):
        return {"a tower": "0" * 64}

    def prepare(self, rows):
        return rows

    def forward(self, inputs):
        return Steps(self.tuned(inputs.x_BLD @ self.net[0].weight), inputs.mask_BL)


def test_frozen_pretrained_weights_are_not_stored(catalog):
    plan = resolve(Request("late-fusion-dnn", settings=SHORT), catalog, tiny.corpus(), None)
    audio = plan.parts["encoder.audio"]
    component = dataclasses.replace(audio.component, pretrained=("weights",))
    plan = dataclasses.replace(
        plan, parts={**plan.parts, "encoder.audio": Part(component, Pretrained, Config())}
    )
    problem = build(plan, fold_of(plan), 0, CPU)
    saved = safetensors.torch.load(save(plan, problem, weights_digest(problem.model)))
    left = set(problem.model.state_dict()) - set(saved)
    assert left == {f"encoders.audio.net.{n}" for n in ("0.weight", "0.bias")} | {
        f"encoders.audio.net.1.{n}"
        for n in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    }


def test_frozen_pretrained_weights_come_back_from_their_file(catalog, tmp_path):
    plan = resolve(Request("late-fusion-dnn", settings=SHORT), catalog, tiny.corpus(), None)
    component = dataclasses.replace(plan.parts["encoder.audio"].component, pretrained=("weights",))
    plan = dataclasses.replace(
        plan, parts={**plan.parts, "encoder.audio": Part(component, Pretrained, Config())}
    )
    store = Store(tmp_path)
    (record,) = run(plan, tiny.corpus(), [0], store, MACHINE)
    problem = restore(plan, fold_of(plan), 0, store.weights(record.run_id), CPU)
    assert weights_digest(problem.model) == record.weights_sha256


def test_one_fold_alone_and_who_tuned(catalog, tmp_path):
    from tests.tiny_runs import in_folds

    corpus = in_folds(tiny.corpus())
    plan = resolve(Request("lmf", protocol="folds", settings=SHORT), catalog, corpus, None)
    tuned = {"study": "s", "trials": 3, "seconds": 1.5}
    (record,) = run(plan, corpus, [0], Store(tmp_path / "one"), MACHINE, folds=[1], tuned_by=tuned)
    every = run(plan, corpus, [0], Store(tmp_path / "all"), MACHINE)
    assert (
        record.fold == 1
        and record.tuned_by == tuned
        and record.weights_sha256 == every[1].weights_sha256
    )
    assert Record.model_validate_json(record.model_dump_json()) == record
    assert np.isfinite(record.metrics.test["mae"])
    with pytest.raises(RequestError, match="has no fold 7; its folds are 0, 1, 2"):
        run(plan, corpus, [0], Store(tmp_path / "one"), MACHINE, folds=[7])

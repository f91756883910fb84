"""Self-MM: its generated labels against a brute-force computation over the whole train split."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from merbench.api import Progress, RequestError
from merbench.engine.build import build
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.engine.training import checkpoint as checkpoints
from merbench.engine.training.checkpoint import Checkpoint
from merbench.engine.training.train import fit
from merbench.results.store.store import Store
from merbench.testing import tiny
from merbench_baselines.heads import MLP
from merbench_baselines.unimodal.generated_labels import (
    Centres,
    UnimodalLabels,
    UnimodalTask,
    generated_label,
)
from merbench_baselines.unimodal.self_mm import SelfMM
from tests.plugins.baselines.made_parts import close, make, sequences

EPOCHS, MODALITIES = 3, ("text", "audio", "video")


class Watcher(nn.Module):
    """Writes down what each batch hands to the labels; stops the run at one batch of all."""

    def __init__(self, labels, stop_at=None):
        super().__init__()
        self.labels, self.stop_at, self.batches = [labels], stop_at, []

    def forward(self, model, batch, out, at):
        if len(self.batches) == self.stop_at:
            raise KeyboardInterrupt
        features = {m: f.numpy().astype(float) for m, f in self.labels[0].features.items()}
        fused = out.fused.z_BCD[:, 0].detach().numpy().astype(float)
        present = dict(zip(MODALITIES, out.aux["present"].T.numpy(), strict=True))
        self.batches.append((at.epoch, batch.ids_B.numpy(), features, fused, present))
        return {"watched": out.logits_BC.new_zeros(())}


def train(catalog, accumulate=1, stop_at=None, store=None):
    settings = {"train.epochs": EPOCHS, "train.batch_size": 5, "train.accumulate": accumulate}
    plan = resolve(Request("self-mm", settings=settings), catalog, tiny.corpus(), None)
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    problem = build(plan, fold, 0, torch.device("cpu"))
    labels = problem.objectives["unimodal-labels"]
    watcher = Watcher(labels, stop_at)
    objectives = {**problem.objectives, "watcher": watcher}
    place = Checkpoint(store, "run", {}) if store else None
    fit(
        problem.model,
        objectives,
        problem.train,
        problem.valid,
        space=fold.space,
        config=plan.train,
        checkpoint=place,
    )
    return labels, watcher.batches, problem.train.target.numpy().astype(float)


def alpha(feature, label, rows):
    """Equations 4 to 6 for one row; ``rows``: id -> (feature, label) of the train split."""
    distance = {}
    for sign in (1, -1):
        group = [f for f, y in rows.values() if y * sign > 0]
        if not group:
            return None
        centre = sum(group) / len(group)
        distance[sign] = sum((feature - centre) ** 2) / math.sqrt(len(feature))
    return (distance[-1] - distance[1]) / (distance[1] + 1e-8)


def by_brute_force(batches, target):
    """Labels [modality][row] after all batches, from the logged features alone."""
    label = {m: dict(enumerate(target)) for m in MODALITIES}
    feature_by_id = {m: {} for m in (*MODALITIES, "fused")}  # id -> feature, of rows that have it
    for epoch, ids, features, fused, present in batches:
        new = {m: {} for m in MODALITIES}
        if epoch > 0:
            fused_rows = {i: (f, target[i]) for i, f in feature_by_id["fused"].items()}
            for place, i in enumerate(ids):
                fused_alpha = alpha(fused[place], target[i], fused_rows)
                for m in MODALITIES:
                    rows = {j: (f, label[m][j]) for j, f in feature_by_id[m].items()}
                    own_alpha = alpha(features[m][place], label[m][i], rows)
                    if fused_alpha is None or own_alpha is None or not present[m][place]:
                        continue
                    y = target[i]
                    raw = (
                        y + (own_alpha - fused_alpha) / 2 * (y + fused_alpha) / fused_alpha
                    )  # the paper's last form
                    n = epoch + 1
                    clipped = min(3.0, max(-3.0, raw))
                    new[m][i] = (n - 1) / (n + 1) * label[m][i] + 2 / (n + 1) * clipped
        for m in MODALITIES:
            label[m].update(new[m])
            for place, i in enumerate(ids):
                if present[m][place]:
                    feature_by_id[m][i] = features[m][place]
        feature_by_id["fused"].update(zip(ids, fused, strict=True))
    return {m: np.array([label[m][i] for i in range(len(target))]) for m in MODALITIES}


@pytest.mark.parametrize("accumulate", [1, 4])
def test_labels_after_three_epochs_are_those_of_brute_force(catalog, accumulate):
    labels, batches, target = train(catalog, accumulate)
    assert len(batches) == 3 * EPOCHS
    expected = by_brute_force(batches, target)
    for index, m in enumerate(MODALITIES):
        assert np.allclose(labels.label_MN[index].numpy(), expected[m], atol=1e-4), m
        assert not np.allclose(expected[m], target)  # they have moved
    assert expected["audio"][-1] == pytest.approx(target[-1])  # a row that lacks audio


@pytest.mark.parametrize("stop_at", [3, 4, 7])
def test_labels_survive_an_interruption(catalog, tmp_path, monkeypatch, stop_at):
    monkeypatch.setattr(checkpoints, "EVERY", 0)
    monkeypatch.setattr(checkpoints, "SHARE", 0)
    uninterrupted, _, _ = train(catalog, 4)
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(catalog, 4, stop_at, store)
    resumed, batches, _ = train(catalog, 4, store=store)
    assert len(batches) < 3 * EPOCHS
    assert torch.equal(resumed.label_MN, uninterrupted.label_MN)


def test_both_forms_of_the_generated_label_agree_and_nothing_is_divided_by_zero():
    y, own_alpha = torch.randn(20), torch.randn(20)
    fused_alpha = torch.randn(20)
    close(
        generated_label(y, own_alpha, fused_alpha),
        y + (own_alpha - fused_alpha) / 2 * (y + fused_alpha) / fused_alpha,
        1e-3,
    )
    assert torch.isfinite(generated_label(y, own_alpha, torch.zeros(20))).all()


@pytest.mark.parametrize("labels", [[1.0, 2.0, 0.0], [-1.0, -2.0, 0.0], [1.0, 2.0, -1.0]])
def test_labels_are_not_moved_by_rows_of_one_side_alone(labels):
    """The last row, of the other side where there is one, lacks the modality."""
    centres = Centres(3, 2)
    centres.keep(torch.arange(3), torch.randn(3, 2), torch.tensor([True, True, False]))
    assert centres.relative_distance(torch.randn(4, 2), torch.tensor(labels), True) is None


@pytest.mark.parametrize("distance", ["squared", "plain"])
def test_relative_distance_is_that_of_the_paper_or_of_its_code(distance):
    rows, labels = torch.randn(9, 5), torch.tensor([1.0, 2, 1, 3, -1, -2, -1, 0, 0])
    centres = Centres(9, 5)
    centres.keep(torch.arange(9), rows, torch.ones(9, dtype=torch.bool))
    features = torch.randn(4, 5)
    actual = centres.relative_distance(features, labels, distance == "squared")
    for f, alpha_here in zip(features, actual, strict=True):
        to_positive, to_negative = (
            float(((f - rows[group].mean(0)) ** 2).sum()) for group in (labels > 0, labels < 0)
        )
        if distance == "plain":
            to_positive, to_negative = math.sqrt(to_positive), math.sqrt(to_negative)
        assert float(alpha_here) == pytest.approx((to_negative - to_positive) / to_positive, 1e-4)


@torch.no_grad()
def test_the_loss_weighs_a_row_by_how_far_its_label_has_moved(catalog):
    plan = resolve(Request("self-mm"), catalog, tiny.corpus(), None)
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    problem = build(plan, fold, 0, torch.device("cpu"))
    labels = problem.objectives["unimodal-labels"].eval()
    batch = problem.train.batch(torch.arange(12))
    out = problem.model.eval()(batch)
    first = labels(problem.model, batch, out, Progress(0, 1, 0, 1, "main"))
    assert all(float(term) == 0 for term in first.values())  # y_s is y in the first epoch
    labels.label_MN += torch.randn(labels.label_MN.shape)
    later = labels(problem.model, batch, out, Progress(1, 2, 0, 1, "main"))
    vectors = dict(zip(MODALITIES, out.aux["utterances"].split(labels.widths, 1), strict=True))
    for index, m in enumerate(MODALITIES):
        task, total = labels.tasks[m], 0.0
        for i in range(12):
            if out.aux["present"][i, index]:
                label, y = float(labels.label_MN[index, i]), float(batch.target[i])
                score = float(task.score(task.features(vectors[m][i])))
                total += math.tanh(abs(label - y)) * abs(score - label)
        assert float(later[m]) == pytest.approx(total / 12, rel=1e-4)


def test_the_fusion_is_one_layer_over_the_vectors_of_the_modalities():
    fusion = make(SelfMM)
    parts = sequences(missing=[("audio", 2)])
    out = fusion(parts)
    assert (out.aux["present"][:, 1] == torch.arange(5).ne(2)).all()
    text, audio, video = out.aux["utterances"].split(list(fusion.widths.values()), 1)
    assert (audio[2] == 0).all() and (audio[1] != 0).any()
    layer = fusion.fuse[1]
    joint = torch.cat((text, audio, video), 1)
    close(out.z_BCD[:, 0], (joint @ layer.weight.T + layer.bias).relu())


def test_labels_are_generated_for_scores_alone():
    with pytest.raises(RequestError, match="score"):
        UnimodalLabels(UnimodalLabels.Config(), tiny.context("class"), None)


def test_parameters_at_the_published_settings():
    """Of BERT's 768 wide first state, COVAREP's 74 and 20 of Facet, layer by layer."""
    widths = {"text": 768, "audio": 74, "video": 20}
    lstms = sum(4 * h * (w + h + 2) + h * h + h for w, h in ((74, 16), (20, 32)))
    count = sum(p.numel() for p in make(SelfMM, widths, text="first").parameters())
    assert count == lstms + (768 + 16 + 32) * 128 + 128 == 118_704


def test_parameters_are_those_that_mmsa_logged():
    """logs/self_mm-mosi.log of thuiar/MMSA, less 50 that its code does not account for (a batch norm
    of the 5 audio and 20 video inputs would).
    """
    widths = {"text": 768, "audio": 5, "video": 20}
    fusion = make(SelfMM, widths, text="first", lstm_audio=32, lstm_video=64)
    head = MLP(MLP.Config(hidden=128), tiny.context(), fusion.width, None)
    hidden = {"text": 64, "audio": 16, "video": 32}
    tasks = [UnimodalTask(fusion.widths[f"utterance.{m}"], h, 0.0) for m, h in hidden.items()]
    count = sum(p.numel() for module in (fusion, head, *tasks) for p in module.parameters())
    bert = 109_482_240
    assert bert + count == 109_689_270 - 50

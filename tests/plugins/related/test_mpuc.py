"""MPUC's loss against a loop, and the views that it is made on."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import normalize

from merbench.api import MODALITIES, Progress, Steps, masked_mean
from merbench.engine.build import build
from merbench.engine.learn import learn
from merbench.engine.plan.plan import Request
from merbench.engine.plan.stages import settings_of
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.engine.training.optimise import make_optimiser, make_schedule
from merbench.testing import tiny
from merbench_related.mpuc.fusion import SideBySide
from merbench_related.mpuc.objective import ModalityContrast, pair_loss
from merbench_related.views import View, at_least_one, runs, warped, window

AT = Progress(0, 1, 0, 1, "main")


def unit(*shape: int) -> torch.Tensor:
    return normalize(torch.randn(*shape), dim=-1)


@pytest.mark.parametrize("same_view", [False, True])
def test_pair_loss_is_the_published_matrix_with_its_diagonal_left_out(same_view):
    torch.manual_seed(0)
    u, v, present = unit(2, 4, 3), unit(2, 4, 3), torch.tensor([True, True, False, True])
    losses = []
    for a in range(2):
        for i in range(4):
            if not present[i]:
                continue
            near = {
                (b, j): (u[a, i] @ v[b, j] / 0.1).exp()
                for b in range(2)
                for j in range(4)
                if present[j] and (same_view or (b, j) != (a, i))
            }
            total = sum(near.values())
            positive = [(1 - a, i), (a, i)] if same_view else [(1 - a, i)]
            losses.append(-torch.stack([(near[k] / total).log() for k in positive]).mean())
    want = torch.stack(losses).mean()
    assert torch.allclose(pair_loss(u, v, present, 0.1, same_view), want, atol=1e-5)
    assert pair_loss(u, v, present & torch.tensor([True, False, False, False]), 0.1, False) == 0


def encoder_model():
    return SimpleNamespace(
        widths=dict.fromkeys(MODALITIES, 6), encode=lambda batch: dict(batch.inputs)
    )


def test_objective_is_the_mean_over_ordered_pairs_and_reads_no_target():
    torch.manual_seed(0)
    context, model = tiny.context(), encoder_model()
    objective = ModalityContrast(ModalityContrast.Config(crop=1.0), context, model)
    batch = tiny.batch(context, tiny.parts(), 5)
    (term,) = objective(model, batch, None, AT).values()
    vectors = {
        m: normalize(objective.project[m](masked_mean(*batch.inputs[m])), dim=-1).expand(2, -1, -1)
        for m in MODALITIES
    }
    pairs = [
        pair_loss(vectors[m], vectors[n], torch.ones(5, dtype=torch.bool), 0.07, False)
        for m in MODALITIES
        for n in MODALITIES
        if m != n
    ]
    assert torch.allclose(term, torch.stack(pairs).mean(), atol=1e-5)
    (other,) = objective(model, replace(batch, target=-batch.target), None, AT).values()
    assert torch.equal(term, other)


def test_one_modality_is_contrasted_with_itself():
    torch.manual_seed(0)
    context, model = tiny.context(modalities=("text",)), encoder_model()
    objective = ModalityContrast(ModalityContrast.Config(crop=0.5), context, model)
    batch = tiny.batch(context, {"text": tiny.steps(length=6)}, 5)
    (term,) = objective(model, batch, None, AT).values()
    term.backward()
    assert term > 0 and objective.project["text"][0].weight.grad.abs().sum() > 0


def test_fusion_concatenates_means():
    parts = tiny.parts(modalities=("text", "audio"))
    widths = dict.fromkeys(MODALITIES, 6)
    model = SideBySide(SideBySide.Config(), tiny.context(), widths, None).eval()
    z = model(parts).z_BCD[:, 0]
    assert model.width == 18 and (z[:, 12:] == 0).all()
    for row in range(5):
        s = parts["audio"]
        assert torch.allclose(z[row, 6:12], s.x_BLD[row][s.mask_BL[row]].mean(0), atol=1e-6)


def mask() -> torch.Tensor:
    return torch.arange(12) < torch.tensor([12, 5, 1, 0, 8])[:, None]


def test_windows_are_runs_of_real_steps():
    torch.manual_seed(0)
    starts = set()
    for _ in range(40):
        visible = window(mask(), 0.5)
        assert visible.sum(1).tolist() == [6, 3, 1, 0, 4] and not (visible & ~mask()).any()
        places = visible[0].nonzero()[:, 0]
        assert places.tolist() == list(range(int(places[0]), int(places[0]) + 6))
        starts.add(int(places[0]))
    assert starts == set(range(7))


def test_masked_runs_have_the_share_and_a_row_keeps_a_step():
    torch.manual_seed(0)
    wide = torch.ones(400, 60, dtype=torch.bool)
    covered = runs(wide, 0.3, 3)
    assert abs(float(covered[:, 2:].float().mean()) - 0.3) < 0.02
    visible = at_least_one(torch.zeros_like(mask()), mask())
    assert visible.sum(1).tolist() == [1, 1, 1, 0, 1] and not (visible & ~mask()).any()


def test_warped_steps_keep_their_order_and_words():
    torch.manual_seed(0)
    steps = torch.arange(12)[None, :, None].expand(5, -1, -1)
    read = warped(steps, mask(), 0.3)[..., 0]
    for row, n in enumerate((12, 5, 1, 0, 8)):
        real = read[row, :n]
        assert (real.diff() >= 0).all() and (n == 0 or (real.min() >= 0 and real.max() < n))
    assert not torch.equal(read, steps[..., 0])


def test_views_never_lose_a_row_nor_read_padding():
    torch.manual_seed(0)
    view = View(crop=0.5, warp=0.2, drop=0.5, mask=0.5, noise=0.1, channels=0.3, modality=0.5)
    numbers = torch.randint(9, (5, 4, 1))
    parts = {**tiny.parts(), "text": Steps(numbers, tiny.steps().mask_BL), "other": "a tower's"}
    for _ in range(20):
        viewed = view(parts)
        assert viewed["other"] == "a tower's"
        assert viewed["text"].x_BLD.dtype == torch.long
        for row in range(5):
            words = viewed["text"].x_BLD[row, viewed["text"].mask_BL[row], 0].tolist()
            assert set(words) <= set(numbers[row, parts["text"].mask_BL[row], 0].tolist())
        left = sum(viewed[m].mask_BL.any(1).int() for m in MODALITIES)
        assert (left >= 1).all()
        for m in ("audio", "video"):
            assert (viewed[m].mask_BL.sum(1) <= parts[m].mask_BL.sum(1)).all()
    nan = Steps(
        torch.where(parts["audio"].mask_BL[..., None], 1.0, torch.nan), parts["audio"].mask_BL
    )
    viewed = view({"audio": nan})["audio"]
    assert torch.isfinite(viewed.x_BLD[viewed.mask_BL]).all()


def error_of_a_linear_layer(x_ND, y_N, settings):
    """Mean absolute error after as many epochs as the board gives the probe."""
    torch.manual_seed(0)
    head, steps = torch.nn.Linear(x_ND.shape[1], 1), 7 * len(x_ND) // settings.batch_size
    optimiser = make_optimiser(torch.nn.ModuleDict({"head": head}), {}, settings, ())
    schedule = make_schedule(optimiser, settings, steps)
    batches = list(torch.arange(len(x_ND)).split(settings.batch_size)) * 7
    for rows in batches:
        optimiser.zero_grad()
        (head(x_ND[rows])[:, 0] - y_N[rows]).abs().mean().backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        return float((head(x_ND)[:, 0] - y_N).abs().mean())


def test_the_probe_is_fitted_in_a_few_epochs(catalog):
    """On columns as many and as wide as the means of a sentence encoder are, .2 in deviation."""
    plan = resolve(Request("mpuc"), catalog, tiny.corpus(), None)
    settings = settings_of(plan.stages[-1], plan.train)
    torch.manual_seed(0)
    x_ND = 0.2 * torch.randn(1280, 384)
    y_N = 5 * x_ND @ torch.randn(384) / 384**0.5 + 0.5 * torch.randn(1280)
    constant = float((y_N - y_N.median()).abs().mean())
    solution_D1 = torch.linalg.lstsq(x_ND, y_N[:, None]).solution
    least = float((x_ND @ solution_D1 - y_N[:, None]).abs().mean())
    fitted = error_of_a_linear_layer(x_ND, y_N, settings)
    at_the_encoders_rate = settings.model_copy(update={"lr_factors": {}})
    unfitted = error_of_a_linear_layer(x_ND, y_N, at_the_encoders_rate)
    assert fitted < least + 0.25 * (constant - least)
    assert unfitted > least + 0.5 * (constant - least)


@pytest.mark.parametrize("kind", ["score", "class"])
@pytest.mark.parametrize("model", ["mpuc", "mpuc-tuned", "mpuc-aside", "scpnet"])
def test_rows_without_a_label_are_learned_from(catalog, model, kind):
    """Also where a whole batch has none."""
    corpus = tiny.corpus(kind, size=48)
    settings = {"train.epochs": 1, "train.batch_size": 4}
    request = Request(model, settings=settings, labels="keep:0.25")
    plan = resolve(request, catalog, corpus, tiny.lexicon())
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    problem = build(plan, fold, 0, torch.device("cpu"))
    assert len(problem.train) == 24 and 0 < int(problem.train.known.sum()) < 12
    fitted = learn(plan, problem, fold, 0)
    assert all(isfinite(value) for entry in fitted.history for value in entry["loss"].values())

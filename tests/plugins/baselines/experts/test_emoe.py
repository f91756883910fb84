"""EMOE's routed modalities and its losses, against each row alone and loops."""

import math

import pytest
import torch
import torch.nn.functional as F

from merbench.api import Batch, Output, Progress, RequestError
from merbench.testing import tiny
from merbench_baselines.experts.emoe import EMOE
from merbench_baselines.experts.emoe_loss import RoutedExperts, row_loss
from tests.plugins.baselines.disentangled.test_dlf import convolved, residual, transformer
from tests.plugins.baselines.made_parts import WIDTHS, close, make, real, sequences

SMALL = {"width": 4, "heads": 2, "layers": 1, "route_hidden": 5, "temperature": 0.5}
SMALL |= {"kernel_text": 3, "kernel_audio": 3, "kernel_video": 3}
NOW = Progress(0, 1, 0, 1, "main")


@pytest.mark.parametrize("routed", [True, False])
def test_emoe_is_its_equations_on_each_row_alone(routed):
    fusion = make(EMOE, **SMALL, routed=routed)
    parts = sequences(missing=[("audio", 2)])
    out = fusion(parts)
    for row in range(4):
        h, means, present = [], [], []
        for m, width in WIDTHS.items():
            x = real(parts[m], row)
            present.append(bool(len(x)))
            means.append(x.mean(0) if len(x) else torch.zeros(width))
            if not len(x):
                h.append(torch.zeros(4))
                continue
            c = fusion.shared(convolved(fusion.convolve[m].weight, x))
            h.append(transformer(fusion.memory[m], c)[-1])
        if routed:
            hidden = fusion.router.into(torch.cat(means))
            score = fusion.router.out((hidden / hidden.norm()).relu()) / 0.5
            share = score.exp() * torch.tensor(present)
            weight = share / share.sum()
        else:
            weight = torch.tensor(present) / sum(present)
        close(out.aux["routes"][row], weight)
        z = sum(w * x for w, x in zip(weight, h, strict=True))
        close(out.z_BCD[row, 0], residual(fusion.last, z))
        branches = [residual(fusion.residual[m], x) for m, x in zip(WIDTHS, h, strict=True)]
        close(out.aux["branches"][row], torch.stack(branches))


def test_a_rows_loss_is_that_of_its_task():
    logits, ids = torch.randn(3, 6), torch.arange(3)
    target = torch.tensor([0, 5, 2])
    actual = row_loss(logits, Batch(ids, {}, target), tiny.SPACES["class"], True)
    close(actual, torch.stack([-logits[i].log_softmax(0)[target[i]] for i in range(3)]))
    labels = (torch.rand(3, 6) < 0.5).float()
    known = torch.ones(3, 6, dtype=torch.bool)
    known[0, 1:] = False
    actual = row_loss(logits, Batch(ids, {}, labels, known), tiny.EMOTIONS, True)
    cells = F.binary_cross_entropy(logits.sigmoid(), labels, reduction="none")
    close(actual, torch.stack([cells[0, 0], cells[1].mean(), cells[2].mean()]))


@pytest.mark.parametrize("known", [None, [True, True, False, True, False]])
def test_the_losses_are_their_sums_over_rows_that_have_a_modality_and_a_known_score(known):
    class Widths:
        widths = {"branch": 4}

    fusion = make(EMOE, **SMALL)
    fused = fusion(sequences(missing=[("audio", 2)]))
    out = Output(fused.z_BCD[:, 0, :1], aux=fused.aux, fused=fused)
    y = torch.linspace(-2, 2, 5)
    objective = RoutedExperts(RoutedExperts.Config(), tiny.context("score"), Widths())
    known_B = None if known is None else torch.tensor(known)
    terms = objective(None, Batch(torch.arange(5), {}, y, known_B), out, NOW)
    branch, balance, ability, near, count = 0.0, 0.0, 0.0, 0.0, 0
    counts = known or [True] * 5
    for b in range(5):
        w, present = fused.aux["routes"][b].tolist(), fused.aux["present"][b].tolist()
        errors = []
        for i, expert in enumerate(objective.experts.values()):
            errors.append(float(expert(fused.aux["branches"][b, i])[0] - y[b]))
            branch += abs(errors[-1]) * present[i] * counts[b]
        count += sum(present) * counts[b]
        balance += 3 * sum(x * math.log(x) for x in w if x) / 5
        inverse = [t / (e**2 + 0.1) for e, t in zip(errors, present, strict=True)]
        able = [x / sum(inverse) for x in inverse]
        off = sum((x - a) ** 2 for x, a in zip(w, able, strict=True))
        ability += off * counts[b] / (3 * sum(counts))
        taught = sum(x * v for x, v in zip(w, fused.aux["branches"][b], strict=True))
        near += float(((fused.z_BCD[b, 0].softmax(0) - taught.softmax(0)) ** 2).mean()) / 5
    expected = {"branches": branch / count, "balance": 0.1 * balance}
    expected |= {"ability": 0.01 * ability, "distillation": 0.1 * near}
    for name, value in expected.items():
        assert float(terms[name].detach()) == pytest.approx(value, rel=1e-4), name


def test_distillation_draws_the_fused_vector_alone():
    class Widths:
        widths = {"branch": 4}

    fused = make(EMOE, **SMALL)(sequences())
    aux = {**fused.aux, "branches": fused.aux["branches"].detach().requires_grad_()}
    objective = RoutedExperts(RoutedExperts.Config(), tiny.context("score"), Widths())
    out = Output(fused.z_BCD[:, 0, :1], aux=aux, fused=fused)
    term = objective(None, Batch(torch.arange(5), {}, torch.zeros(5)), out, NOW)["distillation"]
    moved = torch.autograd.grad(term, (fused.z_BCD, aux["branches"]), allow_unused=True)
    assert moved[0].abs().max() > 0 and moved[1] is None


def test_settings_and_tasks_that_do_not_fit_are_refused():
    with pytest.raises(RequestError, match=r"fusion\.width=6 is no multiple of fusion\.heads=5"):
        make(EMOE, width=6, heads=5)
    with pytest.raises(RequestError, match="one task at a time"):
        RoutedExperts(RoutedExperts.Config(), tiny.context("joint"), None)

"""MMIM's bounds against torch's distributions, numpy and loops."""

import math

import numpy as np
import pytest
import torch

from merbench.api import Batch, Fused, Output, Progress, RequestError
from merbench.testing import tiny
from merbench_baselines.information.mmim import MMIM
from merbench_baselines.information.mmim_loss import (
    Likelihood,
    MutualInformation,
    contrast,
    mixture_entropy,
)
from tests.plugins.baselines.made_parts import close, make, sequences

NOW = Progress(0, 1, 0, 1, "main")
WIDTHS = {"utterance.text": 5, "utterance.audio": 8, "utterance.video": 4, "fused": 6}


class Model:
    widths = WIDTHS


def made(**settings):
    torch.manual_seed(3)
    return MutualInformation(MutualInformation.Config(**settings), tiny.context(), Model())


def output(size=12, present=None, seed=0):
    draw = torch.Generator().manual_seed(seed)
    utterances = torch.randn(size, 17, generator=draw, requires_grad=True)
    z = torch.randn(size, 1, 6, generator=draw, requires_grad=True)
    present = torch.ones(size, 3, dtype=torch.bool) if present is None else present
    out = Output(z[:, 0, :1], {}, {"utterances": utterances, "present": present}, Fused(z))
    target = torch.linspace(-3, 3, size)
    return out, Batch(torch.arange(size), {}, target), utterances, z


def test_likelihood_is_that_of_a_gaussian_up_to_its_constant():
    q, x, y = Likelihood(5, 3), torch.randn(7, 5), torch.randn(7, 3)
    gaussian = torch.distributions.Normal(q.mean(x), (0.5 * q.log_variance(x)).exp())
    constant = 3 * 0.5 * math.log(2 * math.pi)
    close(q(x, y), gaussian.log_prob(y).sum(1) + constant)


def test_contrast_is_the_log_share_of_the_own_prediction():
    h, p = torch.randn(6, 4), torch.randn(6, 4)
    total = 0.0
    for i in range(6):
        near = [float(torch.cosine_similarity(h[i], p[j], dim=0)) for j in range(6)]
        total -= near[i] - math.log(sum(map(math.exp, near)))
    assert float(contrast(h, p)) == pytest.approx(total / 6, rel=1e-5)


def test_entropy_is_that_of_the_two_classes_covariances():
    rows, label = torch.randn(30, 3), torch.randn(30)
    expected = 0.0
    for sign in (1, -1):
        group = rows[label * sign > 0].numpy()
        covariance = np.cov(group.T, bias=True) + 1e-4 * np.eye(3)
        expected += np.linalg.slogdet(covariance)[1] / 4
    assert float(mixture_entropy(rows, label)) == pytest.approx(expected, rel=1e-4)
    assert mixture_entropy(rows, label.abs()) is None


def test_the_likelihood_trains_q_alone_and_the_bound_all_but_q():
    objective = made()
    out, batch, utterances, _ = output()
    terms = objective(None, batch, out, NOW)
    q = list(objective.likelihood.parameters())
    by_likelihood = torch.autograd.grad(
        terms["likelihood"], [*q, utterances], retain_graph=True, allow_unused=True
    )
    assert all(g is not None and g.abs().sum() > 0 for g in by_likelihood[:-1])
    assert by_likelihood[-1] is None
    by_bound = torch.autograd.grad(terms["bound"], [*q, utterances], allow_unused=True)
    assert all(g is None for g in by_bound[:-1]) and by_bound[-1].abs().sum() > 0


def test_terms_are_their_sums_over_rows_that_have_both_modalities():
    objective = made(memory=0)
    present = torch.ones(12, 3, dtype=torch.bool)
    present[:3, 1] = False
    out, batch, utterances, z = output(present=present)
    terms = objective(None, batch, out, NOW)
    h = dict(zip(("text", "audio", "video"), utterances.split((5, 8, 4), 1), strict=True))
    likelihood, bound, contrasts = 0.0, 0.0, contrast(h["text"], objective.predict["text"](z[:, 0]))
    for m, first in (("audio", 3), ("video", 0)):
        log_q = objective.likelihood[m](h["text"][first:], h[m][first:]).mean()
        projected = (h[m][first:] @ getattr(objective, f"project_{m}")).tanh()
        likelihood -= log_q
        bound -= 0.1 * (log_q + mixture_entropy(projected, batch.target[first:]))
        contrasts += contrast(h[m][first:], objective.predict[m](z[first:, 0]))
    close(terms["likelihood"], likelihood)
    close(terms["bound"], bound, 1e-4)
    close(terms["contrast"], 0.1 * contrasts)


def test_the_entropy_also_counts_the_newest_rows_of_earlier_batches():
    objective = made(memory=16)
    history = [output(seed=seed) for seed in (1, 2)]
    for out, batch, *_ in history:
        objective.after_batch(None, batch, out, NOW)
    rows = torch.cat([u[:, 5:13] for _, _, u, _ in history])[-16:]
    close(objective.kept_audio, (rows @ objective.project_audio).tanh().detach())
    close(objective.kept_label_R, torch.cat([b.target for _, b, *_ in history])[-16:])
    out, batch, *_ = output()
    with_memory = objective(None, batch, out, NOW)["bound"]
    objective.kept_label_R.zero_()
    assert not torch.isclose(with_memory, objective(None, batch, out, NOW)["bound"])


def test_rows_without_anything_are_finite():
    out, batch, *_ = output(present=torch.zeros(12, 3, dtype=torch.bool))
    assert all(torch.isfinite(t) for t in made()(None, batch, out, NOW).values())


def test_the_fusion_is_two_layers_over_the_vectors_of_the_modalities():
    fusion = make(MMIM)
    out = fusion(sequences(missing=[("video", 1)]))
    first, second = fusion.fuse[1], fusion.fuse[3]
    hidden = (out.aux["utterances"] @ first.weight.T + first.bias).tanh()
    close(out.z_BCD[:, 0], (hidden @ second.weight.T + second.bias).tanh())
    assert (out.aux["utterances"][1, -fusion.widths["utterance.video"] :] == 0).all()


def test_it_is_for_scores():
    with pytest.raises(RequestError, match="score"):
        MutualInformation(MutualInformation.Config(), tiny.context("class"), Model())


def test_parameters_at_the_published_settings():
    """Of BERT's 768 wide first state, COVAREP's 74 and 20 of Facet, layer by layer."""
    widths = {"text": 768, "audio": 74, "video": 20}
    lstms = sum(2 * 4 * 16 * (w + 16 + 2) + 32 * 16 + 16 for w in (74, 20))
    count = sum(p.numel() for p in make(MMIM, widths, text="first").parameters())
    assert count == lstms + (768 + 32) * 128 + 128 + 128 * 128 + 128 == 136_736

"""GLoMo's windows, mixtures and fusion, against each row alone and the formulas."""

import math

import pytest
import torch

from merbench.api import Output, Progress, RequestError
from merbench.testing import tiny
from merbench_baselines.experts.glomo import GLoMo, windows
from merbench_baselines.experts.mixture import ExpertBalance, Mixture, variation
from tests.plugins.baselines.disentangled.test_dlf import convolved, transformer
from tests.plugins.baselines.made_parts import WIDTHS, close, make, real, sequences

SMALL = {"width": 4, "heads": 2, "layers": 1, "fusion_layers": 1, "ffn": 8}


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_windows_are_those_of_adaptive_pooling_over_real_steps(count):
    torch.manual_seed(0)
    x, lengths = torch.randn(4, 9, 3), (0, 1, 4, 9)
    mask = torch.arange(9) < torch.tensor(lengths)[:, None]
    actual = windows(x, mask, count)
    assert (actual[0] == 0).all()
    for row, length in enumerate(lengths[1:], 1):
        pooled = torch.nn.functional.adaptive_max_pool1d(x[row, :length].T, count).T
        close(actual[row], pooled)


def test_a_mixture_is_the_softmax_of_its_best_experts():
    torch.manual_seed(0)
    mixture = Mixture(5, 4, 3, 3, 2).eval()
    torch.nn.init.normal_(mixture.gate.weight)
    x = torch.randn(6, 5)
    out, gates, load = mixture(x)
    for b in range(6):
        scores = sorted(((float(mixture.gate.weight[e] @ x[b]), e) for e in range(3)), reverse=True)
        total = sum(math.exp(s) for s, _ in scores[:2])
        expected = sum(math.exp(s) / total * mixture.experts[e](x[b]) for s, e in scores[:2])
        close(out[b], expected)
        assert {int(e) for e in gates[b].nonzero()} == {e for _, e in scores[:2]}
    assert torch.equal(load, (gates > 0).float())


def test_how_likely_an_expert_is_chosen_is_the_share_of_draws_in_which_it_is():
    torch.manual_seed(0)
    mixture = Mixture(5, 4, 3, 3, 2)
    clean, deviation = torch.tensor([[0.3, -0.2, 0.1]]), torch.tensor([[0.5, 0.7, 0.4]])
    score = torch.tensor([[0.6, -0.1, 0.2]])
    actual = mixture.likelihood(clean, score, deviation)[0]
    for e in range(3):
        drawn = score.repeat(20000, 1)
        drawn[:, e] = clean[0, e] + deviation[0, e] * torch.randn(20000)
        chosen = (drawn.topk(2, 1).indices == e).any(1).float().mean()
        assert float(actual[e]) == pytest.approx(float(chosen), abs=0.015)


def test_glomo_is_its_equations_on_each_row_alone():
    fusion = make(GLoMo, **SMALL)
    parts = sequences(missing=[("audio", 2)])
    out = fusion(parts)
    for row in (0, 1, 2):
        vectors, present = [], []
        for m in WIDTHS:
            x = real(parts[m], row)
            present.append(bool(len(x)))
            if not len(x):
                vectors += [torch.zeros(4), torch.zeros(4)]
                continue
            c = transformer(fusion.encode[m], convolved(fusion.convolve[m].weight, x))
            pooled = torch.nn.functional.adaptive_max_pool1d(c.T, 3).T
            vectors += [c.amax(0), fusion.mixtures[m](pooled.flatten()[None])[0][0]]
        keep = [i for i in range(6) if present[i // 2]]
        (layer,) = fusion.attend
        every = torch.ones(1, len(keep), dtype=torch.bool)
        h = dict(
            zip(keep, layer(torch.stack([vectors[i] for i in keep])[None], every)[0], strict=True)
        )
        h = [h.get(i, torch.zeros(4)) for i in range(6)]

        def weighed(net, x, present=present):
            score = net.out(net.hidden(torch.cat(x)).relu()) / 2
            share = score.exp() * torch.tensor(present)
            weight = share / share.sum()
            return weight, sum(w * v for w, v in zip(weight, x, strict=True))

        weight, of_global = weighed(fusion.weigh_global, h[::2])
        _, of_local = weighed(fusion.weigh_local, h[1::2])
        expected_own = [
            fusion.of_modality[m](torch.cat((h[2 * i], h[2 * i + 1]))) for i, m in enumerate(WIDTHS)
        ]
        guided = sum(w * v for w, v in zip(weight, expected_own, strict=True))
        close(out.z_BCD[row, 0], torch.cat((fusion.both(torch.cat((of_global, of_local))), guided)))


def test_experts_that_count_alike_cost_nothing():
    class Widths:
        widths = {"experts": 2}

    gates = torch.tensor([[1.0, 0.0, 0.5, 0.5], [1.0, 0.0, 0.5, 0.5]])
    load = torch.tensor([[0.5, 0.5, 1.0, 0.0], [0.5, 0.5, 1.0, 1.0]])
    objective = ExpertBalance(ExpertBalance.Config(weight=1.0), tiny.context(), Widths())
    out = Output(torch.zeros(2, 1), aux={"gates": gates, "load": load})
    term = objective(None, None, out, Progress(0, 1, 0, 1, "main"))["balance"]
    assert float(term) == pytest.approx(2.0 / 1.0 + 0.5 / 1.5**2, rel=1e-6)
    assert float(variation(torch.ones(3, 1))) == 0


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(RequestError, match=r"fusion\.chosen 4 is more than fusion\.experts 3"):
        make(GLoMo, **SMALL, chosen=4)
    with pytest.raises(RequestError, match=r"fusion\.width=6 is no multiple of fusion\.heads=4"):
        make(GLoMo, width=6, heads=4)

"""MISA's vectors and losses against plain loops, and the readers that the language-model methods
share.
"""

import itertools

import numpy as np
import pytest
import torch

from merbench.api import Batch, Output, Progress, Steps
from merbench.testing import tiny
from merbench_baselines.disentangled.misa import MISA
from merbench_baselines.disentangled.misa_loss import (
    MISALoss,
    central_moment_discrepancy,
    difference,
)
from merbench_baselines.heads import MLP
from merbench_baselines.objectives.squared_error import SquaredError
from merbench_baselines.utterance_vectors import EndStates, LSTMReader, StackedBiLSTM, StateReader
from tests.plugins.baselines.made_parts import WIDTHS, close, make, real, sequences
from tests.plugins.perturbed import doubling

NOW = Progress(0, 1, 0, 1, "main")


def both_ways(bilstm, x_LD):
    """States and ends of a BiLSTM on one row without padding."""
    forward = bilstm.forward_lstm(x_LD[None])[0][0]
    backward = bilstm.backward_lstm(x_LD.flip(0)[None])[0][0]
    ends = torch.cat((forward[-1], backward[-1]))
    return torch.cat((forward, backward.flip(0)), 1), ends


def test_bilstm_readers_are_those_of_the_row_alone():
    steps = tiny.steps(missing=[3])
    steps.mask_BL[0, 1] = False  # a hole: the LSTMs never see that step
    ends, stacked = EndStates(6, 5), StackedBiLSTM(6, 4)
    reader = LSTMReader(6, 5, 3, 0.0, bidirectional=True)
    for row in range(5):
        x_LD = real(steps, row)
        if not len(x_LD):
            assert (ends(steps)[row] == 0).all() and (stacked(steps)[row] == 0).all()
            continue
        close(ends(steps)[row], both_ways(ends.lstm, x_LD)[1])
        close(reader(steps)[row], reader.project(both_ways(reader.lstm.lstm, x_LD)[1]))
        states, first = both_ways(stacked.first, x_LD)
        _, second = both_ways(stacked.second, stacked.norm(states))
        close(stacked(steps)[row], torch.cat((first, second)))


@pytest.mark.parametrize("reading", ["mean", "first"])
def test_states_of_a_language_model_are_read_by_their_mean_or_their_first(reading):
    steps = tiny.steps()
    for row, actual in enumerate(StateReader(6, reading)(steps)):
        x_LD = real(steps, row)
        close(actual, x_LD.mean(0) if reading == "mean" else x_LD[0])


def attention(layer, x_HD):
    """Post-norm encoder layer over one row's vectors, by loops over heads and queries."""
    width, heads = layer.attend.width, layer.attend.heads
    q, k, v = (x_HD @ layer.attend.into.weight.T + layer.attend.into.bias).split(width, 1)
    out = torch.zeros_like(q)
    for columns in torch.arange(width).split(width // heads):
        for i in range(len(x_HD)):
            score = k[:, columns] @ q[i, columns] / (width // heads) ** 0.5
            out[i, columns] = score.softmax(0) @ layer.attend.dropout(v[:, columns])
    out = out @ layer.attend.out.weight.T + layer.attend.out.bias
    x_HD = layer.norms[0](x_HD + layer.dropout(out))
    return layer.norms[1](x_HD + layer.dropout(layer.feed_forward(x_HD)))


@pytest.mark.parametrize("fused", ["both", "shared", "private"])
def test_misa_is_its_equations_on_each_row_alone(fused):
    fusion = doubling(make(MISA, width=6, rnn=3, ffn=8, fused=fused))
    parts = sequences(missing=[("audio", 2)])
    out = fusion(parts)
    for row in range(5):
        shared, private = {}, {}
        for m in WIDTHS:
            x_LD = real(parts[m], row)
            at = list(WIDTHS).index(m)
            if not len(x_LD):
                assert (out.aux["shared"][row, at] == 0).all()
                assert (out.aux["private"][row, at] == 0).all()
                continue
            projected = fusion.read[m]
            alone = Steps(x_LD[None], torch.ones(1, len(x_LD), dtype=torch.bool))
            u_D = projected.project(projected.reader(alone)[0])
            shared[m] = (fusion.shared[0].weight @ u_D + fusion.shared[0].bias).sigmoid()
            private_D = fusion.private[m][0]
            private[m] = (private_D.weight @ u_D + private_D.bias).sigmoid()
            close(out.aux["shared"][row, at], shared[m])
            close(out.aux["private"][row, at], private[m])
            close(out.aux["utterances"][row, at], u_D)
            close(out.aux["reconstructed"][row, at], fusion.decode[m](shared[m] + private[m]))
        groups = {"both": (shared, private), "shared": (shared,), "private": (private,)}[fused]
        h_HD = attention(fusion.attend, torch.stack([h for g in groups for h in g.values()]))
        expected, h = [], iter(h_HD)
        for group in groups:
            expected += [next(h) if m in group else torch.zeros(6) for m in WIDTHS]
        close(out.z_BCD[row, 0], torch.cat(expected))


def test_cmd_is_the_distance_of_means_and_central_moments():
    x, y = torch.rand(7, 4).numpy(), torch.rand(5, 4).numpy()
    expected = 0.0
    for order in range(1, 6):
        moments = []
        for rows in (x, y):
            centred = rows if order == 1 else rows - rows.mean(0)
            moments.append([np.mean([row[d] ** order for row in centred]) for d in range(4)])
        expected += np.sqrt(sum((a - b) ** 2 for a, b in zip(*moments, strict=True)))
    discrepancy = central_moment_discrepancy(torch.from_numpy(x), torch.from_numpy(y), 5)
    assert float(discrepancy) == pytest.approx(expected, abs=1e-6)
    same = torch.rand(3, 4, requires_grad=True)
    central_moment_discrepancy(same, same.detach(), 5).backward()
    assert torch.isfinite(same.grad).all()  # a distance of 0 has no NaN gradient


def test_difference_is_zero_for_orthogonal_columns_and_the_mean_square_otherwise():
    x, y = torch.rand(6, 3), torch.rand(6, 3)
    unit = [h - h.mean(0) for h in (x, y)]
    unit = [h / h.norm(dim=1, keepdim=True) for h in unit]
    cells = [(unit[0][:, i] @ unit[1][:, j]) ** 2 for i in range(3) for j in range(3)]
    assert float(difference(x, y)) == pytest.approx(float(sum(cells)) / 9, abs=1e-6)
    rows = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    other = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.0, -1.0], [0.0, -1.0]])
    assert float(difference(rows, other)) == pytest.approx(0, abs=1e-7)


def test_the_losses_count_present_modalities_alone():
    torch.manual_seed(1)
    aux = {n: torch.rand(6, 3, 4) for n in ("shared", "private", "utterances", "reconstructed")}
    present = torch.ones(6, 3, dtype=torch.bool)
    present[:2, 1] = False
    objective = MISALoss(MISALoss.Config(), tiny.context(), None)
    out = Output(torch.zeros(6, 1), aux={**aux, "present": present})
    terms = objective(None, Batch(torch.arange(6), {}, torch.zeros(6)), out, NOW)

    rows = [torch.where(present[:, m])[0] for m in range(3)]
    similar, different = [], []
    for m in range(3):
        different.append(difference(aux["shared"][rows[m], m], aux["private"][rows[m], m]))
    for a, b in itertools.combinations(range(3), 2):
        shared = aux["shared"][rows[a], a], aux["shared"][rows[b], b]
        similar.append(central_moment_discrepancy(*shared, 5))
        both = [i for i in range(6) if present[i, a] and present[i, b]]
        different.append(difference(aux["private"][both, a], aux["private"][both, b]))
    errors = [
        (aux["reconstructed"][i, m] - aux["utterances"][i, m]).square().mean()
        for i, m in present.nonzero().tolist()
    ]
    assert float(terms["similarity"]) == pytest.approx(0.3 * float(sum(similar)) / 3, rel=1e-5)
    assert float(terms["difference"]) == pytest.approx(0.1 * float(sum(different)), rel=1e-5)
    assert float(terms["reconstruction"]) == pytest.approx(float(sum(errors)) / 16, rel=1e-5)

    aux["present"] = torch.zeros_like(present)
    nothing = objective(
        None, Batch(torch.arange(6), {}, torch.zeros(6)), Output(out.logits_BC, aux=aux), NOW
    )
    assert all(float(term) == 0 for term in nothing.values())


@pytest.mark.parametrize("kind", tiny.SPACES)
def test_squared_error_is_that_of_the_score_over_what_is_known(kind):
    context = tiny.context(kind)
    space, size = context.space, 6
    target = tiny.targets(space, size)
    logits = torch.randn(size, space.logit_count)
    known = torch.rand(target.shape) < 0.6 if target.ndim > 1 else None
    objective = SquaredError(SquaredError.Config(), context, None)
    batch = Batch(torch.arange(size), {}, target, known)
    terms = objective(None, batch, Output(logits), NOW)
    if kind in ("score", "joint"):
        score = target if kind == "score" else target[:, 0]
        rows = range(size) if known is None else [i for i in range(size) if known[i, 0]]
        expected = np.mean([(float(logits[i, 0]) - float(score[i])) ** 2 for i in rows])
        assert float(terms["l2"]) == pytest.approx(expected, rel=1e-5)
    assert (
        set(terms)
        == {
            "score": {"l2"},
            "class": {"ce"},
            "multilabel": {"bce"},
            "joint": {"l2", "bce"},
        }[kind]
    )


def test_parameters_at_the_published_settings():
    """Of BERT's 768 wide states (read by their mean), COVAREP's 74 and 20 of Facet, layer by layer."""
    widths, d = {"text": 768, "audio": 74, "video": 20}, 128

    def bilstm(w, h):
        return 2 * 4 * h * (w + h + 2)

    rnns = sum(bilstm(w, w) + bilstm(2 * w, w) + 4 * w for w in (74, 20))
    project = sum(n * d + d + 2 * d for n in (768, 4 * 74, 4 * 20))
    spaces = (1 + 3 + 3) * (d * d + d)
    layer = 4 * (d * d + d) + d * 2048 + 2048 + 2048 * d + d + 4 * d
    count = sum(p.numel() for p in make(MISA, widths, text="mean").parameters())
    assert count == rnns + project + spaces + layer == 1_094_616


BERT = 109_482_240
"""Parameters of bert-base-uncased, by the configuration in MMSA's logs."""


def test_parameters_are_those_that_mmsa_logged():
    """logs/misa-mosi.log of thuiar/MMSA: two of its layers, a norm of the text's LSTM and a classifier
    of shared and private vectors, are built there and never used.
    """
    widths = {"text": 768, "audio": 5, "video": 20}
    fusion = make(MISA, widths, text="mean")
    head = MLP(MLP.Config(hidden=384), tiny.context(), fusion.width, None)
    count = sum(p.numel() for module in (fusion, head) for p in module.parameters())
    unused = 2 * 2 * 768 + 128 * 4 + 4
    assert BERT + count + unused == 110_620_273

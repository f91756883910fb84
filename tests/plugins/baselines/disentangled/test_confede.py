"""ConFEDE's features and its contrast against plain loops over rows and pairs."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from merbench.api import Batch, Output, Progress
from merbench.testing import tiny
from merbench_baselines.disentangled.confede import ConFEDE
from merbench_baselines.disentangled.confede_loss import DecompositionContrast, neighbours
from merbench_baselines.fusions.mult import positions
from tests.plugins.baselines.experts.test_kuda import encoder
from tests.plugins.baselines.made_parts import WIDTHS, close, make, real, sequences

NOW = Progress(0, 1, 0, 1, "main")


def test_confede_is_its_equations_on_each_row_alone():
    fusion = make(ConFEDE, text="mean", width=8)
    for m in ("audio", "video"):
        torch.nn.init.normal_(fusion.read[m].place.scale_D)
    parts = sequences(missing=[("audio", 2)])
    out = fusion(parts)
    for row in range(5):
        h = {"text": real(parts["text"], row).mean(0)}
        for m in ("audio", "video"):
            reader, x_LD = fusion.read[m], real(parts[m], row)
            if len(x_LD):
                x_LD = torch.cat((reader.first_D[None], reader.project(x_LD)))
                x_LD = x_LD + reader.place.scale_D * positions(*x_LD.shape, x_LD.device)
                for layer in reader.layers:
                    x_LD = encoder(layer, x_LD, 8)
                h[m] = reader.norm(x_LD).mean(0)
        features = []
        for name in ("similar", "dissimilar"):
            for index, m in enumerate(WIDTHS):
                norm, linear = getattr(fusion, name)[m][:2]
                f_H = linear(norm(h[m])).tanh() if m in h else torch.zeros(4)
                close(out.aux[name][row, index], f_H)
                features.append(f_H)
        close(out.z_BCD[row, 0], torch.cat(features))
        close(out.aux["scores"][row], torch.cat([fusion.score(f_H) for f_H in features]))
    assert (out.aux["scored"][:, 1] == torch.arange(5).ne(2)).all()


def test_the_width_is_that_of_the_text():
    widths = {"text": 10, "audio": 5, "video": 4}
    fusion = make(ConFEDE, widths)
    assert fusion.read.widths == {"text": 16, "audio": 16, "video": 16} and fusion.width == 6 * 8


def by_brute_force(similar, dissimilar, present, utterances, target, count, temperature):
    """A row's loss: the mean over its positive pairs, of the rows' features in plain loops."""
    size, modalities = present.shape
    unit = normalize(utterances, dim=1)
    alike = unit @ unit.T
    label = [round(float(y)) for y in target]

    def cosine(x, y):
        return float(normalize(x, dim=0) @ normalize(y, dim=0)) / temperature

    rows = []
    for i in range(size):
        same = [j for j in range(size) if j != i and label[j] == label[i]]
        other = [j for j in range(size) if label[j] != label[i]]
        near = sorted(same, key=lambda j: -float(alike[i, j]))[:count]
        pushed = sorted(other, key=lambda j: float(alike[i, j]))[:count]
        pushed += sorted(other, key=lambda j: -float(alike[i, j]))[:count]
        losses = []

        def add(positive, negatives, losses=losses):
            e = math.exp(positive)
            losses.append(-math.log(e / (e + sum(map(math.exp, negatives)))))

        def across(m, rows, i=i):
            with_modality = [j for j in rows if present[i, m] and present[j, m]]
            return [cosine(similar[i, m], similar[j, m]) for j in with_modality]

        for j in [i, *near, *pushed]:
            apart = [cosine(similar[j, 0], dissimilar[j, m]) for m in range(3) if present[j, m]]
            for m in range(1, modalities):
                if present[j, 0] and present[j, m]:
                    more = across(0, pushed) if j == i else []
                    add(cosine(similar[j, 0], similar[j, m]), apart + more)
        for m in range(modalities):
            own_pairs = [cosine(similar[i, 0], dissimilar[i, n]) for n in range(3) if present[i, n]]
            for positive in across(m, near):
                add(positive, across(m, pushed) + (own_pairs if m == 0 else []))
        rows.append(sum(losses) / max(1, len(losses)))
    return sum(rows) / size


@pytest.mark.parametrize("count", [0, 2, 9])
def test_the_contrast_is_that_of_all_pairs(count):
    torch.manual_seed(count)
    size = 8
    similar, dissimilar = torch.randn(size, 3, 4), torch.randn(size, 3, 4)
    present = torch.ones(size, 3, dtype=torch.bool)
    present[1, 1] = present[4, 2] = present[5, 0] = False
    similar[~present] = dissimilar[~present] = 0.0
    utterances, target = torch.randn(size, 7), torch.tensor([0.2, -0.4, 1, 1.1, 3, 0, 1, -2.0])
    aux = {
        "similar": similar.requires_grad_(),
        "dissimilar": dissimilar,
        "utterances": utterances,
        "present": present,
    }
    config = DecompositionContrast.Config(neighbours=count, weight=0.3, temperature=0.4)
    objective = DecompositionContrast(config, tiny.context(), None)
    batch = Batch(torch.arange(size), {}, target)
    term = objective(None, batch, Output(torch.zeros(size, 1), aux=aux), NOW)["contrast"]
    expected = by_brute_force(similar.detach(), dissimilar, present, utterances, target, count, 0.4)
    assert float(term) == pytest.approx(0.3 * expected, rel=1e-5)
    term.backward()
    assert torch.isfinite(similar.grad).all() and similar.grad[0].abs().max() > 0


def test_neighbours_are_of_the_score_that_they_are_to_be_of():
    torch.manual_seed(0)
    target = torch.tensor([0.1, 0.2, 2.0, 2.2, -1.0])
    beside = neighbours(torch.randn(5, 3), target, torch.ones(5, dtype=torch.bool), 3)
    label = target.round()
    for name, same in (("near", True), ("near_other", False), ("far_other", False)):
        rows, counts = getattr(beside, name)
        for i in range(5):
            chosen = rows[i][counts[i]].tolist()
            assert i not in chosen and len(set(chosen)) == len(chosen)
            assert all((label[j] == label[i]) == same for j in chosen)
    assert beside.near[1].sum(1).tolist() == [1, 1, 1, 1, 0]


def test_a_row_whose_score_is_not_known_has_no_neighbours_and_is_none():
    torch.manual_seed(0)
    known = torch.tensor([True, False, True, True, True])
    beside = neighbours(torch.randn(5, 3), torch.zeros(5), known, 3)
    assert beside.near[1].sum(1).tolist() == [3, 0, 3, 3, 3]
    assert 1 not in beside.near[0][beside.near[1]].tolist()
    assert not beside.near_other[1].any() and not beside.far_other[1].any()


def test_one_row_alone_has_a_loss():
    aux = {
        "similar": torch.randn(1, 2, 4),
        "dissimilar": torch.randn(1, 2, 4),
        "utterances": torch.randn(1, 3),
        "present": torch.ones(1, 2, dtype=torch.bool),
    }
    objective = DecompositionContrast(DecompositionContrast.Config(), tiny.context(), None)
    batch = Batch(torch.arange(1), {}, torch.zeros(1))
    term = objective(None, batch, Output(torch.zeros(1, 1), aux=aux), NOW)["contrast"]
    assert torch.isfinite(term) and float(term) > 0

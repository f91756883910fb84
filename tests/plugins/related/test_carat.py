"""CARAT's parts against loops and formulas."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from merbench.api import (
    MODALITIES,
    SENTIMENT,
    Batch,
    Output,
    Progress,
    RequestError,
    Steps,
    read_out,
    task_loss,
)
from merbench.testing import tiny
from merbench_related.carat.contrast import contrast
from merbench_related.carat.fusion import Carat
from merbench_related.carat.head import CaratAggregate, average_logits
from merbench_related.carat.objective import CaratLoss, shuffled
from merbench_related.carat.prototypes import Prototypes
from merbench_related.label_cells import cells
from tests.plugins.perturbed import perturbed

AT = Progress(0, 1, 0, 1, "main")


def fusion(kind="multilabel", modalities=MODALITIES, **config) -> Carat:
    torch.manual_seed(0)
    settings, widths = (
        Carat.Config(**{"width": 8, "latent": 4, **config}),
        dict.fromkeys(modalities, 6),
    )
    model = perturbed(Carat(settings, tiny.context(kind, modalities), widths, None))
    model.prototypes.mu_MC2D.normal_()
    return model.eval()


def ragged(modalities=MODALITIES) -> dict[str, Steps]:
    """Row 2 lacks audio, row 3 lacks everything."""
    lacking = {"text": [3], "audio": [2, 3], "video": [3]}
    return {
        m: tiny.steps(length=4 + i, seed=i, missing=lacking[m]) for i, m in enumerate(modalities)
    }


# Prototypes.


def in_order(mu_MC2D, z_BMCD, positive_BC, known_BMC, momentum):
    """The authors' loop: one row and one label at a time."""
    mu = mu_MC2D.clone()
    for m in range(mu.shape[0]):
        for b in range(len(z_BMCD)):
            for c in range(mu.shape[1]):
                if known_BMC[b, m, c]:
                    sign = 0 if positive_BC[b, c] else 1
                    z = z_BMCD[b, m, c] / z_BMCD[b, m, c].norm()
                    mu[m, c, sign] = momentum * mu[m, c, sign] + (1 - momentum) * z
    return mu


@settings(max_examples=20)
@given(st.integers(1, 9), st.integers(0, 2**31), st.floats(0.0, 0.99))
def test_prototypes_at_once_are_the_loop_in_order(size, seed, momentum):
    draw = torch.Generator().manual_seed(seed)
    prototypes = Prototypes(2, 3, 4, momentum).double()
    prototypes.mu_MC2D.copy_(torch.randn(2, 3, 2, 4, generator=draw))
    z_BMCD = torch.randn(size, 2, 3, 4, generator=draw, dtype=torch.double)
    positive_BC = torch.rand(size, 3, generator=draw) < 0.4
    known_BMC = torch.rand(size, 2, 3, generator=draw) < 0.8
    expected = in_order(prototypes.mu_MC2D, z_BMCD, positive_BC, known_BMC, momentum)
    prototypes.update(z_BMCD, positive_BC, known_BMC)
    torch.testing.assert_close(prototypes.mu_MC2D, expected, rtol=1e-12, atol=1e-12)


def test_a_missing_modality_takes_the_mean_share_of_the_present_ones():
    prototypes = Prototypes(3, 2, 4, 0.9)
    prototypes.mu_MC2D.normal_()
    present_BM = torch.tensor([[True, False, True], [False, False, False]])
    share = prototypes.shares(torch.randn(2, 3, 2, 4), present_BM, 0.5)
    torch.testing.assert_close(share[0, 1], (share[0, 0] + share[0, 2]) / 2)
    assert (share[1] == 0.5).all()


# The fusion, one row at a time, without padding.


def one_row(model: Carat, parts, row: int):
    width, t = model.width, model.config.temperature
    x = {m: model.project[m](s.x_BLD[row][s.mask_BL[row]]) for m, s in parts.items()}
    attended = {
        m: model.attend[m](h).softmax(0).T @ h if len(h) else torch.zeros(6, width)
        for m, h in x.items()
    }
    shares = {}
    for place, m in enumerate(model.names):
        z = F.normalize(model.latent[m].encode(attended[m]), dim=1)
        shares[m] = (torch.einsum("cd,csd->cs", z, model.prototypes.mu_MC2D[place]) / t).softmax(1)
    here = [m for m in model.names if len(x[m])]
    substitute, rebuilt = {}, {}
    for place, m in enumerate(model.names):
        share = shares[m] if m in here else sum(shares[n] for n in here) / len(here)
        mu = model.prototypes.mu_MC2D[place]
        substitute[m] = model.latent[m].decode(share[:, :1] * mu[:, 0] + share[:, 1:] * mu[:, 1])
        decoded = model.latent[m].decode(model.latent[m].encode(attended[m]))
        rebuilt[m] = decoded if m in here else substitute[m]
    first = {
        m: model.rebuild[m](
            torch.cat([substitute[n] if n == m else rebuilt[n] for n in model.names], 1)
        )
        for m in model.names
    }
    all_modalities = torch.cat([first[m] for m in model.names], 1)
    return attended, first, {m: model.rebuild[m](all_modalities) for m in model.names}


@pytest.mark.parametrize("modalities", [MODALITIES, ("text", "audio")])
def test_fusion_is_the_loop_over_unpadded_rows(modalities):
    model, parts = fusion(modalities=modalities, temperature=0.3), ragged(modalities)
    fused = model(parts)
    for row in (0, 1, 2, 4):
        for actual, expected in zip(
            (fused.aux["attended"], fused.aux["first_level"], fused.slots_BMCD),
            one_row(model, parts, row),
            strict=True,
        ):
            expected_MCD = torch.stack([expected[m] for m in modalities])
            torch.testing.assert_close(actual[row], expected_MCD, atol=1e-5, rtol=1e-4)


def test_substitutes_differ_where_they_should():
    """Published: soft in training, the nearer prototype in evaluation; soft: the same in both."""
    parts = ragged()
    values = {
        (mode, training): fusion(substitute=mode).train(training)(parts).slots_BMCD
        for mode in ("soft", "published", "straight-through")
        for training in (True, False)
    }
    torch.testing.assert_close(values["soft", True], values["soft", False])
    torch.testing.assert_close(values["published", True], values["soft", True])
    torch.testing.assert_close(values["published", False], values["straight-through", True])
    assert not torch.allclose(values["published", False], values["soft", False], atol=1e-3)


def test_evaluation_never_moves_prototypes():
    model = fusion()
    before = model.prototypes.mu_MC2D.clone()
    model(ragged())
    model.train()(ragged())
    assert torch.equal(model.prototypes.mu_MC2D, before)


# The head.


def test_logits_are_the_mean_probability_of_both_branches():
    context = tiny.context("multilabel")
    torch.manual_seed(1)
    head = CaratAggregate(CaratAggregate.Config(), context, 8, None).eval()
    fused = fusion()(ragged())
    logits_BC, aux = head(fused)
    slots = fused.slots_BMCD
    best = (slots * head.weight_MCD).sum(-1).amax(1).sigmoid()
    probability = torch.stack([head.agg(slots[:, [m]])[:, 0] for m in range(3)]).sigmoid().mean(0)
    torch.testing.assert_close(logits_BC.sigmoid(), (best + probability) / 2, atol=1e-5, rtol=1e-4)
    attended = (fused.aux["attended"] * head.weight_MCD).sum(-1)
    torch.testing.assert_close(aux["level_logits"][0, 0], attended[0].amax(0))
    torch.testing.assert_close(aux["level_logits"][2, 0], attended[2, [0, 2]].amax(0))
    assert not aux["level_logits"][3, 0].any()


def test_a_score_is_the_mean_of_the_branches_scores():
    first, second = torch.randn(5, 1, 7), torch.randn(5, 1, 7)
    score = read_out(average_logits([first, second], SENTIMENT), SENTIMENT)
    expected = (read_out(first[:, 0], SENTIMENT) + read_out(second[:, 0], SENTIMENT)) / 2
    torch.testing.assert_close(score, expected)


# The objective.


def supervised_contrast(z, ids, anchors, temperature):
    losses = []
    for i in range(anchors):
        others = [a for a in range(len(z)) if a != i]
        positives = [p for p in others if ids[p] == ids[i]]
        if positives:
            total = torch.stack([z[i] @ z[a] / temperature for a in others]).exp().sum().log()
            losses.append(
                sum(total - z[i] @ z[p] / temperature for p in positives) / len(positives)
            )
    return sum(losses) / len(losses)


def test_contrast_is_the_double_loop_with_its_gradient():
    ids = torch.tensor([0, 1, 1, 2, 0, 2, 3, 1, 4])
    raw = torch.randn(9, 5, dtype=torch.double, requires_grad=True)
    for anchors in (6, 9):
        z = F.normalize(raw, dim=1)
        values = contrast(z, ids, anchors, 0.07, 5), supervised_contrast(z, ids, anchors, 0.07)
        torch.testing.assert_close(*values)
        gradients = [torch.autograd.grad(v, raw, retain_graph=True)[0] for v in values]
        torch.testing.assert_close(*gradients)


def test_contrast_without_a_positive_is_zero_and_finite():
    z = F.normalize(torch.randn(3, 5, requires_grad=True), dim=1)
    loss = contrast(z, torch.tensor([0, 1, 2]), 3, 0.07, 3)
    assert loss == 0
    loss.backward()


def test_shuffle_keeps_the_features_of_each_label_with_their_targets():
    slots = torch.arange(6 * 3 * 4, dtype=torch.float).view(6, 3, 4, 1)
    share_BC, known_BC = torch.rand(6, 4), torch.rand(6, 4) < 0.7
    moved, share_BMC, known_BMC = shuffled(slots, share_BC, known_BC)
    assert not torch.equal(moved, slots)
    for label in range(4):
        assert set(moved[:, :, label].flatten().tolist()) == set(
            slots[:, :, label].flatten().tolist()
        )
    for row in range(6):
        for slot in range(3):
            for label in range(4):
                origin = int(moved[row, slot, label]) // 12
                assert share_BMC[row, slot, label] == share_BC[origin, label]
                assert known_BMC[row, slot, label] == known_BC[origin, label]


def test_cells_of_each_space():
    score = cells(torch.tensor([-3.0, 0.4, 2.5, 9.0]), None, SENTIMENT)
    assert score.positive_BC.nonzero()[:, 1].tolist() == [0, 3, 6, 6]
    torch.testing.assert_close(score.share_BC[1, 3:5], torch.tensor([0.6, 0.4]))
    known = torch.tensor([True, False])
    actual = cells(torch.tensor([2, 0]), known, tiny.CLASSES)
    assert actual.positive_BC.nonzero().tolist() == [[0, 2], [1, 0]]
    assert actual.known_BC.all(1).tolist() == [True, False]
    joint = cells(tiny.targets(tiny.JOINT, 5), torch.ones(5, 7, dtype=torch.bool), tiny.JOINT)
    assert joint.share_BC.shape == (5, 13)


def run(kind="multilabel", modalities=MODALITIES, known=None, **config):
    context = tiny.context(kind, modalities)
    model = SimpleNamespace(
        fusion=fusion(kind, modalities),
        head=CaratAggregate(CaratAggregate.Config(), context, 8, None),
    )
    loss = CaratLoss(CaratLoss.Config(**config), context, model)
    batch = tiny.batch(context, {}, 5)
    batch = Batch(batch.ids_B, {}, batch.target, known)
    fused = model.fusion(ragged(modalities))
    logits_BC, aux = model.head(fused)
    return model, loss, batch, Output(logits_BC, {}, {**fused.aux, **aux}, fused, None)


@pytest.mark.parametrize("kind", ["score", "class", "multilabel", "joint"])
def test_terms_of_every_space_are_finite(kind):
    for modalities in (MODALITIES, ("text", "video")):
        model, loss, batch, out = run(kind, modalities)
        terms = loss(model, batch, out, AT)
        assert set(terms) == {
            "attended", "first", "second", "slots", "shuffled", "rebuilt", "contrast"
        }  # fmt: skip
        assert all(torch.isfinite(term) for term in terms.values())


def some_known() -> torch.Tensor:
    return torch.rand(5, 6, generator=torch.Generator().manual_seed(5)) < 0.7


def test_levels_and_slots_are_told_apart_by_the_tasks_own_loss():
    names = ("attended", "first", "second")
    model, loss, batch, out = run(known=some_known(), **dict.fromkeys((*names, "slots"), 1.0))
    terms = loss(model, batch, out, AT)

    def task(logits_BC):
        return task_loss(logits_BC, batch.target, batch.known, tiny.EMOTIONS)["bce"]

    for level, name in enumerate(names):
        torch.testing.assert_close(terms[name], task(out.aux["level_logits"][:, level]))
    slots = [task(out.aux["slot_logits"][:, m]) for m in range(3)]
    torch.testing.assert_close(terms["slots"], sum(slots) / 3)


def test_the_shuffled_term_is_the_mean_over_known_cells():
    model, loss, batch, out = run(known=some_known())
    truth = cells(batch.target, batch.known, tiny.EMOTIONS)
    torch.manual_seed(3)
    slots, share, known = shuffled(out.fused.slots_BMCD, truth.share_BC, truth.known_BC)
    losses = []
    for row, slot, label in known.nonzero().tolist():
        p = model.head.agg(slots[[row]][:, [slot]])[0, 0, label].sigmoid()
        y = share[row, slot, label]
        losses.append(-(y * p.log() + (1 - y) * (1 - p).log()))
    torch.manual_seed(3)
    torch.testing.assert_close(loss.shuffled(model, out, truth), sum(losses) / len(losses))


def test_a_class_of_the_contrast_is_a_label_present_or_absent_in_a_modality():
    _, loss, batch, out = run(known=some_known())
    truth = cells(batch.target, batch.known, tiny.EMOTIONS)
    expected, number = [], {}
    for b in range(5):
        for level in range(3):
            for m in range(3):
                for c in range(6):
                    if batch.known[b, c] and out.aux["present"][b, m]:
                        z_D = out.aux["latents"][b, level, m, c]
                        expected.append((z_D / z_D.norm(), (c, m, bool(batch.target[b, c]))))
    z_ND, id_N = loss.latents(out, truth)
    torch.testing.assert_close(z_ND, torch.stack([z_D for z_D, _ in expected]))
    for (_, kind), id_ in zip(expected, id_N.tolist(), strict=True):
        assert number.setdefault(kind, id_) == id_
    assert len(set(number.values())) == len(number) > 6
    assert set(number.values()) <= set(range(loss.classes))


def test_prototypes_follow_the_attended_latents_after_a_batch():
    model, loss, batch, out = run(known=some_known())
    prototypes = model.fusion.prototypes
    known_BMC = batch.known[:, None] & out.aux["present"][..., None]
    attended = out.aux["latents"][:, 0].detach()
    expected = in_order(
        prototypes.mu_MC2D, attended, batch.target > 0.5, known_BMC, prototypes.momentum
    )
    with torch.no_grad():
        loss.after_batch(model, batch, out, AT)
    torch.testing.assert_close(prototypes.mu_MC2D, expected)


def test_unknown_cells_teach_nothing():
    known = torch.zeros(5, 6, dtype=torch.bool)
    model, loss, batch, out = run(known=known)
    terms = loss(model, batch, out, AT)
    assert {name for name, term in terms.items() if term != 0} == {"rebuilt"}
    before = model.fusion.prototypes.mu_MC2D.clone()
    loss.after_batch(model, batch, out, AT)
    torch.testing.assert_close(model.fusion.prototypes.mu_MC2D, before)
    assert (loss.id_Q == -1).all()


def test_rebuilt_counts_what_a_row_has_and_passes_no_gradient_to_its_target():
    _, loss, _, out = run()
    total = 0.0
    for m in range(3):
        rows = out.aux["present"][:, m].nonzero()[:, 0]
        for name in ("rebuilt", "first_level"):
            total += F.mse_loss(out.aux[name][rows, m], out.aux["attended"][rows, m])
    torch.testing.assert_close(loss.rebuilt(out), total)
    target = out.aux["attended"]
    direct = {
        **out.aux,
        "rebuilt": out.aux["rebuilt"].detach(),
        "first_level": out.aux["first_level"].detach(),
    }
    assert not loss.rebuilt(Output(out.logits_BC, {}, direct)).requires_grad
    assert target.requires_grad


def test_the_queue_is_first_in_first_out():
    model, loss, batch, out = run(queue=600)
    z_ND, id_N = loss.latents(out, cells(batch.target, None, tiny.EMOTIONS))
    # 5 rows of 3 modalities, less those that rows 2 and 3 lack; 3 levels; 6 labels.
    assert len(z_ND) == (15 - 4) * 3 * 6
    with torch.no_grad():
        for _ in range(4):
            loss.after_batch(model, batch, out, AT)
    torch.testing.assert_close(loss.queue_QD[-198:], z_ND)
    assert torch.equal(loss.id_Q[-396:-198], id_N)
    assert (loss.id_Q >= 0).all()
    assert loss.contrast(out, cells(batch.target, None, tiny.EMOTIONS)) > 0


def test_without_its_fusion_the_objective_is_refused():
    with pytest.raises(RequestError, match="fusion carat"):
        CaratLoss(CaratLoss.Config(), tiny.context(), SimpleNamespace())


LARGE = """
import resource, torch
import torch.nn.functional as F
from merbench_related.carat.contrast import contrast
batch, queue, classes = 64 * 9 * 6, 8192, 36
raw = torch.randn(batch, 64, requires_grad=True)
ids = torch.randint(classes, (batch + queue,))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
keys = torch.cat([F.normalize(raw, dim=1), F.normalize(torch.randn(queue, 64), dim=1)])
contrast(keys, ids, batch, 0.07, classes).backward()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20)
"""


def test_a_queue_of_8192_at_batch_64_takes_less_than_1_gb():
    result = subprocess.run(
        [sys.executable, "-c", LARGE], capture_output=True, text=True, check=True
    )
    assert float(result.stdout) < 1.0

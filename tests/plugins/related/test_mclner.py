"""mCL-NER's parts, as re-formulated, against loops and formulas."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import gelu, layer_norm, normalize

from merbench.api import MODALITIES, Batch, LabelSpace, Output, Progress, Steps
from merbench.engine.build import build
from merbench.engine.learn import learn
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.engine.training.evaluate import weights_digest
from merbench.testing import tiny
from merbench_related.mclner.contrast import info_nce, supervised_contrast
from merbench_related.mclner.fusion import PairRelation, Pairs, grid_of
from merbench_related.mclner.modality_switch import ModalitySwitch, aligned_index
from merbench_related.mclner.multiview_contrast import MultiviewContrast
from merbench_related.mclner.relation_contrast import (
    RelationContrast,
    agreement,
    balanced_cross_entropy,
)
from merbench_related.mclner.self_training import SelfTraining
from merbench_related.mclner.targets import (
    ADJACENT,
    ALIGNED,
    NONE,
    SALIENT,
    relation_targets,
    salient,
    same_target,
)
from tests.plugins.perturbed import perturbed

AT = Progress(0, 1, 0, 1, "main")
LATER = Progress(9, 10, 0, 1, "main")


def unit(*shape: int) -> torch.Tensor:
    return normalize(torch.randn(*shape), dim=-1)


def test_info_nce_leaves_out_absent_rows_and_rows_of_one_target():
    torch.manual_seed(0)
    u, v, present = unit(5, 3), unit(5, 3), torch.tensor([True, True, True, False, True])
    same = torch.eye(5, dtype=torch.bool)
    same[0, 2] = same[2, 0] = True
    losses = []
    for a, b in ((u, v), (v, u)):
        rows = []
        for i in range(5):
            if present[i]:
                mass = {
                    j: (a[i] @ b[j] / 0.1).exp()
                    for j in range(5)
                    if j == i or (present[j] and not same[i, j])
                }
                rows.append(-(mass[i] / sum(mass.values())).log())
        losses.append(torch.stack(rows).mean())
    assert torch.isclose(info_nce(u, v, present, same, 0.1), torch.stack(losses).mean(), atol=1e-5)
    assert info_nce(u, v, torch.zeros(5, dtype=torch.bool), same, 0.1) == 0
    equal = torch.ones(8, 3)
    bound = info_nce(
        equal, equal, torch.ones(8, dtype=torch.bool), torch.eye(8, dtype=torch.bool), 1.0
    )
    assert torch.isclose(bound, torch.tensor(8.0).log())


def test_supervised_contrast_is_khosla_s_equation_2():
    torch.manual_seed(0)
    x, ids = unit(7, 3), torch.tensor([0, 0, 1, 1, 1, 2, 0])
    anchors = []
    for i in range(7):
        positives = [j for j in range(7) if j != i and ids[j] == ids[i]]
        if positives:
            total = sum((x[i] @ x[j] / 0.2).exp() for j in range(7) if j != i)
            anchors.append(
                torch.stack([-((x[i] @ x[j] / 0.2).exp() / total).log() for j in positives]).mean()
            )
    want = torch.stack(anchors).mean()
    assert torch.isclose(supervised_contrast(x, ids[:, None] == ids, 0.2), want, atol=1e-5)


def test_which_rows_have_one_target():
    def same(y, space, known=None, if_unknown=True):
        return same_target(Batch(torch.arange(3), {}, y, known), space, if_unknown)

    score = LabelSpace("score", ("a", "b"), ("a", "b"), (-3.0, 3.0))
    y = torch.tensor([0.0, 0.4, 1.0])
    near = [[True, True, False], [True, True, False], [False, False, True]]
    assert same(y, score).tolist() == near
    itself, known = torch.eye(3, dtype=torch.bool), torch.tensor([True, False, True])
    assert same(y, score, known).tolist() == [[True, True, False], [True] * 3, [False, True, True]]
    assert torch.equal(same(y, score, known, if_unknown=False), itself)

    labels = LabelSpace("multilabel", ("a", "b"), ("a", "b"))
    y = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    known = torch.tensor([[True, True], [True, False], [True, True]])
    assert same(y, labels)[0].tolist() == [True, False, True]
    assert same(y, labels, known).all()
    surely = same(y, labels, known, if_unknown=False)
    assert surely.tolist() == [[True, False, True], [False, True, False], [True, False, True]]

    joint = LabelSpace.joint(score, labels)
    y = torch.tensor([[0.0, 1, 0], [0.1, 1, 0], [0.1, 1, 1]])
    assert same(y, joint)[0].tolist() == [True, True, False]


def test_rows_of_hidden_targets_are_positives_of_themselves_alone():
    """Of two rows whose targets are hidden nobody knows that they are alike."""
    torch.manual_seed(0)
    context, model = tiny.context("class"), composed(fusion())
    config = RelationContrast.Config(switch_ratio=0.0, types=0.0, agree=0.0, contrast=1.0)
    objective, out = RelationContrast(config, context, model), model.decode(tiny.parts())

    def term(target, known=None):
        batch = Batch(torch.arange(5), {}, target, known)
        return objective(model, batch, out, AT)["contrast"]

    hidden = torch.zeros(5, dtype=torch.bool)
    all_apart = term(torch.arange(5))
    torch.testing.assert_close(term(torch.zeros(5, dtype=torch.long), hidden), all_apart)
    assert not torch.isclose(term(torch.zeros(5, dtype=torch.long)), all_apart)


def test_salient_steps_are_the_fewest_with_the_share():
    mass = torch.tensor([[0.1, 0.5, 0.15, 0.25], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert salient(mass, 0.6).tolist() == [
        [False, True, False, True],
        [False, True, False, False],
        [False] * 4,
    ]


def test_relation_types_pair_by_pair():
    stream, index = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 1, 2, 0, 1])
    time = torch.tensor([[1 / 6, 3 / 6, 5 / 6, 1 / 4, 3 / 4]])
    cells = ~torch.eye(5, dtype=torch.bool)[None]
    chosen = torch.tensor([[True, False, True, False, True]])
    target = relation_targets(stream, index, time, cells, 0.1, chosen)[0]
    for i in range(5):
        for j in range(5):
            if i == j:
                continue
            if stream[i] == stream[j] and abs(int(index[i] - index[j])) == 1:
                want = ADJACENT
            elif stream[i] != stream[j] and abs(float(time[0, i] - time[0, j])) <= 0.1:
                want = ALIGNED
            else:
                want = SALIENT if chosen[0, i] and chosen[0, j] else NONE
            assert target[i, j] == want
    assert {ADJACENT, ALIGNED, SALIENT, NONE} == set(target[cells[0]].tolist())


def test_pairs_are_a_conditional_norm_and_a_biaffine_form():
    torch.manual_seed(0)
    module, h = perturbed(Pairs(4, 3)), torch.randn(2, 5, 4)
    r, logits = module(h)
    for i in range(5):
        for j in range(5):
            normed = layer_norm(h[1, j], (4,))
            conditioned = normed * (1 + module.scale(h[1, i])) + module.shift(h[1, i])
            r_ij = gelu(module.narrow[0](conditioned))
            assert torch.allclose(r[1, i, j], r_ij, atol=1e-5)
            first, second = module.first(h[1, i]), module.second(h[1, j])
            pair = torch.stack([first @ module.biaffine_REE[k] @ second for k in range(4)])
            assert torch.allclose(logits[1, i, j], module.to_types(r_ij) + pair, atol=1e-5)


def fusion(**config) -> PairRelation:
    torch.manual_seed(0)
    widths = dict.fromkeys(MODALITIES, 6)
    settings = PairRelation.Config(**{"width": 8, "relation_width": 4, "longest": 4, **config})
    return perturbed(PairRelation(settings, tiny.context(), widths, None)).eval()


def test_fusion_pools_pairs_by_attention():
    model, parts = fusion(longest=9), tiny.parts()
    fused = model(parts)
    row = 1
    h = torch.cat([model.project[m](s.x_BLD[row][s.mask_BL[row]]) for m, s in parts.items()])
    r, logits = model.pairs(h[None])
    total = mass = 0.0
    for i in range(len(h)):
        for j in range(len(h)):
            if i != j:
                energy = model.attend(r[0, i, j]) + model.of_type(logits[0, i, j].softmax(0))
                total, mass = total + energy.exp() * r[0, i, j], mass + energy.exp()
    want = model.out(torch.cat((total / mass, h.mean(0))))
    assert torch.allclose(fused.z_BCD[row, 0], want, atol=1e-5)
    cells = fused.aux["relation_cells"][row]
    assert int(cells.sum()) == len(h) * (len(h) - 1) and not cells.diagonal().any()
    assert torch.isclose(fused.aux["step_mass"][row].sum(), torch.tensor(1.0))


def test_long_streams_are_resampled_and_short_rows_keep_their_steps():
    x = torch.arange(6.0)[None, :, None].expand(2, -1, -1)
    mask = torch.arange(6) < torch.tensor([6, 2])[:, None]
    grid = grid_of({"text": Steps(x, mask), "audio": tiny.steps(2, 2, 1)}, 3)
    assert np.allclose(grid.x_BND[0, :3, 0], [0.5, 2.5, 4.5])
    assert grid.x_BND[1, :2, 0].tolist() == [0, 1] and grid.mask_BN[1, :3].tolist() == [
        True,
        True,
        False,
    ]
    assert grid.stream_N.tolist() == [0, 0, 0, 1, 1] and grid.index_N.tolist() == [0, 1, 2, 0, 1]
    assert torch.allclose(grid.time_BN[0, :3], torch.tensor([1 / 6, 3 / 6, 5 / 6]))


def test_switched_steps_are_the_mean_of_the_aligned_steps_of_the_others():
    torch.manual_seed(0)
    parts = {m: tiny.steps(30, 6 + i, 6, seed=i, missing=[2]) for i, m in enumerate(MODALITIES)}
    lacking = parts["video"].mask_BL.clone()
    lacking[4] = False
    parts["video"] = Steps(parts["video"].x_BLD, lacking)
    module = ModalitySwitch(dict.fromkeys(MODALITIES, 6), 0.4, 2)
    switched, replaced = module(parts)
    assert not replaced["text"][2].any()
    for m in MODALITIES:
        assert torch.equal(switched[m].mask_BL, parts[m].mask_BL) and replaced[m].any()
        for b, i in replaced[m].nonzero().tolist():
            incoming = []
            for donor in MODALITIES:
                n = int(parts[donor].mask_BL[b].sum())
                if donor != m and n:
                    k = int((i + 0.5) * n / int(parts[m].mask_BL[b].sum()))
                    incoming.append(module.carry[f"{donor}_to_{m}"](parts[donor].x_BLD[b, k]))
            want = torch.stack(incoming).mean(0)
            assert torch.allclose(switched[m].x_BLD[b, i], want, atol=1e-5)
        unchanged = parts[m].mask_BL & ~replaced[m]
        assert torch.equal(switched[m].x_BLD[unchanged], parts[m].x_BLD[unchanged])
    alone, nothing = ModalitySwitch({"text": 6}, 0.4, 2)({"text": parts["text"]})
    assert not nothing["text"].any() and torch.equal(alone["text"].mask_BL, parts["text"].mask_BL)


def test_aligned_index_is_proportional():
    mask = torch.arange(4) < torch.tensor([4, 2])[:, None]
    donor = torch.arange(8) < torch.tensor([8, 3])[:, None]
    index = aligned_index(mask, donor)
    assert index[0].tolist() == [1, 3, 5, 7] and index[1, :2].tolist() == [0, 2]


def test_relation_losses():
    torch.manual_seed(0)
    logits, target = torch.randn(6, 4), torch.tensor([0, 0, 0, 0, 1, 3])
    each = -logits.log_softmax(1)[torch.arange(6), target]
    want = (each[:4].mean() + each[4] + each[5]) / 3
    assert torch.isclose(balanced_cross_entropy(logits, target), want)
    p, q = logits.softmax(1), (other := torch.randn(6, 4)).softmax(1)
    kl = ((p * (p / q).log()).sum(1) + (q * (q / p).log()).sum(1)) / 2
    assert torch.isclose(agreement(logits, other), kl.mean(), atol=1e-5)
    assert agreement(logits, logits) == 0
    assert agreement(logits[:0], logits[:0]) == 0


def composed(model: PairRelation):
    """As much of a composed model as the objectives use."""

    def decode(parts):
        fused = model(parts)
        return Output(fused.z_BCD[:, 0, :1], parts, fused.aux)

    return SimpleNamespace(widths=dict.fromkeys(MODALITIES, 6), decode=decode)


@pytest.mark.parametrize("at", [AT, LATER])
def test_relation_terms(at):
    torch.manual_seed(0)
    context, model = tiny.context("class"), composed(fusion())
    batch = tiny.batch(context, {}, 5)
    out = model.decode(tiny.parts())
    settings = {"types": 1.0, "agree": 1.0, "contrast": 1.0}
    same = RelationContrast(RelationContrast.Config(switch_ratio=0.0, **settings), context, model)
    terms = same(model, batch, out, at)
    assert set(terms) == {"types", "agree", "contrast"}
    assert terms["agree"].abs() < 1e-6, "a view that is not switched agrees"
    cells = out.aux["relation_cells"]
    target = same._targets(out, at)
    assert (target[cells] == SALIENT).any() == (at is LATER)
    assert torch.isclose(
        terms["types"], balanced_cross_entropy(out.aux["relation_logits"][cells], target[cells])
    )
    switched = RelationContrast(
        RelationContrast.Config(switch_ratio=0.5, **settings), context, model
    )(model, batch, out, at)
    assert switched["agree"] > 1e-4
    torch.stack(list(switched.values())).sum().backward()

    means, ids = [], []
    for b in range(5):
        for k in range(4):
            chosen = cells[b] & (target[b] == k)
            if chosen.any():
                mean = out.aux["relation_vectors"][b][chosen].mean(0)
                means.append(normalize(mean, dim=0))
                ids.append((k, int(batch.target[b])))
    x, ids = torch.stack(means * 2), ids * 2
    positive = torch.tensor([[a == b for b in ids] for a in ids])
    assert torch.isclose(terms["contrast"], supervised_contrast(x, positive, 0.1), atol=1e-4)


def test_views_are_contrasted_in_pairs():
    torch.manual_seed(0)
    context, model = tiny.context("class"), composed(fusion())
    config = MultiviewContrast.Config(weight=1.0, switch_ratio=0.0)
    objective = MultiviewContrast(config, context, model)
    parts = tiny.parts()
    batch, out = tiny.batch(context, {}, 5), Output(torch.zeros(5, 6), tiny.parts())
    term = objective(model, batch, out, AT)["views"]
    vectors = []
    for names in (MODALITIES, MODALITIES, ("text",), ("audio",), ("video",)):
        rows = []
        for b in range(5):
            steps = torch.cat(
                [objective.project[m](parts[m].x_BLD[b][parts[m].mask_BL[b]]) for m in names]
            )
            rows.append(normalize(objective.out(steps.mean(0)), dim=0))
        vectors.append(torch.stack(rows))
    same, everywhere = same_target(batch, context.space, True), torch.ones(5, dtype=torch.bool)
    losses = [
        info_nce(vectors[i], vectors[j], everywhere, same, 0.1)
        for i in range(5)
        for j in range(i + 1, 5)
    ]
    assert torch.isclose(term, torch.stack(losses).mean(), atol=1e-4)


# Self-training.


class Teacher:
    """Its read-outs are ``given``, one after another."""

    def __init__(self, kind, given):
        self.kind, self.given, self.training = kind, iter(given), False

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def __call__(self, batch):
        assert self.training == (self.kind == "score"), "dropout is for a score's spread alone"
        to_logits = {"score": lambda y: y[:, None], "class": torch.log, "multilabel": torch.logit}
        return Output(to_logits[self.kind](next(self.given)), {})


def pseudo(kind, p, target, known, logits_BC, **config):
    context = tiny.context(kind)
    model = SimpleNamespace(teacher=Teacher(kind, p if kind == "score" else [p]))
    objective = SelfTraining(SelfTraining.Config(weight=1.0, **config), context, model)
    batch = Batch(torch.arange(len(target)), {}, target, known)
    return objective(model, batch, Output(logits_BC, {}), AT)["pseudo"]


def test_hidden_cells_of_which_the_teacher_is_sure_take_its_label():
    p_BC = torch.tensor([[0.95, 0.02, 0.7, 0.5, 0.99, 0.01], [0.92, 0.3, 0.8, 0.6, 0.4, 0.5]])
    known_BC = torch.ones_like(p_BC, dtype=torch.bool)
    known_BC[0, :3] = known_BC[1, 0] = False
    logits_BC = torch.randn(2, 6)
    actual = pseudo("multilabel", p_BC, torch.zeros(2, 6), known_BC, logits_BC)
    s_BC = logits_BC.sigmoid()
    expected = -(s_BC[0, 0].log() + (1 - s_BC[0, 1]).log() + s_BC[1, 0].log()) / 3
    torch.testing.assert_close(actual, expected)


def test_hidden_classes_and_scores():
    size = len(tiny.SPACES["class"].words)
    sure = torch.full((size,), 0.05 / (size - 1))
    sure[1] = 0.95
    p_BC = torch.stack([sure, torch.full((size,), 1 / size), sure])
    known_B, logits_BC = torch.tensor([False, False, True]), torch.randn(3, size)
    actual = pseudo("class", p_BC, torch.zeros(3, dtype=torch.long), known_B, logits_BC)
    torch.testing.assert_close(actual, -logits_BC.log_softmax(-1)[0, 1])

    draws = [torch.tensor([1.0, 2.0, 0.0]), torch.tensor([1.2, -2.0, 0.0])]
    actual = pseudo(
        "score", draws, torch.zeros(3), known_B, torch.tensor([[3.0], [0], [0]]), draws=2
    )
    torch.testing.assert_close(actual, torch.tensor(3.0 - 1.1))


def test_where_all_is_known_or_nothing_is_sure_the_term_is_zero():
    everything = torch.ones(1, 6, dtype=torch.bool)
    for known in (None, everything, ~everything):
        p_BC = torch.full((1, 6), 0.6)
        assert pseudo("multilabel", p_BC, torch.zeros(1, 6), known, torch.randn(1, 6)) == 0


def test_self_training_learns_from_hidden_labels(catalog):
    """Through the harness: with the teacher's labels other weights than without."""
    digests = set()
    for weight in (0.0, 0.5):
        request = Request(
            "mcl-ner-self-training",
            settings={
                "train.epochs": 2,
                "train.batch_size": 6,
                "objective.self-training.weight": weight,
                "objective.self-training.margin": 0.001,
            },
        )
        plan = resolve(request, catalog, tiny.corpus("multilabel"), None)
        fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
        fold = fold.for_training("keep:0.5", 0, plan.recipe.unlabelled)
        problem = build(plan, fold, 0, torch.device("cpu"))
        learn(plan, problem, fold, 0)
        digests.add(weights_digest(problem.model))
    assert len(digests) == 2

"""MER-CLIP's parts against loops and formulas; the conformance checks train the whole recipe and
each of its ablations.
"""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from merbench.api import (
    MODALITIES,
    SENTIMENT,
    Batch,
    Fused,
    Output,
    Progress,
    Queries,
    Recipe,
    RequestError,
    Steps,
    read_out,
    soft_targets,
    task_loss,
)
from merbench.testing import tiny
from merbench_merclip.decoder import LabelDecoder
from merbench_merclip.head import LabelGuided
from merbench_merclip.hooks import merbench_components
from merbench_merclip.objective import LabelContrast, label_shares
from tests.plugins.perturbed import doubling, perturbed

AT = Progress(0, 1, 0, 1, "main")
(RECIPE,) = (d for d in merbench_components() if isinstance(d, Recipe))


def queries(labels: int = 7, width: int = 10, seed: int = 7) -> Queries:
    return Queries(torch.randn(labels, width, generator=torch.Generator().manual_seed(seed)))


def decoder(
    kind="score", modalities=MODALITIES, query_width: int | None = 10, **config
) -> LabelDecoder:
    torch.manual_seed(0)
    widths = dict.fromkeys(modalities, 6)
    decoder = LabelDecoder(
        LabelDecoder.Config(**{"width": 16, "heads": 4, **config}),
        tiny.context(kind, modalities),
        widths,
        query_width,
    )
    return perturbed(decoder).eval()


def head(prediction="per-label", width: int = 16, query_width: int = 10, **config) -> LabelGuided:
    torch.manual_seed(0)
    return LabelGuided(
        LabelGuided.Config(prediction=prediction, **config), tiny.context(), width, query_width
    ).eval()


def ragged() -> dict[str, Steps]:
    """Row 2 lacks audio, row 3 lacks everything."""
    lacking = {"text": [3], "audio": [2, 3], "video": [3]}
    return {
        m: tiny.steps(length=4 + i, seed=i, missing=lacking[m]) for i, m in enumerate(MODALITIES)
    }


# The decoder, one row at a time, without padding.


def attend(mha: nn.MultiheadAttention, q_CD, x_LD):
    wq, wk, wv = mha.in_proj_weight.chunk(3)
    bq, bk, bv = mha.in_proj_bias.chunk(3)
    q, k, v = q_CD @ wq.T + bq, x_LD @ wk.T + bk, x_LD @ wv.T + bv
    size = q.shape[1] // mha.num_heads
    heads = []
    for h in range(mha.num_heads):
        part = slice(h * size, (h + 1) * size)
        weights = (q[:, part] @ k[:, part].T / size**0.5).exp()
        heads.append(weights / weights.sum(1, keepdim=True) @ v[:, part])
    return torch.cat(heads, 1) @ mha.out_proj.weight.T + mha.out_proj.bias


def one_row(model: LabelDecoder, parts, emb_CD, row: int):
    reached = {
        m: model.project[m](parts[m].x_BLD[row][parts[m].mask_BL[row]]) + model.modality[m]
        for m in model.order
    }
    q_CD = model.query(emb_CD)
    stages = {"joint": torch.cat(list(reached.values()))} if model.joint else reached
    for stage, x_LD in stages.items():
        for layer in model.stages[stage]:
            n_CD = layer.norms[0](q_CD)
            q_CD = q_CD + layer.dropout(attend(layer.among_labels, n_CD, n_CD))
            if len(x_LD):
                seen_CD = attend(layer.into_modality, layer.norms[1](q_CD), x_LD)
                q_CD = q_CD + layer.dropout(seen_CD)
            q_CD = q_CD + layer.dropout(layer.feed_forward(layer.norms[2](q_CD)))
    return model.norm(q_CD)


@pytest.mark.parametrize(
    "config", [{}, {"layers": 2, "order": ("video", "text", "audio")}, {"joint": True}]
)
def test_decoder_is_the_loop_over_unpadded_rows(config):
    model, parts, labels = doubling(decoder(**config)), ragged(), queries()
    z_BCD = model(parts, labels).z_BCD
    for row in range(5):
        torch.testing.assert_close(
            z_BCD[row], one_row(model, parts, labels.emb_CD, row), atol=1e-5, rtol=1e-4
        )


def test_order_matters_one_stage_after_another_and_not_side_by_side():
    parts, labels = tiny.parts(), queries()
    for joint in (False, True):
        first = decoder(joint=joint)
        other = decoder(joint=joint, order=("video", "audio", "text"))
        assert all(
            torch.equal(p, other.state_dict()[n]) for n, p in first.state_dict().items()
        )  # one seed, one start
        same = torch.allclose(first(parts, labels).z_BCD, other(parts, labels).z_BCD, atol=1e-5)
        assert same == joint
    assert not torch.allclose(
        decoder()(parts, labels).z_BCD, decoder(joint=True)(parts, labels).z_BCD, atol=1e-2
    )


@pytest.mark.parametrize("joint", [False, True])
def test_padding_whatever_it_holds_and_the_place_in_the_batch_change_nothing(joint):
    model, parts, labels = decoder(joint=joint), ragged(), queries()
    base = model(parts, labels)
    padded = {
        m: Steps(
            F.pad(
                s.x_BLD.masked_fill(~s.mask_BL[..., None], torch.nan), (0, 0, 0, 3), value=torch.nan
            ),
            F.pad(s.mask_BL, (0, 3)),
        )
        for m, s in parts.items()
    }
    order = torch.tensor([3, 0, 4, 1, 2])
    moved = {m: Steps(s.x_BLD[order], s.mask_BL[order]) for m, s in parts.items()}
    for name in ("modality_vectors", "modality_present"):
        torch.testing.assert_close(model(padded, labels).aux[name], base.aux[name])
    assert torch.isfinite(base.z_BCD).all()
    torch.testing.assert_close(model(padded, labels).z_BCD, base.z_BCD, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model(moved, labels).z_BCD, base.z_BCD[order], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("prediction", ["per-label", "pooled"])
def test_permuted_labels_permute_the_logits(prediction):
    model, read, parts, labels = decoder(), head(prediction), tiny.parts(), queries()
    order = torch.tensor([4, 2, 0, 6, 1, 3, 5])
    base = read(model(parts, labels), labels)
    permuted = Queries(labels.emb_CD[order])
    torch.testing.assert_close(
        read(model(parts, permuted), permuted), base[:, order], atol=1e-4, rtol=1e-4
    )
    assert base.std(1).min() > 1e-3


def test_other_labels_at_call_time_need_no_other_parameter():
    model, read, parts, labels = decoder(), head(), tiny.parts(), queries()
    shapes = {n: p.shape for n, p in model.named_parameters()}
    assert shapes == {n: p.shape for n, p in decoder("multilabel").named_parameters()}
    for other in (queries(2, seed=1), queries(5, seed=2), queries(1, seed=3)):
        fused = model(parts, other)
        assert fused.z_BCD.shape == (5, len(other.emb_CD), model.width)
        assert read(fused, other).shape == (5, len(other.emb_CD))
    some = Queries(
        labels.emb_CD[:3]
    )  # labels look at each other, so those that are left out are missed
    assert not torch.allclose(
        model(parts, some).z_BCD, model(parts, labels).z_BCD[:, :3], atol=1e-3
    )


def test_without_a_label_encoder_there_is_a_learned_query_a_label():
    model = decoder("multilabel", query_width=None)
    assert model.learned_CD.shape == (6, 16)
    fused = model(tiny.parts())
    assert fused.z_BCD.shape == (5, 6, 16)
    torch.testing.assert_close(fused.aux["label_vectors"], model.learned_CD)
    assert not hasattr(decoder(), "learned_CD")


def test_queries_of_the_decoders_width_enter_as_they_are():
    model, labels = decoder(query_width=16), queries(width=16)
    torch.testing.assert_close(model(tiny.parts(), labels).aux["label_vectors"], labels.emb_CD)


def test_what_does_not_fit_is_refused_with_the_mend():
    with pytest.raises(RequestError, match=r"fusion.width=16.*fusion.heads=3"):
        decoder(heads=3)
    with pytest.raises(RequestError, match=r"fusion.order=text, audio .*text, audio, video"):
        decoder(order=("text", "audio"))
    with pytest.raises(RequestError, match=r"fusion.order"):
        decoder(order=("text", "audio", "video", "text"))
    decoder(modalities=("audio", "video"))  # the default order skips what the run does not have


# The head


@pytest.mark.parametrize("prediction", ["per-label", "pooled"])
@pytest.mark.parametrize("query_width", [10, 16])
def test_logits_are_scaled_cosines(prediction, query_width):
    read, labels = head(prediction, query_width=query_width), queries(width=query_width)
    z_BCD = torch.randn(5, 7, 16)
    e_CD = labels.emb_CD.numpy()
    if query_width != 16:
        e_CD = e_CD @ read.project.weight.detach().numpy().T + read.project.bias.detach().numpy()
    z = z_BCD.numpy() if prediction == "per-label" else z_BCD.numpy().mean(1, keepdims=True)
    want = (z * e_CD).sum(-1) / np.linalg.norm(z, axis=-1) / np.linalg.norm(e_CD, axis=-1) / 0.07
    np.testing.assert_allclose(
        read(Fused(z_BCD), labels).detach().numpy(), want, rtol=1e-4, atol=1e-4
    )


def test_a_pooled_fusion_is_compared_with_every_label():
    read, labels = head(), queries()
    z_B1D = torch.randn(5, 1, 16)
    torch.testing.assert_close(
        read(Fused(z_B1D), labels), read(Fused(z_B1D.expand(-1, 7, -1)), labels)
    )


def test_scale_is_at_most_100_and_can_come_back():
    read, labels = head(), queries()
    for tau, want in ((-1.0, np.exp(-1)), (4.6, np.exp(4.6)), (4.7, 100.0), (9.0, 100.0)):
        read.tau.data.fill_(tau)
        assert read.scale.item() == pytest.approx(want, rel=1e-5)
    read(Fused(torch.ones(1, 7, 16)), labels).sum().backward()
    assert read.tau.grad.abs() > 0


@pytest.mark.parametrize("width", [16, 64, 512, 768])
def test_logits_of_random_vectors_spread_alike_at_every_width(width):
    read, labels = head(start="width", width=width, query_width=width), queries(width=width)
    assert read.scale.item() == pytest.approx((width / 512) ** 0.5 / 0.07, rel=1e-5)
    labels.emb_CD.copy_(
        torch.randn(labels.emb_CD.shape, generator=torch.Generator().manual_seed(1))
    )
    z_BCD = torch.randn(400, 7, width, generator=torch.Generator().manual_seed(2))
    assert read(Fused(z_BCD), labels).std().item() == pytest.approx(1 / (0.07 * 512**0.5), rel=0.05)


def test_the_scale_learns_as_much_faster_as_it_is_told():
    read = head(tau_rate=10.0)
    assert read.scale.item() == pytest.approx(1 / 0.07, rel=1e-5)
    before = read.scale.item()
    with torch.no_grad():
        read.tau -= 0.01
    assert read.scale.item() == pytest.approx(before * math.exp(-0.1), rel=1e-5)


def test_no_parameter_of_the_head_belongs_to_a_label():
    assert sorted(p.numel() for p in head().parameters()) == [1, 16, 160]


# The contrast


def target(kind: str) -> tuple[torch.Tensor, torch.Tensor | None]:
    if kind == "score":
        return torch.tensor([-3.0, -0.4, 0.0, 1.6, 3.5]), None
    if kind == "class":
        return torch.tensor([0, 5, 2, 2, 3]), None
    known = torch.ones(5, 6, dtype=torch.bool)
    known[0, 1] = known[1, 0] = False
    known[4] = False
    return torch.tensor(
        [[1, 1, 0, 0, 1, 0], [1, 0, 1, 0, 0, 0], [0] * 6, [1] * 6, [1, 0, 0, 0, 0, 0]]
    ).float(), known


@pytest.mark.parametrize("kind", ["score", "class", "multilabel"])
def test_contrast_is_infonce_by_hand(kind):
    context = tiny.context(kind)
    labels = len(context.space.words)
    y, known = target(kind)
    batch = Batch(torch.arange(5), {}, y, known)
    draw = torch.Generator().manual_seed(3)
    v_BMD, e_CD = torch.randn(5, 3, 8, generator=draw), torch.randn(labels, 8, generator=draw)
    present_BM = torch.ones(5, 3, dtype=torch.bool)
    present_BM[0, 1] = False
    present_BM[2] = False
    out = Output(
        torch.zeros(5, labels),
        {},
        {"modality_vectors": v_BMD, "modality_present": present_BM, "label_vectors": e_CD},
    )
    objective = LabelContrast(LabelContrast.Config(weight=0.5, temperature=0.2), context, None)

    terms = []
    for b in range(5):
        counted = [c for c in range(labels) if known is None or known[b, c]]
        if kind == "score":
            share = soft_targets(y, torch.tensor(SENTIMENT.anchors))[b].tolist()
        elif kind == "class":
            share = [float(c == y[b]) for c in range(labels)]
        else:
            positive = [c for c in counted if y[b, c]]
            share = [float(c in positive) / max(1, len(positive)) for c in range(labels)]
        for m in range(3):
            if present_BM[b, m] and sum(share):
                near = {
                    c: np.exp(float(F.cosine_similarity(v_BMD[b, m], e_CD[c], dim=0)) / 0.2)
                    for c in counted
                }
                terms.append(-sum(share[c] * np.log(near[c] / sum(near.values())) for c in counted))
    actual = objective(None, batch, out, AT)
    assert list(actual) == ["label_contrast"]
    assert actual["label_contrast"].item() == pytest.approx(0.5 * np.mean(terms), rel=1e-4)


def test_contrast_of_two_tasks_is_the_sum_of_both_among_their_own_labels():
    draw = torch.Generator().manual_seed(3)
    v_BMD, e_CD, y_BC = (
        torch.randn(5, 3, 8, generator=draw),
        torch.randn(13, 8, generator=draw),
        tiny.targets(tiny.JOINT, 5),
    )
    known_BC = torch.ones(5, 7, dtype=torch.bool)
    known_BC[1, 0] = known_BC[3, 1:] = known_BC[4, 2] = False
    present_BM = torch.rand(5, 3, generator=draw) < 0.7

    def loss(kind, e_CD, y, known, rows):
        out = Output(
            torch.zeros(5, 1),
            {},
            {
                "modality_vectors": v_BMD[rows],
                "modality_present": present_BM[rows],
                "label_vectors": e_CD,
            },
        )
        batch = Batch(torch.arange(5)[rows], {}, y[rows], None if known is None else known[rows])
        return LabelContrast(LabelContrast.Config(), tiny.context(kind), None)(
            None, batch, out, AT
        )["label_contrast"]

    everything = slice(None)
    alone = loss("score", e_CD[:7], y_BC[:, 0], None, known_BC[:, 0]) + loss(
        "multilabel", e_CD[7:], y_BC[:, 1:], known_BC[:, 1:], everything
    )
    assert loss("joint", e_CD, y_BC, known_BC, everything).item() == pytest.approx(
        alone.item(), rel=1e-5
    )


def test_contrast_of_a_batch_without_a_positive_is_zero_and_finite():
    y = torch.zeros(5, 6)
    labels = queries(6)
    batch = Batch(torch.arange(5), {}, y)
    assert label_shares(batch.target, batch.known, tiny.EMOTIONS).sum() == 0
    model = decoder("multilabel")
    out = Output(torch.zeros(5, 6), {}, model(ragged(), labels).aux)
    loss = LabelContrast(LabelContrast.Config(), tiny.context("multilabel"), model)(
        model, batch, out, AT
    )["label_contrast"]
    loss.backward()
    assert loss.item() == 0
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


# Together


@pytest.mark.parametrize("config", [{}, {"joint": True}, {"layers": 2}])
def test_gradient_reaches_every_parameter(config):
    model, read, labels = decoder(**config), head(), queries()
    fused = model(ragged(), labels)
    sum(task_loss(read(fused, labels), target("score")[0], None, SENTIMENT).values()).backward()
    dead = [
        n
        for part in (model, read)
        for n, p in part.named_parameters()
        if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert not dead


def test_contrast_pulls_modalities_and_labels_together():
    model, labels = decoder(dropout=0.0), queries()
    objective = LabelContrast(LabelContrast.Config(weight=1.0), tiny.context(), model)
    batch, parts = Batch(torch.arange(5), {}, target("score")[0]), tiny.parts()
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-2)
    losses = []
    for _ in range(15):
        loss = objective(
            model, batch, Output(torch.zeros(5, 7), parts, model(parts, labels).aux), AT
        )["label_contrast"]
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("prediction", ["per-label", "pooled"])
def test_eight_samples_can_be_learned_by_heart(prediction):
    model, read, labels = decoder().train(), head(prediction).train(), queries()
    parts, y = tiny.parts(size=8), tiny.targets(SENTIMENT, 8)
    optimiser = torch.optim.Adam([*model.parameters(), *read.parameters()], lr=1e-2)
    for _ in range(80):
        sum(task_loss(read(model(parts, labels), labels), y, None, SENTIMENT).values()).backward()
        optimiser.step()
        optimiser.zero_grad()
    model.eval()
    reached = (read_out(read(model(parts, labels), labels), SENTIMENT) - y).abs().mean()
    assert reached < 0.35 * (y - y.median()).abs().mean()


# The declaration


def test_every_order_and_every_subset_of_modalities_is_an_ablation():
    orders = {a.settings["fusion.order"] for a in RECIPE.ablations if "fusion.order" in a.settings}
    assert (
        orders | {LabelDecoder.Config().order} == set(permutations(MODALITIES)) and len(orders) == 5
    )
    subsets = {a.modalities for a in RECIPE.ablations if a.modalities}
    assert len(subsets) == 6 and all(0 < len(s) < 3 for s in subsets)
    assert len({a.name for a in RECIPE.ablations}) == len(RECIPE.ablations)


def test_the_reconstruction_says_what_it_is():
    assert (
        RECIPE.caveat
        == "reconstruction from the abstract; says nothing about the published results"
    )

"""TAILOR's parts against loops and formulas."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from merbench.api import (
    MODALITIES,
    Batch,
    Fused,
    LabelSpace,
    Output,
    Progress,
    Queries,
    RequestError,
    Steps,
)
from merbench.testing import tiny
from merbench_related.resampled_steps import shorten, stretch
from merbench_related.tailor import fusion as tailor
from merbench_related.tailor.fusion import Tailor
from merbench_related.tailor.head import LabelQueryDecoder
from merbench_related.tailor.refine import Refine, difference, gram_norm
from tests.plugins.perturbed import doubling, perturbed

AT = Progress(0, 1, 0, 1, "main")


class Widths:
    """All that the objective asks a model for."""

    widths = {"private": 8, "common": 8}


def fusion(modalities=MODALITIES, **config) -> Tailor:
    torch.manual_seed(0)
    widths = dict.fromkeys(modalities, 6)
    settings = Tailor.Config(**{"width": 8, "heads": 2, **config})
    return perturbed(Tailor(settings, tiny.context(modalities=modalities), widths, 10)).eval()


def ragged() -> dict[str, Steps]:
    """Row 2 lacks audio, row 3 lacks everything."""
    lacking = {"text": [3], "audio": [2, 3], "video": [3]}
    return {
        m: tiny.steps(length=4 + 3 * i, seed=i, missing=lacking[m])
        for i, m in enumerate(MODALITIES)
    }


# Sequences of other lengths.


@settings(max_examples=30)
@given(st.integers(1, 23), st.integers(1, 9))
def test_shorten_is_the_mean_of_the_steps_of_each_bin(n, longest):
    x_LD = torch.randn(n, 3)
    padded = Steps(F.pad(x_LD, (0, 0, 0, 4), value=9.0)[None], (torch.arange(n + 4) < n)[None])
    short = shorten(padded, longest)
    actual = short.x_BLD[0][short.mask_BL[0]]
    if n <= longest:
        expected = x_LD
    else:
        bins = [[i for i in range(n) if i * longest // n == k] for k in range(longest)]
        expected = torch.stack([x_LD[members].mean(0) for members in bins])
    torch.testing.assert_close(actual, expected)


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(1, 15))
def test_stretch_is_linear_interpolation(n, points):
    x_LD = torch.randn(n, 2)
    steps = Steps(F.pad(x_LD, (0, 0, 0, 3))[None], (torch.arange(n + 3) < n)[None])
    actual = stretch(steps, torch.tensor([points]), points + 2)[0]
    if points == 1:
        expected = x_LD[:1]
    else:
        expected = F.interpolate(x_LD.T[None], size=points, mode="linear", align_corners=True)[0].T
    torch.testing.assert_close(actual[:points], expected, atol=1e-5, rtol=1e-4)
    assert not actual[points:].any()


# The fusion, one row at a time, without padding.


def attend(attention, q_QD, x_SD):
    """Head by head and query by query."""
    q, k, v = attention.query(q_QD), attention.key(x_SD), attention.dropout(attention.value(x_SD))
    rows = []
    for q_D in q:
        heads = [
            (k[:, at] @ q_D[at] / len(at) ** 0.5).softmax(0) @ v[:, at]
            for at in torch.arange(len(q_D)).chunk(attention.heads)
        ]
        rows.append(torch.cat(heads))
    return attention.out(torch.stack(rows))


def post_norm(layer, x_LD, source_SD):
    x_LD = layer.norm_attention(x_LD + layer.dropout(attend(layer.attend, x_LD, source_SD)))
    return layer.norm_output(x_LD + layer.dropout(layer.feed_forward(x_LD)))


def one_row(model: Tailor, parts, row: int):
    hidden = {m: model.project[m](s.x_BLD[row][s.mask_BL[row]]) for m, s in parts.items()}
    private, shared = {}, {}
    for m, h in hidden.items():
        for parts_of, (linear, dropout, _) in ((private, model.private[m]), (shared, model.shared)):
            parts_of[m] = torch.tanh(dropout(linear(h)))
    points = max(len(c) for c in shared.values())
    common = torch.zeros(points, 8)
    for c in shared.values():
        if len(c):
            common += F.interpolate(c.T[None], size=points, mode="linear", align_corners=True)[0].T

    def encode(encoder, first, second):
        x = torch.cat([first + encoder.type_2D[0], second + encoder.type_2D[1]])
        x = encoder.dropout(encoder.norm(x + encoder.position_LD[: len(x)]))
        for layer in encoder.layers:
            x = post_norm(layer, x, x)
        return x

    fused = private["audio"]
    for m in ("video", "text"):
        fused = encode(model.encode[m], private[m], fused)
    return common, encode(model.encode_common, fused, common)


def test_fusion_is_the_loop_over_unpadded_rows():
    model, parts = doubling(fusion(cross_layers=2)), ragged()
    fused = model(parts)
    for row in (0, 1, 2, 4):
        common, expected = one_row(model, parts, row)
        common_mask = fused.aux["common_mask"][row]
        torch.testing.assert_close(
            fused.aux["common"][row][common_mask], common, atol=1e-5, rtol=1e-4
        )
        actual = fused.steps.x_BLD[row][fused.steps.mask_BL[row]]
        torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(fused.z_BCD[row, 0], expected.mean(0), atol=1e-4, rtol=1e-3)


def test_equal_lengths_add_up_step_by_step_as_in_the_paper():
    model = fusion()
    shared = [Steps(torch.randn(2, 5, 8), torch.ones(2, 5, dtype=torch.bool)) for _ in range(3)]
    common = model.add_up(shared)
    torch.testing.assert_close(common.x_BLD, sum(s.x_BLD for s in shared))


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"order": ("text", "audio")}, "name each modality"),
        ({"private": False, "common": False}, "nothing to encode"),
        ({"width": 9}, "no multiple"),
    ],
)
def test_what_cannot_be_is_refused(config, sentence):
    with pytest.raises(RequestError, match=sentence):
        fusion(**config)


# The head.


def decoder(**config) -> LabelQueryDecoder:
    torch.manual_seed(1)
    settings = LabelQueryDecoder.Config(**{"width": 8, "heads": 2, **config})
    return perturbed(LabelQueryDecoder(settings, tiny.context(), 8, 10)).eval()


def sequence() -> Fused:
    steps = tiny.steps(5, 6, 8, missing=[3])
    return Fused(torch.zeros(5, 1, 8), {}, steps)


@pytest.mark.parametrize("tied", [True, False])
def test_labels_read_each_other_and_the_sequence_of_each_row_alone(tied):
    head, fused, emb_CD = doubling(decoder(tied=tied, layers=2)), sequence(), torch.randn(7, 10)
    logits_BC = head(fused, Queries(emb_CD, space=tiny.SPACES["score"]))
    for row in (0, 1, 2, 4):
        x_LD = head.read(fused.steps.x_BLD[row][fused.steps.mask_BL[row]])
        q_CD = head.dropout(head.norm(head.project(emb_CD)))
        for layer in head.layers:
            q_CD = layer.norm(q_CD + layer.dropout(attend(layer.among_labels, q_CD, q_CD)))
            q_CD = post_norm(layer.into_sequence, q_CD, x_LD)
        expected = (head.logit_dropout(q_CD) * head.weight_CD).sum(1) + head.bias_C
        torch.testing.assert_close(logits_BC[row], expected, atol=1e-4, rtol=1e-4)


def test_tied_weights_make_logits_follow_a_permutation_of_the_labels():
    emb_CD, order = torch.randn(7, 10), torch.randperm(7)
    for tied in (True, False):
        head = decoder(tied=tied)
        logits_BC = head(sequence(), Queries(emb_CD))
        permuted_BC = head(sequence(), Queries(emb_CD[order]))
        assert torch.allclose(permuted_BC, logits_BC[:, order], atol=1e-5) == tied


def test_a_weight_a_label_is_of_the_runs_own_labels_alone():
    three = LabelSpace("class", ("a", "b", "c"), ("a", "b", "c"))
    queries = Queries(torch.randn(3, 10), space=three)
    assert decoder()(sequence(), queries).shape == (5, 3)
    with pytest.raises(RequestError, match="cannot read other labels; set head"):
        decoder(tied=False)(sequence(), queries)
    own = Queries(torch.randn(7, 10), space=tiny.SPACES["score"])
    assert decoder(tied=False)(sequence(), own).shape == (5, 7)


def test_dropout_never_falls_on_a_logit():
    """The authors' code drops logits themselves; a dropped one would be exactly the bias."""
    head = decoder(logit_dropout=0.2).train()
    logits_BC = head(sequence(), Queries(torch.randn(7, 10)))
    assert not (logits_BC == head.bias_C).any()


# The objective.


def objective(kind="score", modalities=MODALITIES, **config) -> Refine:
    torch.manual_seed(2)
    context = tiny.context(kind, modalities)
    return Refine(Refine.Config(**config), context, Widths()).eval()


def refined(requires_grad=False, modalities=MODALITIES) -> dict[str, torch.Tensor]:
    model = fusion(modalities)
    aux = model({m: s for m, s in ragged().items() if m in modalities}).aux
    return {
        k: v.detach().requires_grad_(requires_grad and v.is_floating_point())
        for k, v in aux.items()
    }


def test_terms_are_the_loops_over_rows_and_real_steps():
    loss, aux = objective(adversary=1.0, orthogonal=1.0, common_labels=1.0), refined()
    batch = tiny.batch(tiny.context(), tiny.parts(), 5)
    terms = loss(None, batch, Output(torch.zeros(5, 1), {}, aux), AT)
    mask = aux["refined_mask"]

    def named(x):
        total = 0.0
        for m in range(3):
            cells = [
                F.cross_entropy(loss.discriminator(x[b, m, step]), torch.tensor(m))
                for b in range(5)
                for step in mask[b, m].nonzero()[:, 0]
            ]
            total += sum(cells) / len(cells)
        return total

    def grams(a, m, b, n):
        per_row = [(a[r, m][mask[r, m]] @ b[r, n][mask[r, n]].T).square().sum() for r in range(5)]
        return sum(per_row) / 5

    private, shared = aux["private"], aux["shared"]
    expected = {
        "adversary_private": named(private),
        "adversary_shared": named(shared),
        "orthogonal": sum(grams(private, m, private, n) for m, n in combinations(range(3), 2))
        + sum(grams(shared, m, private, m) for m in range(3)),
    }
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value, atol=1e-4, rtol=1e-4)
    pooled = torch.stack(
        [
            aux["common"][b][aux["common_mask"][b]].sum(0)
            / max(1, int(aux["common_mask"][b].sum()))
            for b in range(5)
        ]
    )
    expected_l1 = (loss.classifier(pooled)[:, 0] - batch.target).abs().mean()
    torch.testing.assert_close(terms["common_labels"], expected_l1)


def test_the_shared_parts_are_pushed_where_the_private_ones_are_not():
    """Of equal features the two adversary terms are equal, and their gradients are opposite."""
    loss, aux = objective(reversal=0.5), refined(requires_grad=True)
    aux["shared"] = aux["private"].detach().clone().requires_grad_(True)
    batch = tiny.batch(tiny.context(), tiny.parts(), 5)
    terms = loss(None, batch, Output(torch.zeros(5, 1), {}, aux), AT)
    torch.testing.assert_close(terms["adversary_private"], terms["adversary_shared"])
    private, shared = (
        torch.autograd.grad(terms[f"adversary_{name}"], aux[name], retain_graph=True)[0]
        for name in ("private", "shared")
    )
    assert private.abs().max() > 0
    torch.testing.assert_close(shared, -0.5 * private)


def test_orthogonal_inputs_cost_nothing():
    a, b = torch.zeros(2, 4, 8), torch.zeros(2, 5, 8)
    a[..., :4], b[..., 4:] = torch.randn(2, 4, 4), torch.randn(2, 5, 4)
    assert gram_norm(a, b) == 0
    long, other = torch.randn(2, 3, 20, 4)
    steps_by_steps = (long @ other.mT).square().sum((1, 2)).mean()
    torch.testing.assert_close(gram_norm(long, other), steps_by_steps)
    assert gram_norm(a, a) > 0
    t_N = torch.randn(400)
    both = torch.ones(1, 400, dtype=torch.bool)
    same = difference(t_N[None, :, None], t_N[None, :, None], both)
    other = difference(t_N[None, :, None], torch.randn(400)[None, :, None], both)
    assert same > 20 * other


@pytest.mark.parametrize("kind", ["score", "class", "multilabel", "joint"])
@pytest.mark.parametrize("orthogonality", ["gram", "widths"])
def test_every_space_and_fewer_modalities(kind, orthogonality):
    for modalities in (MODALITIES, ("text", "audio"), ("text",)):
        loss = objective(kind, modalities, orthogonality=orthogonality)
        context = tiny.context(kind)
        batch = tiny.batch(context, {}, 5)
        out = Output(torch.zeros(5, context.space.logit_count), {}, refined(modalities=modalities))
        terms = loss(None, batch, out, AT)
        assert all(torch.isfinite(term) for term in terms.values())
        assert ("adversary_private" in terms) == (len(modalities) > 1)


def test_unknown_targets_teach_nothing():
    loss, context = objective("multilabel"), tiny.context("multilabel")
    batch = tiny.batch(context, {}, 5)
    none = Batch(batch.ids_B, {}, batch.target, torch.zeros(5, 6, dtype=torch.bool))
    assert loss.common_labels(none, Output(torch.zeros(5, 6), {}, refined())) == 0


# Long sequences.


NARROW = 32


def bytes_kept(rows: int) -> int:
    """What the cross encoders of the published depth keep for the backward pass; of 500 steps of
    audio and video each, 50 of text. A narrow model is run: what is kept grows with the width.
    """
    model = fusion(width=NARROW, heads=8, cross_layers=3, longest=500).train()

    def steps(length: int) -> Steps:
        x_BLD = torch.randn(rows, length, NARROW, requires_grad=True)
        return Steps(x_BLD, torch.ones(rows, length, dtype=torch.bool))

    sizes: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        sizes[storage._cdata] = storage.nbytes()
        return tensor

    private = {"audio": steps(500), "video": steps(500), "text": steps(50)}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        fused = model.descend(private, steps(500))
    assert fused.x_BLD.shape == (rows, ALL_STEPS, NARROW)
    return sum(sizes.values())


ALL_STEPS = 50 + 500 + 500 + 500


def test_a_batch_of_64_with_500_steps_of_audio_and_video_takes_less_than_3_gb(monkeypatch):
    """At the published width: what the batch keeps, and what a group of its rows does while it is
    computed again.
    """
    assert 64 * ALL_STEPS > tailor.LARGE
    group = bytes_kept(tailor.AT_ONCE // ALL_STEPS)
    monkeypatch.setattr(tailor, "LARGE", 0)
    monkeypatch.setattr(tailor, "AT_ONCE", ALL_STEPS)
    kept_of_a_row = bytes_kept(2) - bytes_kept(1)
    assert kept_of_a_row > 0
    assert 256 / NARROW * (64 * kept_of_a_row + group) < 3e9


def encoded_with_gradients(training: bool) -> list[torch.Tensor]:
    model = fusion(cross_layers=2).train(training)
    torch.manual_seed(4)
    fused = model(ragged()).steps
    fused.x_BLD[fused.mask_BL].square().sum().backward()
    return [fused.x_BLD.detach(), *(p.grad for p in model.encode_common.parameters())]


def test_a_large_batch_is_encoded_some_rows_at_a_time(monkeypatch):
    whole = encoded_with_gradients(training=False)
    monkeypatch.setattr(tailor, "LARGE", 0)
    monkeypatch.setattr(tailor, "AT_ONCE", 60)
    torch.testing.assert_close(encoded_with_gradients(training=False), whole, atol=1e-5, rtol=1e-4)


def test_what_is_computed_again_draws_the_same_dropout(monkeypatch):
    monkeypatch.setattr(tailor, "LARGE", 0)
    monkeypatch.setattr(tailor, "AT_ONCE", 60)
    again = encoded_with_gradients(training=True)
    monkeypatch.setattr(tailor, "checkpoint", lambda f, *group, use_reentrant: f(*group))
    assert all(map(torch.allclose, again, encoded_with_gradients(training=True)))

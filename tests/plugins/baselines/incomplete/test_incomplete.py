"""TFR-Net, EMT-DLFR and LNLN: their equations on each row alone, and their losses on hidden steps."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from merbench.api import Batch, Output, Progress, RequestError, Steps
from merbench.testing import tiny
from merbench_baselines.fusions.mult import positions
from merbench_baselines.incomplete import emt
from merbench_baselines.incomplete.attraction import Attraction, DualLevelRestoration
from merbench_baselines.incomplete.correction import Correction
from merbench_baselines.incomplete.emt import EMT, Promotion
from merbench_baselines.incomplete.lnln import LNLN
from merbench_baselines.incomplete.reconstruction import Reconstruction, hidden_error
from merbench_baselines.incomplete.tfr_net import TFRNet, across_features, spans
from merbench_baselines.views.hide_steps import HideSteps
from tests.plugins.baselines.made_parts import WIDTHS, close, make, real, sequences

NOW, LATER = Progress(0, 1, 0, 1, "main"), Progress(1, 2, 1, 2, "main")
SMALL = {"width": 4, "heads": 2, "layers": 1, "gru_layers": 1}


def hide(steps, **config):
    view = HideSteps(HideSteps.Config(**config), tiny.context())
    return view(steps, torch.Generator().manual_seed(0))


def long(rows=400, length=50):
    steps = Steps(torch.ones(rows, length, 2), torch.ones(rows, length, dtype=torch.bool))
    return {"text": steps, "audio": steps}


def test_steps_are_hidden_at_one_rate_a_row():
    rate = {m: 1 - s.mask_BL.float().mean(1) for m, s in hide(long(), low=0.2, high=0.8).items()}
    assert rate["text"].mean() == pytest.approx(0.5, abs=0.05)
    assert rate["text"].min() > 0.05 and rate["text"].max() < 0.95
    assert torch.corrcoef(torch.stack(list(rate.values())))[0, 1] > 0.7, "one for all modalities"
    some = hide(long(), high=1.0, rows=0.5, together=False)
    complete_rows = {m: s.mask_BL.all(1) for m, s in some.items()}
    assert complete_rows["text"].float().mean() == pytest.approx(0.5, abs=0.1)
    assert abs(torch.corrcoef(torch.stack([w.float() for w in complete_rows.values()]))[0, 1]) < 0.2
    nothing = hide(long(), high=0.0)
    assert all(s.mask_BL.all() for s in nothing.values())


def test_a_span_ends_with_the_last_real_step():
    mask = torch.tensor([[0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], dtype=torch.bool)
    assert spans(mask).tolist() == [[True, True, True, True, False], [False] * 5]


def test_features_attend_to_features_over_real_steps():
    torch.manual_seed(0)
    h = torch.randn(2, 5, 3)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    actual = across_features(h, mask)
    for row, count in ((0, 3), (1, 5)):
        x = h[row, :count]
        weight = torch.stack(
            [
                torch.stack([x[:, i] @ x[:, j] / math.sqrt(count) for j in range(3)])
                for i in range(3)
            ]
        ).softmax(1)
        expected = torch.stack(
            [
                torch.stack([v[i] + sum(weight[i, j] * v[j] for j in range(3)) for i in range(3)])
                for v in x
            ]
        )
        close(actual[row, :count], expected)


def test_tfr_net_is_its_equations_on_each_row_alone():
    fusion = make(TFRNet, **SMALL, summary_text=3, summary_audio=2, summary_video=4)
    parts = sequences(missing=[("audio", 2)])
    out = fusion(parts)
    for row in (0, 2):
        summaries = []
        lengths = {m: int(parts[m].mask_BL[row].sum()) for m in WIDTHS}
        alone = {
            m: Steps(parts[m].x_BLD[row : row + 1], parts[m].mask_BL[row : row + 1]) for m in WIDTHS
        }
        x = {m: fusion.embed(m, alone[m]) for m in WIDTHS}
        for m, count in lengths.items():
            if count:
                weight = fusion.convolve[m].weight
                real_DL = alone[m].x_BLD[0, :count].T
                x_LD = F.conv1d(real_DL[None], weight, padding=weight.shape[2] // 2)[0].T
                close(x[m][0, :count], 2 * x_LD + positions(count, 4, x_LD.device))
        for target, gated in fusion.summaries.items():
            towards = []
            for source in fusion.sources[target]:
                (block,) = fusion.attend[f"{source}_to_{target}"]
                z = x[target] + (
                    block.attend(
                        block.norm(x[target]), block.norm(x[source]), alone[source].mask_BL
                    )
                )
                z = z + block.f(block.norm_f(z))
                towards.append(fusion.norms[f"{source}_to_{target}"](z))
            count = lengths[target]
            h_BLC = torch.cat(towards, 2)
            restored_BLC = across_features(h_BLC, alone[target].mask_BL)
            close(out.aux[f"restored.{target}"][row, :count], restored_BLC[0, :count])
            h = h_BLC[0, :count]
            if not count:
                summaries.append(torch.zeros(gated.out.out_features))
                continue
            (gru,) = gated.grus
            forward_states = gru.forward_gru(h[None])[0][0]
            backward = gru.backward_gru(h.flip(0)[None])[0][0].flip(0)
            g = torch.cat((forward_states, backward), 1)
            padded = F.pad(g, (0, 0, 1, 1))
            kernel = gated.gate.weight[0]
            gate = torch.stack(
                [(kernel * padded[i : i + 3].T).sum() + gated.gate.bias[0] for i in range(count)]
            ).sigmoid()
            steps = gated.out(torch.cat((h, g.tanh() * gate[:, None]), 1)).tanh()
            summaries.append(steps.amax(0))
        close(out.z_BCD[row, 0], torch.cat(summaries))


def test_a_hidden_step_counts_for_nothing_but_its_place():
    fusion = make(TFRNet, **SMALL)
    steps = sequences()
    visible = {m: Steps(s.x_BLD, s.mask_BL.clone()) for m, s in steps.items()}
    visible["text"].mask_BL[0, 0] = False
    other = {m: Steps(s.x_BLD.clone(), s.mask_BL) for m, s in visible.items()}
    other["text"].x_BLD[0, 0] = 9.0
    close(fusion(visible).z_BCD, fusion(other).z_BCD)
    close(fusion(visible).aux["restored.text"], fusion(other).aux["restored.text"])
    assert not torch.allclose(fusion(visible).z_BCD[0], fusion(steps).z_BCD[0])


def test_the_error_is_smooth_l1_of_hidden_values():
    torch.manual_seed(0)
    x, restored = torch.randn(2, 3, 2) * 3, torch.randn(2, 3, 2)
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]], dtype=torch.bool)
    visible = torch.tensor([[1, 0, 1], [0, 1, 0]], dtype=torch.bool)
    values = []
    for b, t in ((0, 1), (1, 0)):
        for d in range(2):
            gap = abs(float(restored[b, t, d] - x[b, t, d]))
            values.append(0.5 * gap**2 if gap < 1 else gap - 0.5)
    actual = hidden_error(restored, Steps(x, mask), visible)
    assert float(actual) == pytest.approx(sum(values) / 4, rel=1e-5)
    assert float(hidden_error(restored, Steps(x, mask), mask)) == 0
    x, restored = x.requires_grad_(), restored.requires_grad_()
    hidden_error(restored, Steps(x, mask), visible).backward()
    assert restored.grad.abs().max() > 0 and x.grad is None


class Model:
    """A composed model of a fusion and one linear layer, with the widths of its inputs."""

    def __init__(self, fusion):
        self.fusion, self.widths = fusion, {**WIDTHS, "fused": fusion.width, **fusion.widths}
        self.head = torch.nn.Linear(fusion.width, 1)

    def decode(self, steps):
        fused = self.fusion(steps)
        return Output(self.head(fused.z_BCD[:, 0]), steps, fused.aux, fused)


def setting(factory, objective, missing=(), config=None, **small):
    torch.manual_seed(0)
    model = Model(make(factory, **small))
    loss = objective(objective.Config(**(config or {})), tiny.context("score"), model)
    steps = sequences(missing)
    view = hide(steps, low=0.3, high=0.6)
    batch = Batch(torch.arange(5), {}, torch.linspace(-2, 2, 5), views={"incomplete": view})
    return model, loss, batch, model.decode(steps), model.decode(view)


def test_tfr_net_learns_from_the_view_and_restores_it_from_the_second_epoch_on():
    model, loss, batch, out, visible = setting(TFRNet, Reconstruction, **SMALL)
    first, later = (loss(model, batch, out, at) for at in (NOW, LATER))
    expected = (visible.logits_BC[:, 0] - batch.target).abs().mean()
    assert float(first["view"]) == pytest.approx(float(expected)) and set(first) == {"view"}
    total = 0.0
    for m, weight in (("text", 5), ("audio", 2), ("video", 20)):
        restored = loss.restored.layers[m](visible.aux[f"restored.{m}"])
        total += weight * float(hidden_error(restored, out.steps[m], visible.steps[m].mask_BL))
    assert float(later["reconstruction"]) == pytest.approx(total, rel=1e-5)


def test_promotion_adds_attention_to_the_source_to_itself_and_geglu():
    fusion = make(EMT, width=4, heads=1, layers=1, expansion=1)
    unit = fusion.units[0]["text"]
    x, source = torch.randn(1, 3, 4), torch.randn(1, 2, 4)

    def attend(layer, q_in, kv_in):
        q, k, v = (
            y @ w.T + b
            for y, w, b in zip(
                (q_in, kv_in, kv_in),
                layer.into.weight.chunk(3),
                layer.into.bias.chunk(3),
                strict=True,
            )
        )
        rows = [
            torch.stack([q[i] @ k[j] / 2 for j in range(len(k))]).softmax(0) @ v for i in range(3)
        ]
        return layer.out(torch.stack(rows))

    z = x[0] + attend(unit.cross, unit.norm(x[0]), unit.norm_source(source[0]))
    z = z + attend(unit.itself, unit.norm_self(z), unit.norm_self(z))
    h, gate = unit.into(unit.norm_f(z)).chunk(2, 1)
    normal = torch.distributions.Normal(0.0, 1.0)
    z = z + unit.out(h * gate * normal.cdf(gate))
    every = torch.ones(1, 3, dtype=torch.bool), torch.ones(1, 2, dtype=torch.bool)
    close(unit(x, every[0], source, every[1])[0], z)


def test_what_is_computed_again_on_long_streams_has_the_same_gradients(monkeypatch):
    unit = Promotion(EMT.Config(width=4, heads=2))
    x_BTD, source_BSD = torch.randn(2, 9, 4, requires_grad=True), torch.randn(2, 3, 4)
    masks = torch.ones(2, 9, dtype=torch.bool), torch.ones(2, 3, dtype=torch.bool)
    calls, widened = [], unit.widened
    monkeypatch.setattr(unit, "widened", lambda x: calls.append(x) or widened(x))

    def gradients() -> list[torch.Tensor]:
        torch.manual_seed(1)
        loss = unit(x_BTD, masks[0], source_BSD, masks[1]).square().sum()
        return list(torch.autograd.grad(loss, [x_BTD, *unit.parameters()]))

    kept = gradients()
    assert len(calls) == 1
    monkeypatch.setattr(emt, "MOST_STATES_KEPT", 1)
    again = gradients()
    assert len(calls) == 3 and all(map(torch.equal, kept, again))


def test_context_is_pooled_over_the_modalities_that_a_row_has():
    fusion = make(EMT, width=4, heads=2, layers=1)
    tokens = torch.randn(2, 3, 3, 4)
    present = torch.tensor([[True, True, False], [False, False, False]])
    pool = fusion.pools[0]
    actual = fusion.pooled(pool, tokens, present)
    score = torch.stack([pool(tokens[0, m].flatten()) for m in range(2)]).softmax(0)
    close(actual[0], score[0] * tokens[0, 0] + score[1] * tokens[0, 1])
    assert torch.isfinite(actual[1]).all()


def test_emt_is_its_equations_on_each_row_alone():
    fusion = make(EMT, width=4, heads=2, layers=2, shared=False, vector_text=3, vector_audio=2)
    parts = sequences(missing=[("audio", 2)])
    out = fusion(parts)

    def promoted(unit, x_TD, source_SD):
        masks = (torch.ones(1, len(x), dtype=torch.bool) for x in (x_TD, source_SD))
        return unit(x_TD[None], next(masks), source_SD[None], next(masks))[0]

    for row in range(5):
        vectors, x = {}, {}
        for m, reader in fusion.read.items():
            x_LD = real(parts[m], row)
            if not len(x_LD):
                vectors[m] = torch.zeros(reader.width)
                continue
            states = reader.out(reader.lstm(x_LD[None])[0])[0]
            vectors[m] = states[-1]
            x[m] = fusion.project[m](states) + positions(len(states), 4, states.device)
        context = torch.stack([fusion.project[m](vectors[m]) for m in WIDTHS])
        for units, pool in zip(fusion.units, fusion.pools, strict=True):
            tokens = [promoted(units[f"{m}_to_context"], context, x[m]) for m in x]
            x = {m: promoted(units[m], x[m], context) for m in x}
            weight = torch.stack([pool(t.flatten())[0] for t in tokens]).softmax(0)
            context = sum(w * t for w, t in zip(weight, tokens, strict=True))
        for m in x:
            close(out.aux[f"restored.{m}"][row, : len(x[m])], x[m])
        close(out.z_BCD[row, 0], torch.cat((*vectors.values(), context.flatten())))
        close(out.aux["attracted"][row], out.z_BCD[row, 0])


def test_emt_shares_one_unit_unless_told_otherwise():
    count = {
        shared: sum(p.numel() for p in make(EMT, layers=2, shared=shared).units.parameters())
        for shared in (True, False)
    }
    assert count[False] == 2 * 3 * 2 * count[True]


def test_attraction_draws_each_view_to_the_other_without_moving_the_target():
    torch.manual_seed(0)
    attract = Attraction(4, 3)
    x, y = torch.randn(6, 4), torch.randn(6, 4)
    rows = torch.tensor([1, 1, 0, 1, 1, 1], dtype=torch.bool)

    def normed(h):
        return (h - h.mean(0)) / (h.var(0, unbiased=False) + 1e-5).sqrt()

    z = [normed(attract.projector[0](h[rows])) for h in (x, y)]
    p = [attract.predictor[3](normed(attract.predictor[0](h)).relu()) for h in z]
    cosine = [
        sum(float(a[i] @ b[i] / a[i].norm() / b[i].norm()) for i in range(5)) / 5
        for a, b in ((p[1], z[0]), (p[0], z[1]))
    ]
    assert float(attract(x, y, rows)) == pytest.approx(-sum(cosine) / 2, rel=1e-4)
    views = x.requires_grad_(), y.requires_grad_()
    z = [attract.projector(h[rows]) for h in views]
    towards = [(attract.predictor(z[1]), z[0].detach()), (attract.predictor(z[0]), z[1].detach())]
    by_hand = -sum(F.cosine_similarity(a, b, 1).mean() for a, b in towards) / 2
    expected = torch.autograd.grad(by_hand, views)
    torch.testing.assert_close(torch.autograd.grad(attract(x, y, rows), views), expected)
    assert float(attract(x, y, ~rows & rows)) == 0


def test_emt_dlfr_has_both_views_losses():
    model, loss, batch, out, visible = setting(
        EMT, DualLevelRestoration, missing=[("audio", 2)], width=4, heads=2, layers=1
    )
    terms = loss(model, batch, out, NOW)
    for name, view in (("view", visible), ("complete", out)):
        expected = (view.logits_BC[:, 0] - batch.target).abs().mean()
        assert float(terms[name]) == pytest.approx(float(expected), rel=1e-5)
    total, at = 0.0, 0
    for name, size in zip(loss.names, loss.sizes, strict=True):
        x, y = (o.aux["attracted"][:, at : at + size] for o in (out, visible))
        rows = visible.aux["present"].any(1)
        if name != "context":
            rows = visible.aux["present"][:, list(WIDTHS).index(name)]
        total += float(loss.attract[name](x, y, rows))
        at += size
    assert float(terms["attraction"]) == pytest.approx(total, rel=1e-4)


def test_lnln_stands_proposed_tokens_in_the_texts_place():
    fusion = make(LNLN, width=4, heads=2, ffn=8, tokens=2, correct_layers=1)
    parts = sequences(missing=[("text", 3)])
    out = fusion(parts)
    w, tokens, proxy = (out.aux[name] for name in ("completeness", "tokens", "proxy"))
    others = {m: tokens[:, i] for i, m in enumerate(WIDTHS) if m != "text"}
    present = {m: s.mask_BL.any(1) for m, s in parts.items()}
    mixed = torch.stack([w[b] * tokens[b, 0] + (1 - w[b]) * proxy[b] for b in range(5)])
    close(out.z_BCD[:, 0], fusion.summarise(mixed, others, present))
    assert ((w > 0) & (w < 1)).all()
    plain = make(LNLN, width=4, heads=2, ffn=8, tokens=2, correct=False)
    assert (plain(parts).aux["completeness"] == 1).all()


def test_lnln_judges_the_text_and_proposes_tokens_from_what_a_row_has():
    fusion = make(LNLN, width=4, heads=2, ffn=8, tokens=2, correct_layers=1)
    out = fusion(sequences(missing=[("audio", 2), ("video", 4)]))

    def learned(module, x_KD, at):
        """The learned tokens after attention to x, whose positions are ``at``."""
        own = len(module.tokens_CD)
        x_BKD = torch.cat(
            (
                module.tokens_CD + module.positions_KD[:own],
                x_KD + module.positions_KD[own:][at],
            )
        )[None]
        for layer in module.layers:
            x_BKD = layer(x_BKD, x_BKD, torch.ones(x_BKD.shape[:2], dtype=torch.bool))
        return x_BKD[0, :own]

    for row in range(5):
        text, *others = out.aux["tokens"][row]
        judged = fusion.score(learned(fusion.judge, text, slice(None))[0])
        close(out.aux["completeness"][row], judged.sigmoid())
        at = out.aux["present"][row, 1:].repeat_interleave(2)
        close(out.aux["proxy"][row], learned(fusion.propose, torch.cat(others)[at], at))


def test_lnln_s_losses_are_their_sums():
    small = {"width": 4, "heads": 2, "ffn": 8, "tokens": 2, "correct_layers": 1}
    config = {"heads": 2, "ffn": 8, "layers": 1, "hidden": 3}
    model, loss, batch, out, visible = setting(
        LNLN, Correction, missing=[("audio", 2), ("text", 4)], config=config, **small
    )
    terms = {name: float(term) for name, term in loss(model, batch, out, NOW).items()}
    expected = ((visible.logits_BC[:, 0] - batch.target) ** 2).mean()
    assert terms["view"] == pytest.approx(float(expected), rel=1e-5)
    share = [
        float(visible.steps["text"].mask_BL[b].sum())
        / max(1, int(out.steps["text"].mask_BL[b].sum()))
        for b in range(5)
    ]
    w = visible.aux["completeness"][:, 0].tolist()
    gap = sum((a - b) ** 2 for a, b in zip(w, share, strict=True)) / 5
    assert terms["completeness"] == pytest.approx(0.9 * gap, rel=1e-5) and share[4] == 0
    total = 0.0
    for b in range(5):
        mixed = w[b] * visible.aux["tokens"][b, 0] + (1 - w[b]) * visible.aux["proxy"][b]
        for x, label in ((mixed, 1), (out.aux["tokens"][b, 0], 0)):
            total -= float(loss.distinguish(x).log_softmax(1)[:, label].sum())
    assert terms["adversarial"] == pytest.approx(0.8 * total / 20, rel=1e-4)
    errors = []
    for b in range(5):
        for m in range(3):
            if out.aux["present"][b, m]:
                every = torch.ones(1, 2, dtype=torch.bool)
                restored = loss.restore[m](visible.aux["tokens"][b : b + 1, m], every)[0]
                errors.append(float(((restored - out.aux["tokens"][b, m]) ** 2).mean()))
    assert len(errors) == 13
    assert terms["reconstruction"] == pytest.approx(0.1 * sum(errors) / 13, rel=1e-4)


def test_proposed_tokens_are_trained_against_the_network_that_distinguishes():
    small = {"width": 4, "heads": 2, "ffn": 8, "tokens": 2, "correct_layers": 1}
    config = {"heads": 2, "ffn": 8, "layers": 1, "hidden": 3}
    _, loss, _, out, visible = setting(LNLN, Correction, config=config, **small)
    proxy_BKD = visible.aux["proxy"].detach().requires_grad_()
    seen = replace(visible, aux={**visible.aux, "proxy": proxy_BKD})
    (against,) = torch.autograd.grad(loss._adversarial(out, seen), proxy_BKD, retain_graph=True)
    w_B11 = visible.aux["completeness"][..., None]
    stands_BKD = w_B11 * visible.aux["tokens"][:, 0] + (1 - w_B11) * proxy_BKD
    told_apart = -loss.distinguish(stands_BKD).log_softmax(-1)[..., 1].sum() / 20
    (towards,) = torch.autograd.grad(told_apart, proxy_BKD)
    torch.testing.assert_close(against, -towards)
    assert against.abs().max() > 0


def test_heads_that_cannot_share_the_fusions_width_are_refused():
    small = {"width": 4, "heads": 2, "ffn": 8, "tokens": 2, "correct_layers": 1}
    with pytest.raises(
        RequestError, match=r"objective\.correction\.heads=3.* width 4;.*divides it"
    ):
        setting(LNLN, Correction, config={"heads": 3}, **small)
    setting(LNLN, Correction, config={"heads": 3, "reconstruction": 0.0}, **small)

"""The central equation of each fusion against its plainest form: loops over rows, no padding, no
masks.
"""

import itertools
import math

import pytest
import torch

from merbench.api import RequestError, Steps, resample
from merbench.testing import tiny
from merbench_baselines import layers
from merbench_baselines.fusions import early_lstm, late_dnn, lmf, mult, pool, tfn
from tests.plugins.baselines.made_parts import WIDTHS, close, make, real, sequences
from tests.plugins.perturbed import doubling

# layers


def test_last_state_is_that_of_an_lstm_on_the_row_alone():
    module, steps = layers.LastState(6, 7, layers=2), tiny.steps(missing=[3])
    steps.mask_BL[0, 1] = False  # a hole: the LSTM never sees that step
    for row, actual in enumerate(module(steps)):
        x_LD = real(steps, row)
        close(actual, module.lstm(x_LD[None])[0][0, -1] if len(x_LD) else torch.zeros(7))


def test_the_layers_that_methods_share_are_their_equations():
    module, x_BD = layers.Residual(4, 0.0), torch.randn(3, 4)
    first, second = module.f[0], module.f[3]
    hidden = (x_BD @ first.weight.T + first.bias).relu()
    close(module(x_BD), x_BD + hidden @ second.weight.T + second.bias)
    shapes = [layer.weight.shape for layer in layers.hidden_layer(2, 3, 5)[::3]]
    assert shapes == [(3, 2), (5, 3)]


def test_utterance_nets_are_their_equations():
    nets, parts = (
        doubling(layers.UtteranceNets(WIDTHS, 8, 3, 0.0)),
        sequences(missing=[("audio", 2), ("text", 4)]),
    )
    h = nets(parts)
    for m, steps in parts.items():
        for row in range(5):
            x_LD = real(steps, row)
            if not len(x_LD):
                close(h[m][row], torch.zeros(3))
                continue
            first = nets.read[m]
            h_H = (
                first.lstm(nets.dropout(x_LD)[None])[0][0, -1]
                if m == "text"
                else (first[0].weight @ nets.dropout(x_LD.mean(0)) + first[0].bias).relu()
            )
            dropout, narrow, _ = nets.narrow[m]
            close(h[m][row], (narrow.weight @ dropout(h_H) + narrow.bias).relu())


# pool


@pytest.mark.parametrize("pooling", ["mean", "max", "last", "attention"])
def test_pool(pooling):
    fusion, parts = make(pool.Pool, pooling=pooling, width=7), sequences(missing=[("video", 1)])
    z_BCD = fusion(parts).z_BCD
    for row in range(5):
        pooled = []
        for m, steps in parts.items():
            x_LD = real(steps, row)
            if not len(x_LD):
                pooled.append(torch.zeros(WIDTHS[m]))
            elif pooling == "attention":
                weight_L = (x_LD @ fusion.attention[m].query_D).exp()
                pooled.append((weight_L[:, None] * x_LD).sum(0) / weight_L.sum())
            else:
                pooled.append(
                    {"mean": x_LD.mean(0), "max": x_LD.amax(0), "last": x_LD[-1]}[pooling]
                )
        close(z_BCD[row, 0], fusion.project[1](torch.cat(pooled)))


# early fusion


@pytest.mark.parametrize("source", [1, 2, 3, 7, 12])
def test_resample_averages_or_repeats_by_the_proportional_index(source):
    x_LD = torch.randn(source, 3, generator=torch.Generator().manual_seed(source))
    for target in (1, 2, 3, 5, 12):
        actual = resample(
            Steps(x_LD[None], torch.ones(1, source, dtype=torch.bool)), torch.tensor([target])
        )[0]
        assert actual.shape == (target, 3)
        for s in range(target):
            first = math.floor(s * source / target)
            close(
                actual[s],
                x_LD[first : max(first + 1, math.floor((s + 1) * source / target))].mean(0),
            )


def test_early_fusion_of_aligned_streams_is_one_lstm_on_their_concatenation():
    fusion = make(early_lstm.EarlyFusionLSTM, hidden=7, layers=2)
    mask_BL = tiny.steps(5, 6).mask_BL
    parts = {m: Steps(tiny.steps(5, 6, w, seed=w).x_BLD, mask_BL) for m, w in WIDTHS.items()}
    z_BCD = fusion(parts).z_BCD
    for row in range(5):
        x_LD = torch.cat([real(steps, row) for steps in parts.values()], 1)
        close(z_BCD[row, 0], fusion.lstm.lstm(x_LD[None])[0][0, -1])


def test_early_fusion_goes_by_the_text_and_without_it_by_the_longest():
    fusion, parts = (
        make(early_lstm.EarlyFusionLSTM, hidden=7),
        sequences(missing=[("text", 2), ("audio", 0)]),
    )
    z_BCD = fusion(parts).z_BCD
    for row in range(5):
        real_steps = {m: real(steps, row) for m, steps in parts.items()}
        steps = len(real_steps["text"]) or max(len(real_steps["audio"]), len(real_steps["video"]))
        columns = []
        for m, x_LD in real_steps.items():
            if not len(x_LD):
                columns.append(torch.zeros(steps, WIDTHS[m]))
                continue
            firsts = [s * len(x_LD) // steps for s in range(steps)]
            ends = [max(f + 1, (s + 1) * len(x_LD) // steps) for s, f in enumerate(firsts)]
            columns.append(
                torch.stack([x_LD[f:e].mean(0) for f, e in zip(firsts, ends, strict=True)])
            )
        close(z_BCD[row, 0], fusion.lstm.lstm(torch.cat(columns, 1)[None])[0][0, -1])


# late fusion


def test_late_fusion_is_the_concatenation_of_the_modalities_networks():
    fusion, parts = (
        make(late_dnn.LateFusionDNN, hidden=8, width=3),
        sequences(missing=[("text", 1)]),
    )
    h = fusion.nets(parts)
    close(fusion(parts).z_BCD[:, 0], torch.cat([h["text"], h["audio"], h["video"]], 1))
    assert (fusion(parts).z_BCD[1, 0, :3] == 0).all()


# tfn


def products_of(h, products):
    """[P]: every product of [h_m; 1] of one row that ``products`` admits, one by one."""
    most = {"all": len(h), "proper": len(h) - 1, "single": 1}[products]
    out = []
    for index in itertools.product(*(range(len(v) + 1) for v in h)):
        chosen = [v[i] for v, i in zip(h, index, strict=True) if i < len(v)]
        if len(chosen) <= most:
            out.append(math.prod(chosen))
    return torch.tensor(out)


@pytest.mark.parametrize("products", ["all", "proper", "single"])
@pytest.mark.parametrize("modalities", [("text", "audio"), ("text", "audio", "video")])
def test_tfn_is_the_outer_product(products, modalities):
    fusion = make(
        tfn.TFN, {m: WIDTHS[m] for m in modalities}, hidden=8, width=3, post=5, products=products
    )
    parts = {m: s for m, s in sequences(missing=[("audio", 3)]).items() if m in modalities}
    h = fusion.nets(parts)
    z_BCD = fusion(parts).z_BCD
    for row in range(5):
        z_P = products_of([h[m][row].tolist() for m in modalities], products)
        assert len(z_P) == fusion.post[1].in_features
        close(z_BCD[row, 0], fusion.post[1](z_P).relu())


# lmf


def test_lmf_is_tfn_with_a_low_rank_weight_tensor():
    rank, width, factor = 3, 4, 2
    fusion, parts = (
        make(lmf.LMF, hidden=8, factor=factor, width=width, rank=rank),
        sequences(missing=[("audio", 3)]),
    )
    torch.nn.init.normal_(fusion.weight_R)
    torch.nn.init.normal_(fusion.bias_D)
    for layer in fusion.factors.values():
        torch.nn.init.normal_(layer.bias)
    # W[i, j, k, out] = sum_r w_r prod_m W_m^r[out, .], the constant being the last coordinate of
    # each mode.
    t, a, v = (
        torch.cat((f.weight, f.bias[:, None]), 1).view(rank, width, factor + 1)
        for f in fusion.factors.values()
    )
    tensor = torch.einsum("r,roi,roj,rok->ijko", fusion.weight_R, t, a, v)
    h = fusion.nets(parts)
    for row in range(5):
        one = torch.ones(1)
        z_IJK = torch.einsum("i,j,k->ijk", *(torch.cat((h[m][row], one)) for m in WIDTHS))
        close(
            fusion(parts).z_BCD[row, 0], (z_IJK[..., None] * tensor).sum((0, 1, 2)) + fusion.bias_D
        )


def test_lmf_trains_the_weights_of_its_ranks():
    fusion = make(lmf.LMF, hidden=8, factor=4, width=4)
    fusion(sequences()).z_BCD.square().sum().backward()
    assert fusion.weight_R.grad.abs().min() > 0


# mult


def test_positions():
    p_LD = mult.positions(7, 5, torch.device("cpu"))
    for step in range(7):
        for column in range(5):
            angle = step / 10000 ** ((column - column % 2) / 5)
            assert p_LD[step, column] == pytest.approx(
                math.cos(angle) if column % 2 else math.sin(angle), abs=1e-5
            )


def attention_by_loop(module, x_TD, s_SD):
    """One row, one head and one query at a time."""
    d, heads = module.width, module.heads
    e = d // heads
    q, k, v = (
        x @ w.T + b
        for x, w, b in zip(
            (x_TD, s_SD, s_SD), module.into.weight.split(d), module.into.bias.split(d), strict=True
        )
    )
    out = torch.zeros_like(q)
    for head in range(heads):
        at = slice(head * e, (head + 1) * e)
        for step in range(len(x_TD)):
            weight_S = (k[:, at] @ q[step, at] / math.sqrt(e)).exp()
            out[step, at] = weight_S @ module.dropout(v[:, at]) / weight_S.sum()
    return out @ module.out.weight.T + module.out.bias


def test_crossmodal_attention_against_a_loop_over_unpadded_rows():
    module = mult.Attention(8, 2, 0.0)
    torch.nn.init.normal_(module.into.bias)
    target, source = tiny.steps(5, 6, 8, seed=1), tiny.steps(5, 9, 8, seed=2, missing=[3])
    actual = module(target.x_BLD, source.x_BLD, source.mask_BL)
    for row in range(5):
        x_TD, s_SD = real(target, row), real(source, row)
        want = attention_by_loop(module, x_TD, s_SD) if len(s_SD) else torch.zeros_like(x_TD)
        close(actual[row][target.mask_BL[row]], want)
    self_attended = module(target.x_BLD, target.x_BLD, target.mask_BL)
    for row in range(5):
        close(
            self_attended[row][target.mask_BL[row]],
            attention_by_loop(module, real(target, row), real(target, row)),
        )


@pytest.mark.parametrize("residual", ["normed", "plain"])
def test_mult_is_its_equations_on_unpadded_rows(residual):
    fusion = make(
        mult.MulT,
        width=8,
        heads=2,
        layers=2,
        memory_layers=1,
        residual=residual,
        kernel_audio=5,
        kernel_video=1,
    )
    fusion, parts = doubling(fusion), sequences(missing=[("audio", 3)])
    z_BCD = fusion(parts).z_BCD

    def block(module, x_TD, s_SD):
        n_TD = module.norm(x_TD)
        attended = (
            attention_by_loop(module.attend, n_TD, n_TD if s_SD is None else module.norm(s_SD))
            if s_SD is None or len(s_SD)
            else 0
        )
        hat_TD = module.dropout(attended) + (n_TD if residual == "normed" else x_TD)
        n_TD = module.norm_f(hat_TD)
        return module.dropout(module.f(n_TD)) + (n_TD if residual == "normed" else hat_TD)

    for row in range(5):
        low = {}
        for m, steps in parts.items():
            x_LD = real(steps, row)
            kernel = fusion.convolve[m].weight  # [d, D, K]
            half = (kernel.shape[2] - 1) // 2
            wide = torch.nn.functional.pad(x_LD, (0, 0, half, half))
            rows = [
                torch.einsum("kc,dck->d", wide[i : i + kernel.shape[2]], kernel)
                for i in range(len(x_LD))
            ]
            p_LD = mult.positions(len(x_LD), 8, x_LD.device)
            low[m] = fusion.dropout(torch.stack(rows) + p_LD) if rows else torch.zeros(0, 8)
        last = []
        for a in WIDTHS:
            if not len(low[a]):
                last.append(torch.zeros(16))
                continue
            towards = []
            for b in WIDTHS:
                if b != a:
                    z_TD = low[a]
                    for module in fusion.cross[f"{b}_to_{a}"]:
                        z_TD = block(module, z_TD, low[b])
                    towards.append(z_TD)
            z_TD = torch.cat(towards, 1)
            for module in fusion.memory[a]:
                z_TD = block(module, z_TD, None)
            last.append(fusion.norm[a](z_TD)[-1])
        x_D = torch.cat(last)
        close(z_BCD[row, 0], x_D + fusion.residual(x_D))


def test_mult_refuses_heads_that_do_not_divide_its_width():
    with pytest.raises(RequestError, match="multiple"):
        make(mult.MulT, width=40, heads=7)


def test_mult_refuses_targets_that_are_not_there():
    with pytest.raises(RequestError, match=r"fusion\.targets"):
        make(mult.MulT, {"audio": 5, "video": 4}, targets=("text",))

"""CMPC's and TGFE's parts against loops and formulas."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import layer_norm, normalize

from merbench.api import MODALITIES, Output, Progress, RequestError, Steps
from merbench.testing import tiny
from merbench_related.cmpc.comprehension import (
    FILLER,
    Comprehension,
    ComprehensionConfig,
    Mutan,
    Relations,
    Segments,
    bridge,
    places,
)
from merbench_related.cmpc.feature_exchange import Round, StreamLSTM
from merbench_related.cmpc.fusion import CMPC, TGFE
from merbench_related.cmpc.objective import StreamSupervision, WordTypes
from merbench_related.resampled_steps import resample
from tests.plugins.perturbed import perturbed

AT = Progress(0, 1, 0, 1, "main")
D = 4


def real(steps: Steps, row: int) -> torch.Tensor:
    return steps.x_BLD[row][steps.mask_BL[row]]


def stream(seed: int = 0, length: int = 5) -> Steps:
    """Five rows; row 2 has no step."""
    return tiny.steps(length=length, width=D, seed=seed, missing=[2])


def relational(words: Steps, seed: int = 3) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(words.mask_BL.shape, generator=draw)


def normed(norm: torch.nn.LayerNorm, x_LD: torch.Tensor) -> torch.Tensor:
    return layer_norm(x_LD, (D,)) * norm.weight + norm.bias


@pytest.mark.parametrize("gate", ["logadd", "mul"])
def test_relations_are_the_explicit_adjacency(gate):
    torch.manual_seed(0)
    module, m, words = perturbed(Relations(D, gate, "unit")).double(), stream(0), stream(1, 6)
    m, words = Steps(m.x_BLD.double(), m.mask_BL), Steps(words.x_BLD.double(), words.mask_BL)
    p_BT = relational(words).double()
    out = module(m, words, p_BT)
    for row in (0, 1, 3, 4):
        m_LD, h_TD, p_T = real(m, row), real(words, row), p_BT[row][words.mask_BL[row]]
        size = len(m_LD)
        b_LT = module.of_step(m_LD) @ module.of_word(h_TD).T / D**0.5
        adjacency = torch.zeros(size, size, dtype=torch.float64)
        for i in range(size):
            for t in range(len(h_TD)):
                if gate == "mul":
                    to_word = (b_LT[i] * p_T).exp()[t] / (b_LT[i] * p_T).exp().sum()
                    to_step = (b_LT[:, t] * p_T[t]).softmax(0)
                else:
                    mass = b_LT[i].exp() * p_T
                    to_word = mass[t] / (mass.sum() + 1e-6)
                    to_step = b_LT[:, t].softmax(0)
                adjacency[i] += to_word * to_step
        assert torch.allclose(adjacency.sum(1), torch.ones(size, dtype=torch.float64), atol=1e-4)
        context = normed(module.norm_context, adjacency @ m_LD)
        g_LD = normed(module.norm_out, module.out((m_LD + context).relu())).relu()
        want = normalize(g_LD, dim=-1)
        assert torch.allclose(out[row][m.mask_BL[row]], want, atol=1e-8)


def test_where_no_word_is_relational_no_step_reaches_another():
    words, m = stream(1, 6), stream(0)
    score = torch.randn(5, 5, 6)
    to_word, _ = bridge(
        score, torch.zeros_like(relational(words)), m.mask_BL, words.mask_BL, "logadd"
    )
    assert to_word.abs().max() < 1e-12
    uniform, _ = bridge(score, torch.zeros_like(relational(words)), m.mask_BL, words.mask_BL, "mul")
    # The authors' form: a word that is not relational keeps the weight of exp(0).
    assert torch.allclose(uniform[0, 0][words.mask_BL[0]], torch.tensor(1 / 6))


def test_mutan_is_a_sum_of_rank_one_products():
    torch.manual_seed(0)
    module = Mutan(D, 3, "unit")
    v_BLD, s_BL2, q_BD = torch.randn(2, 5, D), torch.rand(2, 5, 2), torch.randn(2, D)
    out = module(v_BLD, s_BL2, q_BD)
    for b in range(2):
        for position in range(5):
            vs = torch.cat((v_BLD[b, position], s_BL2[b, position]))
            total = torch.zeros(D)
            for r in range(3):
                rows = slice(r * D, (r + 1) * D)
                of_step = module.of_step.weight[rows] @ vs + module.of_step.bias[rows]
                of_query = module.of_query.weight[rows] @ q_BD[b] + module.of_query.bias[rows]
                total += of_step.tanh() * of_query.tanh()
            assert torch.allclose(out[b, position], normalize(total.tanh(), dim=0), atol=1e-6)


def test_segments_pool_equal_windows():
    torch.manual_seed(0)
    module, m = Segments(D, 3), stream(0, 7)
    action_BD = torch.randn(5, D)
    out = module(m, places(m.mask_BL)[..., 0], action_BD)
    for row in (0, 1, 3, 4):
        m_LD = real(m, row)
        n = len(m_LD)
        nodes = []
        for k in range(3):
            inside = [i for i in range(n) if int((i + 0.5) / n * 3) == k]
            if inside:
                weight = (m_LD[inside] @ module.action(action_BD[row]) / D**0.5).softmax(0)
                nodes.append(weight @ m_LD[inside])
        node_KD = torch.stack(nodes)
        edge = (module.query(node_KD) @ module.key(node_KD).T / D**0.5).softmax(-1)
        node_KD = (node_KD + module.graph(edge @ node_KD)).relu()
        want = (m_LD @ node_KD.T / D**0.5).softmax(-1) @ node_KD
        assert torch.allclose(out[row][m.mask_BL[row]], want, atol=1e-5)


def test_comprehension_concatenates_what_it_has():
    torch.manual_seed(0)
    config = ComprehensionConfig(width=D, rank=2, relations=False, segments=0, norm="unit")
    module, audio, words = Comprehension(config), stream(0), stream(1, 6)
    type_BTK = torch.randn(5, 6, 4).softmax(-1)
    out = module(audio, words, type_BTK)
    place = places(audio.mask_BL)
    for row in (0, 1, 3, 4):
        named = type_BTK[row][words.mask_BL[row]][:, :2].sum(1)
        q_D = normalize(named @ real(words, row), dim=0)
        m_LD = module.entities(audio.x_BLD, place, q_D.expand(5, -1))[row][audio.mask_BL[row]]
        s_L2 = place[row][audio.mask_BL[row]]
        n = len(m_LD)
        assert torch.allclose(s_L2[:, 0], (torch.arange(n) + 0.5) / n)
        want = module.out(torch.cat((m_LD, q_D.expand(n, -1), s_L2), 1)).relu()
        assert torch.allclose(real(out, row), want, atol=1e-5)


def test_exchange_is_the_paper_s_sum_of_gated_messages():
    torch.manual_seed(0)
    module = Round(MODALITIES, D, "step", guided=True, norm="unit")
    streams = {m: resample(stream(i, 4 + i), 3) for i, m in enumerate(MODALITIES)}
    lacking = streams["audio"].mask_BL.clone()
    lacking[4] = False
    streams["audio"] = Steps(streams["audio"].x_BLD, lacking)
    guide_BD = torch.randn(5, D)
    out = module(streams, guide_BD)
    for row in (0, 1, 3, 4):
        present = [m for m in MODALITIES if streams[m].mask_BL[row].any()]
        for i in present:
            f_LD = streams[i].x_BLD[row]
            pool = module.pool[i]
            weight = (pool.key(f_LD) @ pool.query(guide_BD[row]) / D**0.5).softmax(0)
            c_D = module.context[i](torch.cat((weight @ f_LD, guide_BD[row])))
            gate_D = module.gate[i](normalize(c_D, dim=0)).sigmoid()
            total = f_LD.clone()
            for j in present:
                if j != i:
                    total += module.send[j](streams[j].x_BLD[row]).relu() * gate_D
            assert torch.allclose(out[i].x_BLD[row], normalize(total, dim=-1), atol=1e-6)


def test_lstm_over_streams_skips_what_a_row_lacks():
    torch.manual_seed(0)
    module, streams = StreamLSTM(D), [resample(stream(i), 3) for i in range(3)]
    absent = Steps(torch.full_like(streams[1].x_BLD, 9.0), torch.zeros_like(streams[1].mask_BL))
    out = module([streams[0], absent, streams[2]])
    assert torch.allclose(out, module([streams[0], streams[2]]))
    state = None
    for steps in streams:
        state = module.cell(steps.x_BLD[0], state)
    assert torch.allclose(module(streams)[0], state[0], atol=1e-6)


def test_resample_is_linear_interpolation():
    steps = Steps(
        torch.tensor([[[1.0], [9.0], [4.0], [2.0]], [[5.0], [0.0], [0.0], [0.0]]]),
        torch.tensor([[True, False, True, True], [True, False, False, False]]),
    )
    out = resample(steps, 5)
    at = (np.arange(5) + 0.5) / 5 * 3 - 0.5
    assert np.allclose(out.x_BLD[0, :, 0], np.interp(at, [0, 1, 2], [1.0, 4.0, 2.0]))
    assert (out.x_BLD[1] == 5).all() and out.mask_BL.all()
    same = resample(stream(0, 4), 4)
    assert torch.allclose(same.x_BLD[0], stream(0, 4).x_BLD[0], atol=1e-6)
    assert not same.mask_BL[2].any()


def cmpc(factory=CMPC, **config):
    torch.manual_seed(0)
    widths = dict.fromkeys(MODALITIES, 6)
    settings = factory.Config(**{"width": 8, "length": 6, **config})
    return perturbed(factory(settings, tiny.context(), widths, None))


def rms(x: torch.Tensor) -> torch.Tensor:
    return normalize(x, dim=-1) * x.shape[-1] ** 0.5


def whole(x_LD: torch.Tensor) -> Steps:
    """One row without padding."""
    return Steps(x_LD[None], torch.ones(1, len(x_LD), dtype=torch.bool))


def pooled(pool, x_LD: torch.Tensor, guide_D: torch.Tensor) -> torch.Tensor:
    weight_L = (pool.key(x_LD) @ pool.query(guide_D) / len(guide_D) ** 0.5).softmax(0)
    return weight_L @ x_LD


def understood(model, x: dict) -> tuple[dict, torch.Tensor]:
    """The streams of a row that are exchanged, and what guides them."""
    words_TD = x["text"]
    if isinstance(model, TGFE):
        return x, rms(words_TD.mean(0))
    type_TK = model.parser(words_TD)
    telling_T = 1 - type_TK[:, FILLER]
    streams = {
        m: model.comprehend[m](whole(x[m]), whole(words_TD), type_TK[None]).x_BLD[0]
        for m in x
        if m != "text"
    }
    return {**streams, "text": words_TD * telling_T[:, None]}, rms(telling_T @ words_TD)


@torch.no_grad()
@pytest.mark.parametrize("exchange", ["step", "pooled"])
@pytest.mark.parametrize("factory", [CMPC, TGFE])
def test_the_fusion_on_each_row_alone_without_padding(factory, exchange):
    model = cmpc(factory, exchange=exchange).eval()
    parts = tiny.parts()
    parts["audio"] = tiny.steps(5, 5, 6, seed=1, missing=[2])
    fused = model(parts)
    for row in range(5):
        real_steps = {m: real(parts[m], row) for m in MODALITIES}
        x = {
            m: rms(model.projected.project[m](x_LD)) for m, x_LD in real_steps.items() if len(x_LD)
        }
        streams, guide_D = understood(model, x)
        steps = {m: whole(streams[m]) for m in ("video", "audio", "text") if m in streams}
        if exchange == "step":
            steps = {m: resample(s, 6) for m, s in steps.items()}
        for one_round in model.exchange.rounds:
            steps = one_round(steps, guide_D[None])
        pool = model.exchange.pool
        vectors = {m: pooled(pool, s.x_BLD[0], guide_D) for m, s in steps.items()}
        for m, vector_D in vectors.items():
            actual = fused.aux["stream_vectors"][row, model.exchange.names.index(m)]
            assert torch.allclose(actual, vector_D, atol=1e-5)
        state = None
        for m, s in steps.items():
            inputs_LD = s.x_BLD[0] if exchange == "step" else vectors[m][None]
            state = model.exchange.lstm.cell(inputs_LD, state)
        assert torch.allclose(fused.z_BCD[row, 0], pooled(pool, state[0], guide_D), atol=1e-5)


@pytest.mark.parametrize("order", [("video", "text"), ("video", "audio", "text", "video")])
def test_an_order_names_each_modality_once(order):
    with pytest.raises(RequestError, match="once"):
        cmpc(order=order)


@pytest.mark.parametrize("exchange", ["step", "pooled"])
def test_a_row_alone_gives_what_it_gives_in_a_batch(exchange):
    """The authors' code normalises over the batch and reads row 0 for all."""
    model = cmpc(exchange=exchange).eval()
    parts = tiny.parts()
    together = model(parts)
    for row in range(5):
        alone = model({m: Steps(s.x_BLD[[row]], s.mask_BL[[row]]) for m, s in parts.items()})
        assert torch.allclose(alone.z_BCD[0], together.z_BCD[row], atol=1e-5)
        for name in ("stream_vectors", "stream_present"):
            assert torch.allclose(
                alone.aux[name][0].float(), together.aux[name][row].float(), atol=1e-5
            )


def test_streams_are_supervised_where_they_are():
    context = tiny.context("multilabel")
    torch.manual_seed(1)
    objective = StreamSupervision(
        StreamSupervision.Config(weight=0.1), context, SimpleNamespace(widths={"fused": 8})
    )
    batch = tiny.batch(context, {}, 5)
    known = torch.rand(5, 6) > 0.3
    batch = type(batch)(batch.ids_B, {}, batch.target, known)
    vectors, present = torch.randn(5, 3, 8), torch.rand(5, 3) > 0.4
    out = Output(torch.zeros(5, 6), {}, {"stream_vectors": vectors, "stream_present": present})
    (term,) = objective(None, batch, out, AT).values()
    total = 0.0
    for m in range(3):
        losses = []
        for b in range(5):
            for c in range(6):
                if present[b, m] and known[b, c]:
                    p = objective.heads[m](vectors[b, m])[c].sigmoid()
                    y = batch.target[b, c]
                    losses.append(-(y * p.log() + (1 - y) * (1 - p).log()))
        total += torch.stack(losses).mean()
    assert torch.allclose(term, 0.1 * total, atol=1e-6)


def test_word_types_are_balanced_at_zero():
    objective = WordTypes(WordTypes.Config(weight=1.0), tiny.context(), None)
    mask = torch.tensor([[True, True], [True, False]])
    types = torch.tensor([[[0.5, 0.5], [0.9, 0.1]], [[0.1, 0.9], [1.0, 0.0]]])
    out = Output(torch.zeros(2, 1), {}, {"word_types": types, "word_mask": mask})
    assert abs(float(objective(None, None, out, AT)["balance"])) < 1e-6
    types = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
    out = Output(torch.zeros(2, 1), {}, {"word_types": types, "word_mask": mask})
    assert abs(float(objective(None, None, out, AT)["balance"]) - np.log(2)) < 1e-6


def test_the_parser_learns_from_the_task():
    model = cmpc()
    model(tiny.parts()).z_BCD.sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parser.parameters())

"""KuDA's ratios, blocks and losses against plain loops over each row alone."""

import math

import pytest
import torch
from torch.nn.functional import layer_norm, normalize

from merbench.api import Batch, Fused, Output, Progress, RequestError, Steps
from merbench.engine.build import build
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.engine.training.train import fit
from merbench.testing import tiny
from merbench_baselines.align import resample
from merbench_baselines.experts.kuda import KuDA, sentiment_ratios
from merbench_baselines.experts.kuda_loss import Correlation
from merbench_baselines.fusions.mult import positions
from merbench_baselines.objectives.unimodal_scores import UnimodalScores
from tests.plugins.baselines.fusions.test_almt import attend
from tests.plugins.baselines.made_parts import WIDTHS, close, make, real, sequences

NOW = Progress(0, 1, 0, 1, "main")
SMALL = {
    "width": 4,
    "heads": 2,
    "ffn": 6,
    "layers": 2,
    "reading": 8,
    "reading_layers": 3,
    "adapters": 2,
    "adapter_layers": 1,
}


def attention(layer, x_TD, source_SD, heads):
    w, b = layer.into.weight.chunk(3), layer.into.bias.chunk(3)
    inputs = zip((x_TD, source_SD, source_SD), w, b, strict=True)
    return layer.out(attend(*(x @ weight.T + bias for x, weight, bias in inputs), heads))


def encoder(layer, x_LD, heads):
    x_LD = layer.norms[0](x_LD + attention(layer.attend, x_LD, x_LD, heads))
    return layer.norms[1](x_LD + layer.feed_forward(x_LD))


def read(fusion, m, x_LD):
    """States and knowledge [L, 2 width] of a row's real steps."""
    reader, adapters = fusion.read[m], fusion.adapt[m]
    x_LD = reader.project(x_LD)
    x_LD = x_LD + reader.place.scale_D * positions(len(x_LD), x_LD.shape[1], x_LD.device)
    states = [x_LD]
    for layer in reader.layers:
        states.append(encoder(layer, states[-1], 2))
    k_LD = states[0]
    for n, adapter in enumerate(adapters):
        u_LD = reader.norm(k_LD + states[n + 1])
        h_LN = adapter.down(u_LD)
        for layer in adapter.layers:
            h_LN = encoder(layer, h_LN, 4)
        k_LD = u_LD + adapter.up(h_LN)
    own_LD = reader.norm(states[-1])
    return torch.cat((own_LD, k_LD if len(adapters) else own_LD), 1)


def block_by_hand(block, s_TD, sources, ratio, inside):
    total_TD = torch.zeros_like(s_TD)
    for m, h_TD in sources.items():
        cross = block.cross[m]
        x_TD = cross.norms[0](s_TD + attention(cross.attend, s_TD, h_TD, 2))
        x_TD = cross.norms[1](x_TD + cross.f(cross.norms[2](x_TD)))
        norm = block.norm_each[m]
        total_TD = total_TD + (
            norm((1 + ratio[m]) * x_TD) if inside else (1 + ratio[m]) * norm(x_TD)
        )
    s_TD = block.norms[1](s_TD + block.norms[0](total_TD))
    s_TD = block.norms[2](s_TD + attention(block.attend, s_TD, s_TD, 2))
    return block.norms[3](s_TD + block.f(block.norms[4](s_TD)))


@torch.no_grad()
@pytest.mark.parametrize(("weighing", "adapters"), [("outside", 2), ("inside", 0)])
def test_kuda_is_its_equations_on_each_row_alone(weighing, adapters):
    fusion = make(KuDA, **{**SMALL, "adapters": adapters}, weighing=weighing, sharpness=2.0)
    for reader in fusion.read.values():
        reader.place.scale_D.normal_()
    parts = sequences(missing=[("audio", 2), ("text", 3)])
    out = fusion(parts)
    for row in range(5):
        h = {m: read(fusion, m, real(parts[m], row)) for m in WIDTHS if parts[m].mask_BL[row].any()}
        scores = {m: float(fusion.score[m](x_LD.mean(0))) for m, x_LD in h.items()}
        mean = sum(scores.values()) / len(scores)
        near = {m: math.exp(-2.0 * (y - mean) ** 2) for m, y in scores.items()}
        ratio = {m: x / sum(near.values()) for m, x in near.items()}
        clock = len(h["text"]) if "text" in h else max(map(len, h.values()))
        sources = {}
        for m, x_LD in h.items():
            steps = Steps(fusion.narrow[m](x_LD)[None], torch.ones(1, len(x_LD), dtype=torch.bool))
            sources[m] = resample(steps, torch.tensor([clock]))[0, :clock]
        s_TD = sum(sources.values())
        for block in fusion.blocks:
            s_TD = block_by_hand(block, s_TD, sources, ratio, weighing == "inside")
        close(out.z_BCD[row, 0], s_TD.mean(0))
        for index, m in enumerate(WIDTHS):
            assert bool(out.aux["scored"][row, index]) == (m in h)
            if m in h:
                assert float(out.aux["scores"][row, index]) == pytest.approx(scores[m], abs=1e-5)
                close(out.aux["means"][row, index], sources[m].mean(0))


def test_positions_start_from_nothing():
    """Steps in another order are the same steps to begin with."""
    torch.manual_seed(0)
    fusion = KuDA(KuDA.Config(**SMALL), tiny.context(), WIDTHS, None).eval()
    x_BLD = torch.randn(2, 4, WIDTHS["audio"])
    mask_BL = torch.ones(2, 4, dtype=torch.bool)
    order_L = torch.tensor([2, 0, 3, 1])
    states, turned = (
        fusion.read["audio"](Steps(x, mask_BL), fusion.adapt["audio"])
        for x in (x_BLD, x_BLD[:, order_L])
    )
    close(states[:, order_L], turned)


def test_ratios_inside_the_norm_have_no_effect():
    """LayerNorm takes a positive factor on all of its input away: so in the published code."""
    parts = sequences()
    for weighing, changes in (("inside", False), ("outside", True)):
        z = [
            make(KuDA, **SMALL, weighing=weighing, guided=guided)(parts).z_BCD
            for guided in (True, False)
        ]
        assert torch.allclose(*z, atol=1e-4) != changes
    x_D = torch.randn(1, 6)
    close(layer_norm(1.7 * x_D, (6,)), layer_norm(x_D, (6,)), 1e-4)


def test_ratios_are_shares_of_the_modalities_that_a_row_has():
    score_BM = torch.tensor([[1.0, 1.0, -2.0], [0.5, 3.0, 0.0]])
    present_BM = torch.tensor([[True, True, True], [True, False, False]])
    ratio_BM = sentiment_ratios(score_BM, present_BM, 0.5)
    near = [math.exp(-0.5), math.exp(-0.5), math.exp(-2.0)]
    close(ratio_BM[0], torch.tensor([x / sum(near) for x in near]))
    assert ratio_BM[1].tolist() == [1.0, 0.0, 0.0]


def test_correlation_is_the_contrast_of_each_modality_over_the_rows_that_have_it():
    torch.manual_seed(0)
    means_BMD, z_BD = torch.randn(5, 3, 4), torch.randn(5, 4)
    scored_BM = torch.ones(5, 3, dtype=torch.bool)
    scored_BM[2, 1] = scored_BM[:, 2] = False
    aux = {"means": means_BMD, "scored": scored_BM, "scores": torch.zeros(5, 3)}
    out = Output(torch.zeros(5, 1), aux=aux, fused=Fused(z_BD[:, None]))
    objective = Correlation(Correlation.Config(), tiny.context(), None)
    terms = objective(None, Batch(torch.arange(5), {}, torch.zeros(5)), out, NOW)
    for index, m in enumerate(WIDTHS):
        rows, losses = [b for b in range(5) if scored_BM[b, index]], []
        for i in rows:
            direction = normalize(means_BMD[i, index], dim=0)
            scores = [float(direction @ normalize(z_BD[j], dim=0)) for j in rows]
            losses.append(-math.log(math.exp(scores[rows.index(i)]) / sum(map(math.exp, scores))))
        expected = 0.1 * sum(losses) / max(1, len(losses))
        assert float(terms[m]) == pytest.approx(expected, abs=1e-5)


def test_unimodal_scores_count_what_there_is():
    aux = {
        "scores": torch.tensor([[1.0, 5.0], [2.0, 0.0]]),
        "scored": torch.tensor([[True, False], [True, True]]),
    }
    objective = UnimodalScores(UnimodalScores.Config(weight=0.5), tiny.context(), None)
    batch = Batch(torch.arange(2), {}, torch.tensor([0.0, 1.0]))
    terms = objective(None, batch, Output(torch.zeros(2, 1), aux=aux), NOW)
    assert float(terms["l2"]) == pytest.approx(0.5 * (1 + 1 + 1) / 3)


def test_knowledge_is_fixed_while_the_task_is_learned(catalog):
    small = {f"fusion.{name}": value for name, value in SMALL.items()}
    settings = {**small, "train.epochs": 1, "stage.knowledge.epochs": 1}
    plan = resolve(Request("kuda", settings=settings), catalog, tiny.corpus(), None)
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    problem = build(plan, fold, 0, torch.device("cpu"))

    def moved(stage):
        """The parts of the fusion whose weights a stage changes."""
        before = {n: p.clone() for n, p in problem.model.fusion.named_parameters()}
        fit(
            problem.model,
            problem.objectives,
            problem.train,
            problem.valid,
            space=fold.space,
            config=plan.train,
            stages=[stage],
        )
        after = problem.model.fusion.named_parameters()
        return {n.partition(".")[0] for n, p in after if not torch.equal(p, before[n])}

    knowledge, main = plan.stages
    assert moved(knowledge) == {"read", "adapt", "score"}
    assert moved(main) == {"read", "narrow", "blocks"}


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(RequestError, match=r"fusion\.width=6 is no multiple of fusion\.heads=4"):
        make(KuDA, width=6, heads=4)

"""DMD's two spaces, its attention across modalities and its graphs, against rows and loops."""

import pytest
import torch
from pydantic import ValidationError

from merbench.api import Batch, Output, Progress, RequestError
from merbench.testing import tiny
from merbench_baselines.disentangled.dmd import DMD
from merbench_baselines.disentangled.dmd_loss import Distillation, DMDLoss
from tests.plugins.baselines.disentangled.test_dlf import convolved, residual, transformer
from tests.plugins.baselines.made_parts import WIDTHS, close, make, real, sequences

SMALL = {
    "width": 4,
    "heads": 2,
    "layers": 1,
    "kernel_text": 3,
    "kernel_audio": 3,
    "kernel_video": 3,
}
NOW = Progress(0, 1, 0, 1, "main")


def wide(net, x_TD):
    """``transformer`` for steps wider than 4: two modalities side by side."""
    z_TD = net.embed(x_TD[None])
    for block in net.blocks:
        n = block.norm(z_TD)
        z_TD = z_TD + block.attend(n, n, torch.ones(1, len(x_TD), dtype=torch.bool))
        z_TD = z_TD + block.f(block.norm_f(z_TD))
    return net.norm(z_TD)[0]


def test_dmd_is_its_equations_on_each_row_alone():
    fusion = make(DMD, **SMALL)
    parts = sequences()
    out = fusion(parts)
    for row in range(2):
        specific, common, pooled = {}, [], {}
        for i, m in enumerate(WIDTHS):
            part = fusion.part[m]
            x = convolved(fusion.convolve[m].weight, real(parts[m], row))
            s, c = x @ part.own.weight.T, x @ fusion.shared.weight.T
            decoded = torch.cat((s, c), 1) @ part.decode.weight.T
            again = decoded @ part.own.weight.T
            cosine = torch.stack([a @ b / (a.norm() * b.norm()) for a, b in zip(s, c, strict=True)])
            expected = ((decoded - x) ** 2).mean(), ((again - s) ** 2).mean(), cosine.relu().mean()
            names = "reconstruction", "specific", "orthogonality"
            for name, value in zip(names, expected, strict=True):
                close(out.aux[name][row, i], value)
            close(out.aux["aligned"][row, i], part.align(c.mean(0)))
            specific[m], pooled[m] = s, c.mean(0)
            common.append(transformer(fusion.shared_memory[m], c)[-1])
        attended = {}
        for target in WIDTHS:
            towards = [
                transformer(
                    fusion.cross[f"{source}_to_{target}"], specific[target], specific[source]
                )
                for source in WIDTHS
                if source != target
            ]
            attended[target] = wide(fusion.memory[target], torch.cat(towards, 1))[-1]
        shared = torch.cat(common)
        vectors = {"shared": shared}
        vectors |= {f"homogeneous_{m}": v for m, v in pooled.items()}
        vectors |= {f"heterogeneous_{m}": v for m, v in attended.items()}
        branches = torch.cat([residual(fusion.residual[name], v) for name, v in vectors.items()])
        close(out.aux["branches"][row], branches)
        fused = [fusion.project[m](attended[m]).sigmoid() for m in WIDTHS]
        fused.append(fusion.project["shared"](shared).sigmoid())
        close(out.z_BCD[row, 0], residual(fusion.last, torch.cat(fused)))


def test_a_missing_modality_takes_no_part():
    fusion = make(DMD, **SMALL)
    out = fusion(sequences(missing=[("audio", 2), ("text", 3)]))
    assert torch.isfinite(out.z_BCD).all() and not out.aux["present"][2, 1]
    with pytest.raises(RequestError, match=r"fusion\.width=6 is no multiple of fusion\.heads=5"):
        make(DMD, width=6, heads=5)


def test_each_modality_learns_the_others_predictions_as_far_as_the_edges_say():
    torch.manual_seed(0)
    names = ("text", "audio", "video")
    graph = Distillation(names, dict.fromkeys(names, 4), 1, 3, [("text", "audio")], 10.0)
    logits = {m: torch.randn(5, 1, requires_grad=True) for m in names}
    x = {m: torch.randn(5, 4) for m in names}
    present = {m: torch.ones(5, dtype=torch.bool) for m in names}
    present["video"][2] = False
    pairs = [(i, j) for i in names for j in names if i != j]
    liking = torch.tensor([4.0 if pair == ("text", "audio") else 0.0 for pair in pairs])
    prior = liking.softmax(0)
    weights, imitation = [], 0.0
    for b in range(5):
        a = {m: torch.cat((graph.logits(logits[m][b]), graph.features[m](x[m][b]))) for m in names}
        scores = torch.cat([graph.score(torch.cat((a[to], a[source]))) for source, to in pairs])
        weights.append((scores / 8).softmax(0))
        for e, (source, to) in enumerate(pairs):
            if present[source][b] and present[to][b]:
                gap = abs(float(logits[to][b].detach() - logits[source][b].detach()))
                imitation += float(weights[b][e] + prior[e]) * gap / 5
    distance = float(((torch.stack(weights).mean(0) - prior) ** 2).sum())
    loss = graph(logits, x, present)
    assert float(loss.detach()) == pytest.approx(imitation + 10 * distance, rel=1e-4)
    alone = Distillation(names, dict.fromkeys(names, 4), 1, 3, [], 0.0)
    only_text = {m: torch.full((5,), m == "text") for m in names}
    assert float(alone(logits, x, only_text).detach()) == 0


def test_a_teachers_prediction_is_not_drawn_to_its_pupils():
    """With edges that depend on nothing, the gradient of a prediction is that as a pupil alone."""
    names = ("text", "audio", "video")
    graph = Distillation(names, dict.fromkeys(names, 4), 1, 3, [("text", "audio")], 0.0)
    torch.nn.init.zeros_(graph.score.weight)
    logits = {m: torch.randn(5, 1, requires_grad=True) for m in names}
    present = {m: torch.ones(5, dtype=torch.bool) for m in names}
    graph(logits, {m: torch.randn(5, 4) for m in names}, present).backward()
    edge = {pair: 1 / 6 + float(p) for pair, p in zip(graph.edges, graph.prior_E, strict=True)}
    for to in names:
        others = [source for source in names if source != to]
        by_hand = sum(edge[m, to] * (logits[to] - logits[m]).sign() / 5 for m in others)
        close(logits[to].grad, by_hand.detach())


def test_the_losses_add_both_graphs_to_those_of_the_branches():
    class Widths:
        def __init__(self, fusion):
            self.widths = fusion.widths

    fusion = make(DMD, **SMALL)
    fused = fusion(sequences())
    out = Output(fused.z_BCD[:, 0, :1], aux=fused.aux, fused=fused)
    batch = Batch(torch.arange(5), {}, torch.linspace(-2, 2, 5))
    torch.manual_seed(0)
    objective = DMDLoss(DMDLoss.Config(), tiny.context("score"), Widths(fusion))
    terms = objective(None, batch, out, NOW)
    x, logits = objective.of_branches(fused.aux["branches"])
    total = sum((logits[name][:, 0] - batch.target).abs().mean() for name in logits)
    assert float(terms["branch"].detach()) == pytest.approx(float(total.detach()), rel=1e-5)
    present = dict(zip(WIDTHS, fused.aux["present"].unbind(1), strict=True))
    for kind, graph in objective.graphs.items():
        named = [{m: values[f"{kind}.{m}"] for m in WIDTHS} for values in (logits, x)]
        expected = 0.05 * graph(*named, present)
        assert float(terms[kind].detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert list(objective.graphs) == ["homogeneous", "heterogeneous"]
    none = DMDLoss(DMDLoss.Config(heterogeneous=0.0), tiny.context("score"), Widths(fusion))
    assert "heterogeneous" not in none(None, batch, out, NOW)


def test_a_weight_of_a_branch_that_dmd_has_not_is_refused():
    assert DMDLoss.Config().text_branch == 1
    with pytest.raises(ValidationError, match="text_branch"):
        DMDLoss.Config(text_branch=3.0)

"""DLF's two spaces, its attention of the text and its losses, against each row alone and loops."""

import itertools

import pytest
import torch

from merbench.api import Batch, Output, Progress, RequestError
from merbench.testing import tiny
from merbench_baselines.disentangled.dlf import DLF
from merbench_baselines.disentangled.dlf_loss import DLFLoss, same_and_other, triplets
from merbench_baselines.fusions.mult import positions
from tests.plugins.baselines.made_parts import WIDTHS, close, make, real, sequences

SMALL = {"width": 4, "heads": 2, "layers": 1, "memory_layers": 2, "kernel": 3}
NOW = Progress(0, 1, 0, 1, "main")


def attend(layer, target_TD, source_SD):
    """Two heads of softmax(Q K^T / sqrt(d)) V, query by query."""
    w, b = layer.into.weight.chunk(3), layer.into.bias.chunk(3)
    inputs = zip((target_TD, source_SD, source_SD), w, b, strict=True)
    q, k, v = (x @ weight.T + bias for x, weight, bias in inputs)
    rows = []
    for q_D in q:
        heads = [
            (k[:, at] @ q_D[at] / 2**0.5).softmax(0) @ v[:, at] for at in (slice(0, 2), slice(2, 4))
        ]
        rows.append(torch.cat(heads))
    return layer.out(torch.stack(rows))


def transformer(net, x_TD, source_SD=None):
    def embed(x_LD):
        return 2.0 * x_LD + positions(len(x_LD), 4, x_LD.device)

    z_TD = embed(x_TD)
    source_SD = None if source_SD is None else embed(source_SD)
    for block in net.blocks:
        n_TD = block.norm(z_TD)
        z_TD = z_TD + attend(
            block.attend, n_TD, n_TD if source_SD is None else block.norm(source_SD)
        )
        z_TD = z_TD + block.f(block.norm_f(z_TD))
    return net.norm(z_TD)


def residual(net, x_D):
    return x_D + net.f[3](net.f[0](x_D).relu())


def convolved(weight_DWK, x_LW):
    """A convolution of width 3 by its sum; zeros outside the row."""
    zero_1W = torch.zeros(1, x_LW.shape[1])
    padded = torch.cat((zero_1W, x_LW, zero_1W))
    return torch.stack(
        [sum(weight_DWK[:, :, k] @ padded[i + k] for k in range(3)) for i in range(len(x_LW))]
    )


@pytest.mark.parametrize("attractor", [True, False])
def test_dlf_is_its_equations_on_each_row_alone(attractor):
    fusion = make(DLF, **SMALL, attractor=attractor)
    parts = sequences(missing=[("audio", 2), ("text", 3)])
    out = fusion(parts)
    for row in range(5):
        specific, last = {}, {m: torch.zeros(4) for m in WIDTHS}
        for i, m in enumerate(WIDTHS):
            x_LW = real(parts[m], row)
            assert bool(out.aux["present"][row, i]) == bool(len(x_LW))
            if not len(x_LW):
                continue
            part = fusion.part[m]
            x = convolved(fusion.convolve[m].weight, x_LW)
            s, c = transformer(part.own, x), transformer(fusion.shared, x)
            decoded = torch.cat((s, c), 1) @ part.decode.weight.T
            again = transformer(part.own, decoded)
            cosine = torch.stack([a @ b / (a.norm() * b.norm()) for a, b in zip(s, c, strict=True)])
            expected = ((decoded - x) ** 2).mean(), ((again - s) ** 2).mean(), cosine.relu().mean()
            names = "reconstruction", "specific", "orthogonality"
            for name, value in zip(names, expected, strict=True):
                close(out.aux[name][row, i], value)
            close(out.aux["aligned"][row, i], part.align(c.mean(0)))
            specific[m], last[m] = s, transformer(fusion.shared_memory[m], c)[-1]
        shared = torch.cat(list(last.values()))

        branches = []
        for m in WIDTHS:
            h = specific.get(m)
            if attractor and m != "text":
                h = specific.get("text")
                if h is not None and m in specific:
                    h = transformer(fusion.attract[m], h, specific[m])
                elif h is not None:  # nothing to attend to: what attention adds is zero
                    z = 2.0 * h + positions(len(h), 4, h.device)
                    for block in fusion.attract[m].blocks:
                        z = z + block.f(block.norm_f(z))
                    h = fusion.attract[m].norm(z)
            h_D = torch.zeros(4) if h is None else transformer(fusion.memory[m], h)[-1]
            branches.append(residual(fusion.residual[m], h_D))
        fused = [fusion.project[m](g).sigmoid() for m, g in zip(WIDTHS, branches, strict=True)]
        fused.append(fusion.project["shared"](shared).sigmoid())
        close(out.z_BCD[row, 0], residual(fusion.last, torch.cat(fused)))
        branches.append(residual(fusion.residual["shared"], shared))
        close(out.aux["branches"][row], torch.cat(branches))


def test_triplets_are_the_loop_over_all_of_them():
    torch.manual_seed(0)
    x_BMD, kinds = torch.randn(5, 3, 4), torch.tensor([0, 1, 0, 1, 4])
    present = torch.ones(5, 3, dtype=torch.bool)
    present[1, 2] = present[2, 0] = False
    items = [(b, m) for b in range(5) for m in range(3) if present[b, m]]

    def cosine(i, j):
        return float(torch.cosine_similarity(x_BMD[i], x_BMD[j], 0))

    values = [
        max(0.0, 0.2 - cosine(i, j) + cosine(i, k))
        for i, j, k in itertools.product(items, repeat=3)
        if kinds[i[0]] == kinds[j[0]]
        and i[1] != j[1]
        and kinds[i[0]] != kinds[k[0]]
        and i[1] == k[1]
    ]
    expected = sum(values) / len(values)
    same_BB = kinds[:, None] == kinds
    loss = triplets(x_BMD, present, same_BB, ~same_BB, 0.2)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    none_BB = torch.zeros(5, 5, dtype=torch.bool)
    assert float(triplets(x_BMD, present, ~none_BB, none_BB, 0.2)) == 0  # no row of another kind


@pytest.mark.parametrize(
    ("target", "known", "same", "other"),
    [
        # Rounded: 1, 1, -1. What is known of a score decides alone.
        ([1.2, 0.8, -1.0], None, [(0, 1)], [(0, 2), (1, 2)]),
        ([1.2, 0.8, -1.0], [True, True, False], [(0, 1)], []),
        ([[1, 0], [1, 1], [1, 0]], None, [(0, 2)], [(0, 1), (1, 2)]),
        # Row 1's second label may be any: it is as row 0 or not. Row 2 differs in the first.
        ([[1, 0], [1, 0], [0, 0]], [[1, 1], [1, 0], [1, 0]], [], [(0, 2), (1, 2)]),
    ],
)
def test_rows_are_of_one_kind_or_of_two_where_what_is_known_says_so(target, known, same, other):
    target, size = torch.tensor(target, dtype=torch.float32), len(target)
    known = None if known is None else torch.tensor(known, dtype=torch.bool)
    same_BB, other_BB = same_and_other(Batch(torch.arange(size), {}, target, known))
    pairs = list(itertools.combinations(range(size), 2))
    assert [pair for pair in pairs if same_BB[pair]] == same
    assert [pair for pair in pairs if other_BB[pair]] == other
    assert torch.equal(same_BB, same_BB.T) and torch.equal(other_BB, other_BB.T)


def test_the_losses_count_present_modalities_and_weigh_the_branches():
    class Widths:
        widths = {"fused": 7, "branch.text": 3, "branch.audio": 3, "branch.shared": 6}

    torch.manual_seed(0)
    present = torch.tensor([[True, True], [True, False], [False, False]])
    names = "reconstruction", "specific", "orthogonality"
    aux = {name: torch.rand(3, 2) for name in names}
    aux |= {"aligned": torch.randn(3, 2, 4), "branches": torch.randn(3, 12), "present": present}
    objective = DLFLoss(DLFLoss.Config(), tiny.context("score"), Widths())
    target = torch.tensor([1.0, -2.0, 0.5])
    out = Output(torch.zeros(3, 1), aux=aux)
    terms = objective(None, Batch(torch.arange(3), {}, target), out, NOW)
    for name, weight in zip(names, (0.1, 0.1, 0.01), strict=True):
        x = aux[name]
        expected = weight * float((x[0, 0] + x[1, 0]) / 2 + x[0, 1])
        assert float(terms[name]) == pytest.approx(expected, rel=1e-5)
    expected = 0.0
    for name, at, weight in (("text", 0, 3), ("audio", 3, 1), ("shared", 6, 1)):
        layer = objective.branches[name]
        x_BD = aux["branches"][:, at : at + layer.in_features]
        predicted_B = (x_BD @ layer.weight[0] + layer.bias[0]).detach()
        expected += weight * float((predicted_B - target).abs().mean())
    assert float(terms["branch"].detach()) == pytest.approx(expected, rel=1e-5)


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(RequestError, match=r"fusion\.width=6 is no multiple of fusion\.heads=5"):
        make(DLF, width=6, heads=5)


def test_parameters_at_the_published_settings():
    """Of BERT's 768 wide states, 5 of audio and 20 of Facet, layer by layer."""
    d = 50
    layer = 4 * (d * d + d) + d * 4 * d + 4 * d + 4 * d * d + d + 4 * d

    def transformers(*layers):
        return sum(n * layer + 2 * d for n in layers)

    spaces = 5 * d * (768 + 5 + 20) + transformers(2, 2, 2, 2) + 3 * (2 * d * d + d * d + d)
    after = transformers(2, 2, 2) + transformers(2, 2) + transformers(2, 3, 3)
    networks = sum(3 * (w * w + w) for w in (d, d, d, 3 * d)) + 2 * (36 * d * d + 6 * d)
    fusion = make(DLF, {"text": 768, "audio": 5, "video": 20})
    assert sum(p.numel() for p in fusion.parameters()) == spaces + after + networks == 1_290_500

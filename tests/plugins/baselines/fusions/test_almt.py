"""ALMT's tokens, hyper-modality layers and fusion against plain loops over each row alone."""

import pytest
import torch

from merbench.api import RequestError
from merbench_baselines.fusions.almt import ALMT
from merbench_baselines.fusions.mult import positions
from tests.plugins.baselines.made_parts import WIDTHS, close, make, real, sequences
from tests.plugins.perturbed import doubling

SMALL = {"width": 4, "heads": 2, "ffn": 6, "tokens": 3}


def attend(q_TD, k_SD, v_SD, heads=2):
    """softmax(Q K^T / sqrt(d)) V, head by head and query by query."""
    width = q_TD.shape[1] // heads
    rows = []
    for q_D in q_TD:
        parts = []
        for h in range(heads):
            at = slice(h * width, (h + 1) * width)
            weights_S = (k_SD[:, at] @ q_D[at] / width**0.5).softmax(0)
            parts.append(weights_S @ v_SD[:, at])
        rows.append(torch.cat(parts))
    return torch.stack(rows)


def pre_norm(layer, x_TD, source_SD):
    n_TD, s_SD = layer.norm(x_TD), layer.norm(source_SD)
    w, b = layer.attend.into.weight.chunk(3), layer.attend.into.bias.chunk(3)
    inputs = zip((n_TD, s_SD, s_SD), w, b, strict=True)
    q, k, v = (x @ weight.T + bias for x, weight, bias in inputs)
    x_TD = x_TD + layer.dropout(layer.attend.out(attend(q, k, layer.attend.dropout(v))))
    return x_TD + layer.dropout(layer.f(layer.norm_f(x_TD)))


def tokens(reader, x_LD):
    steps = reader.project(x_LD)
    steps = steps + positions(len(steps), steps.shape[1], steps.device)
    both = torch.cat((reader.tokens_KD, steps))
    for layer in reader.layers:
        both = pre_norm(layer, both, both)
    return both[: len(reader.tokens_KD)]


def hyper(layer, hyper_KD, guide_KD, sources, normed):
    q_KD = layer.norm_guide(guide_KD) @ layer.query.weight.T
    shift_KD = torch.zeros_like(hyper_KD)
    for m, x_KD in sources.items():
        k_w, v_w = layer.pair[m].weight.chunk(2)
        n_KD = layer.norms[m](x_KD)
        shift_KD = shift_KD + attend(q_KD, n_KD @ k_w.T, n_KD @ v_w.T)
    if normed:
        norm = layer.norm.weight, layer.norm.bias
        hyper_KD = torch.nn.functional.layer_norm(hyper_KD, hyper_KD.shape[1:], *norm)
    return hyper_KD + layer.out(shift_KD)


def fused(fusion, hyper_KD, text_KD, summary):
    if summary == "concatenation":
        return torch.cat((hyper_KD.mean(0), text_KD.mean(0)))
    source = fusion.source_positions_KD + torch.cat((torch.zeros(1, 4), hyper_KD))
    target = fusion.target_positions_KD + (text_KD if summary == "text" else 0)
    for layer in fusion.fusion_layers:
        target = pre_norm(layer, target, source)
    return target.mean(0)


@pytest.mark.parametrize(
    ("guide", "residual", "summary"),
    [
        ("scales", "plain", "token"),
        ("last", "normed", "text"),
        ("itself", "plain", "concatenation"),
    ],
)
def test_almt_is_its_equations_on_each_row_alone(guide, residual, summary):
    settings = {"embed_layers": 2, "guide": guide, "residual": residual, "summary": summary}
    fusion = doubling(make(ALMT, **SMALL, **settings))
    parts = sequences(missing=[("audio", 2), ("text", 3), ("audio", 4), ("video", 4)])
    z_BCD = fusion(parts).z_BCD
    for row in range(5):
        steps = {m: real(parts[m], row) for m in WIDTHS}
        read = {m: tokens(fusion.read[m], x_LD) for m, x_LD in steps.items()}
        scales = [read.pop("text") + fusion.text_positions_KD]
        for layer in fusion.text_layers:
            scales.append(pre_norm(layer, scales[-1], scales[-1]))
        assert len(scales) == 3
        sources = {m: x_KD for m, x_KD in read.items() if len(steps[m])}
        hyper_KD = fusion.hyper_KD
        for scale, layer in zip(scales, fusion.hyper_layers, strict=True):
            asks = {"scales": scale, "last": scales[-1], "itself": hyper_KD}[guide]
            hyper_KD = hyper(layer, hyper_KD, asks, sources, residual == "normed")
        close(z_BCD[row, 0], fused(fusion, hyper_KD, scales[-1], summary))


@pytest.mark.parametrize(("summary", "depends"), [("token", False), ("text", True)])
def test_what_the_published_summary_reads_of_a_text_without_audio_and_video(summary, depends):
    """The published token sees the text only by what it asks of audio and video."""
    fusion = make(ALMT, **SMALL, summary=summary)
    parts = sequences()
    for m in ("audio", "video"):
        parts[m].mask_BL[:] = False
    z_BD = fusion(parts).z_BCD[:, 0]
    assert torch.allclose(z_BD[0], z_BD[1], atol=1e-6) != depends


def test_gradients_reach_the_text_through_the_queries():
    fusion = make(ALMT, **SMALL)
    parts = sequences()
    parts["text"] = parts["text"]._replace(x_BLD=parts["text"].x_BLD.requires_grad_())
    fusion(parts).z_BCD.square().sum().backward()
    assert parts["text"].x_BLD.grad[parts["text"].mask_BL].abs().max() > 0
    assert all(p.grad is not None for p in fusion.parameters())


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(RequestError, match=r"fusion\.width=6 is no multiple of fusion\.heads=4"):
        make(ALMT, width=6, heads=4)


def test_parameters_at_the_published_settings():
    """Of BERT's 768 wide states, COVAREP's 74 and 20 of Facet, layer by layer."""
    d, k = 128, 8
    layer = 2 * 2 * d + 4 * (d * d + d) + 2 * (d * d + d)
    read = sum(w * d + d for w in (768, 74, 20)) + 3 * (k * d + layer)
    hyper = 3 * 2 * d + 5 * d * d + d * d + d
    fuse = (k + 1) * d + d + 2 * layer
    expected = read + 2 * k * d + 2 * layer + 3 * hyper + fuse
    fusion = make(ALMT, {"text": 768, "audio": 74, "video": 20})
    assert sum(p.numel() for p in fusion.parameters()) == expected == 1_111_808

"""MFM's factors, generated streams and losses against the equations on each row alone."""

import pytest
import torch

from merbench.api import Batch, Output, Progress, Steps
from merbench.testing import tiny
from merbench_baselines.align import aligned
from merbench_baselines.memory.mfm import MFM, Decoder, MFMLoss, discrepancy
from tests.plugins.baselines.made_parts import WIDTHS, close, make, sequences

NOW = Progress(0, 1, 0, 1, "main")
LATENT = {"latent_text": 3, "latent_audio": 4, "latent_video": 5}
SMALL = {"latent": 4, "factor": 3, "factor_text": 2, "factor_audio": 2, "factor_video": 3, **LATENT}


def decoded(decoder, factors_F, length):
    """torch's own LSTM cell: the factors first, then the state of the step before."""
    h_1F = c_1F = torch.zeros(1, len(factors_F))
    x_1F, states = factors_F[None], []
    for _ in range(length):
        h_1F, c_1F = torch.nn.LSTMCell.forward(decoder, x_1F, (h_1F, c_1F))
        x_1F = h_1F
        states.append(h_1F[0])
    return torch.stack(states) @ decoder.out.weight.T + decoder.out.bias


def test_the_decoder_is_an_lstm_that_reads_its_own_states():
    decoder, factors_BF = Decoder(3, 5), torch.randn(2, 3)
    streams = decoder(factors_BF, 4)
    for row in range(2):
        close(streams[row], decoded(decoder, factors_BF[row], 4))


@pytest.mark.parametrize("private", [True, False])
def test_mfm_is_its_equations_on_each_row_alone(private):
    fusion = make(MFM, **SMALL, private=private)
    parts = sequences(missing=[("audio", 2), ("text", 3)])
    out = fusion(parts)
    streams = aligned(parts)
    for row in range(5):
        mask_T = streams["text"].mask_BL[row]
        x = {m: streams[m].x_BLD[row][mask_T] for m in WIDTHS}
        full = torch.ones(1, int(mask_T.sum()), dtype=torch.bool)
        latent_Z = fusion.latent(fusion.mfn.last_states({m: Steps(x[m][None], full) for m in x}))[0]
        first, last = fusion.factor[0][0], fusion.factor[0][3]
        factor_F = last(first(latent_Z).relu()).relu()
        close(out.z_BCD[row, 0], factor_F)
        latents = [latent_Z]
        for i, m in enumerate(WIDTHS):
            factors_F = factor_F
            if private:
                own_Z = fusion.latents[m](fusion.read[m].lstm(x[m][None])[0][0, -1])
                latents.append(own_Z)
                factors_F = torch.cat((factor_F, fusion.factors[m](own_Z)))
            generated = decoded(fusion.decode[m], factors_F, len(x[m]))
            close(out.aux["errors"][row, i], ((generated - x[m]) ** 2).mean())
        close(out.aux["latents"][row], torch.cat(latents))
    assert out.aux["present"].sum() == 13
    assert sum(fusion.widths.values()) == out.aux["latents"].shape[1]


def test_a_stream_to_generate_passes_no_gradient():
    fusion = make(MFM, **SMALL)
    for decoder in fusion.decode.values():  # what is generated no longer depends on a stream
        torch.nn.init.zeros_(decoder.out.weight)
    parts = {m: Steps(s.x_BLD.requires_grad_(), s.mask_BL) for m, s in sequences().items()}
    fusion(parts).aux["errors"].sum().backward()
    assert all(not steps.x_BLD.grad.any() for steps in parts.values())


def test_discrepancy_is_the_expectation_of_the_one_with_gaussian_draws():
    draw = torch.Generator().manual_seed(0)
    z_ND = 2 * torch.randn(6, 3, generator=draw) + 1
    drawn_KD = torch.randn(3000, 3, generator=draw)

    def kernel(a, b):
        return (-(torch.cdist(a, b) ** 2) / 9).exp()

    count = len(drawn_KD)
    between = (kernel(drawn_KD, drawn_KD).sum() - count) / (count * (count - 1))
    expected = kernel(z_ND, z_ND).mean() - 2 * kernel(z_ND, drawn_KD).mean() + between
    assert float(discrepancy(z_ND)) == pytest.approx(float(expected), abs=5e-3)
    assert float(expected) > 0.1
    close_to_prior = torch.randn(2000, 3, generator=draw)
    assert float(discrepancy(close_to_prior)) == pytest.approx(0, abs=2e-3)


def test_rows_that_are_equal_have_finite_gradients():
    z_ND = torch.ones(4, 3, requires_grad=True)
    discrepancy(z_ND).backward()
    assert torch.isfinite(z_ND.grad).all() and z_ND.grad.abs().max() > 0


def test_the_losses_count_the_rows_that_have_a_modality():
    class Widths:
        widths = {"fused": 3, "latent.fused": 2, "latent.text": 3, "latent.audio": 2}

    torch.manual_seed(0)
    present = torch.tensor([[True, False], [True, True], [False, False], [False, True]])
    errors_BM, latents_BZ = torch.rand(4, 2), torch.randn(4, 7)
    aux = {"errors": errors_BM, "latents": latents_BZ, "present": present}
    context = tiny.context(modalities=("text", "audio"))
    objective = MFMLoss(MFMLoss.Config(text=0.5, audio=2.0, prior=10.0), context, Widths())
    batch = Batch(torch.arange(4), {}, torch.zeros(4))
    terms = objective(None, batch, Output(torch.zeros(4, 1), aux=aux), NOW)
    generation = 0.5 * errors_BM[[0, 1], 0].mean() + 2.0 * errors_BM[[1, 3], 1].mean()
    assert float(terms["generation"]) == pytest.approx(float(generation), rel=1e-5)
    prior = discrepancy(latents_BZ[[0, 1, 3], :2]) + discrepancy(latents_BZ[[0, 1], 2:5])
    prior = 10 * (prior + discrepancy(latents_BZ[[1, 3], 5:]))
    assert float(terms["prior"]) == pytest.approx(float(prior), rel=1e-5)

    aux["present"] = torch.zeros_like(present)
    terms = objective(None, batch, Output(torch.zeros(4, 1), aux=aux), NOW)
    assert float(terms["generation"]) == float(terms["prior"]) == 0


def test_parameters_at_the_published_settings():
    """Of 768 wide text, COVAREP's 74 and 20 of Facet, layer by layer."""
    widths = {"text": 768, "audio": 74, "video": 20}
    hidden = {"text": 128, "audio": 32, "video": 128}
    latent, narrow = {"text": 64, "audio": 80, "video": 80}, {"text": 32, "audio": 16, "video": 64}

    def lstm(width, h):
        return 4 * h * (width + h + 2)

    def network(width, h, last):
        return width * h + h + h * last + last

    lstms = sum(lstm(w, hidden[m]) for m, w in widths.items())
    attended = 2 * sum(hidden.values())
    mfn = lstms + network(attended, 32, attended) + network(attended, 64, 64)
    mfn += network(attended, 32, 64) + network(attended, 64, 64)
    decide = (288 + 64) * 80 + 80 + network(80, 64, 64)
    own_loss = sum(
        lstm(w, latent[m]) + latent[m] ** 2 + latent[m] + network(latent[m], narrow[m], narrow[m])
        for m, w in widths.items()
    )
    generate = sum(
        lstm(64 + narrow[m], 64 + narrow[m]) + (64 + narrow[m]) * w + w for m, w in widths.items()
    )
    count = sum(p.numel() for p in make(MFM, widths).parameters())
    assert count == mfn + decide + own_loss + generate == 1_396_942

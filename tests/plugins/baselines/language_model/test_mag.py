"""MAG against its equations, one step at a time."""

import pytest
import torch

from merbench.api import (
    RequestError,
    Steps,
    resample,
)
from merbench_baselines.language_model.mag import MAG, AdaptationGate
from tests.plugins.baselines.made_parts import WIDTHS, close, make, real, sequences


def gated(gate, z, others):
    """One step of one row."""
    h = gate.bias_D.clone()
    for m, x in others.items():
        g = gate.gate[m](torch.cat((z, x))).relu()
        h = h + g * (gate.shift[m].weight @ x)
    share = min(float(gate.beta * z.norm() / (h.norm() + 1e-6)), 1.0)
    return gate.norm(z + share * h)


@pytest.mark.parametrize("beta", [0.05, 1.0])
@pytest.mark.parametrize("modalities", [("text", "audio"), ("text", "audio", "video")])
def test_mag_is_its_equations_step_by_step(beta, modalities):
    widths = {m: WIDTHS[m] for m in modalities}
    fusion = make(MAG, widths, width=8, heads=2, layers=1, beta=beta)
    torch.nn.init.normal_(fusion.gate.bias_D)
    parts = sequences(missing=[("audio", 2)], widths=widths)
    z_BD = fusion(parts).z_BCD[:, 0]
    length = parts["text"].mask_BL.sum(1)
    at_text = {m: resample(parts[m], length) for m in modalities if m != "text"}
    for row in range(5):
        steps = []
        for t, x_D in enumerate(real(parts["text"], row)):
            others = {m: x_BLD[row, t] for m, x_BLD in at_text.items()}
            steps.append(gated(fusion.gate, fusion.project(x_D), others))
        x_BLD = torch.stack(steps)[None]
        mask_BL = torch.ones(1, len(steps), dtype=torch.bool)
        close(z_BD[row], fusion.layers[0](x_BLD, mask_BL)[0].mean(0))


def test_a_shift_is_never_longer_than_its_share_of_the_step():
    fusion = make(MAG, width=8, heads=2, layers=0, beta=0.1)
    fusion.gate.norm = torch.nn.Identity()
    z = torch.randn(3, 4, 8)
    others = {m: 100 * torch.randn(3, 4, WIDTHS[m]) for m in ("audio", "video")}
    moved = (fusion.gate(z, others) - z).norm(dim=2)
    assert (moved <= 0.1 * z.norm(dim=2) + 1e-4).all() and (moved > 0).all()


def test_what_a_row_lacks_shifts_nothing():
    fusion = make(MAG, width=8, heads=2)
    parts = sequences(missing=[("audio", 1), ("video", 1)])
    alone = make(MAG, width=8, heads=2)
    alone.load_state_dict(fusion.state_dict())
    for layer in (*alone.gate.shift.values(),):
        torch.nn.init.zeros_(layer.weight)
    close(fusion(parts).z_BCD[1], alone(parts).z_BCD[1])
    assert not torch.allclose(fusion(parts).z_BCD[0], alone(parts).z_BCD[0], atol=1e-4)


def test_a_shift_of_length_zero_is_none_at_all():
    gate = AdaptationGate(8, {"audio": 5}, 1.0, 0.0)
    z_BLD = torch.randn(2, 3, 8, requires_grad=True)
    shifted_BLD = gate(z_BLD, {"audio": torch.zeros(2, 3, 5)})
    close(shifted_BLD, gate.norm(z_BLD))
    shifted_BLD.square().sum().backward()
    assert torch.isfinite(z_BLD.grad).all() and torch.isfinite(gate.bias_D.grad).all()


def test_no_text_at_all_gives_zeros():
    fusion, parts = make(MAG, width=8, heads=2), sequences(missing=[("text", 3)])
    assert (fusion(parts).z_BCD[3] == 0).all()
    assert isinstance(parts["text"], Steps)


def test_mag_refuses_heads_that_do_not_divide_its_width():
    with pytest.raises(RequestError, match="multiple"):
        make(MAG, width=30, heads=4)

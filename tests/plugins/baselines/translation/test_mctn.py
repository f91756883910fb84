"""MCTN's states, its attention decoder and its translations, against each row alone and loops."""

from collections import defaultdict

import pytest
import torch

from merbench.api import Batch, Output, Progress, RequestError
from merbench.testing import tiny
from merbench_baselines.translation.cycle import AttentionDecoder, CyclicTranslation, squared_error
from merbench_baselines.translation.mctn import MCTN
from tests.plugins.baselines.made_parts import WIDTHS, close, make, real, sequences

NOW = Progress(0, 1, 0, 1, "main")
SMALL = {"width": 3, "hidden": 4, "read": 5}


def encoded(encoder, x_TD):
    forward_states = encoder.lstm.forward_lstm(x_TD[None])[0][0]
    backward = encoder.lstm.backward_lstm(x_TD.flip(0)[None])[0][0].flip(0)
    return forward_states + backward


@pytest.mark.parametrize("modalities", [("text", "audio"), ("text", "audio", "video")])
def test_mctn_is_its_equations_on_each_row_alone(modalities):
    widths = {m: WIDTHS[m] for m in modalities}
    fusion = make(MCTN, widths, **SMALL)
    parts = sequences(missing=[("text", 3), ("audio", 1)], widths=widths)
    out = fusion(parts)
    for row in (0, 1, 2):
        joint = encoded(fusion.first, fusion.project(real(parts["text"], row)))
        close(out.aux["joint.1"][row, : len(joint)], joint)
        if len(modalities) > 2:
            joint = encoded(fusion.second, joint)
            close(out.aux["joint.2"][row, : len(joint)], joint)
        r = fusion.lstm(joint[None])[0][0]
        weight = fusion.score(r)[:, 0].tanh().softmax(0)
        close(out.z_BCD[row, 0], (weight[:, None] * r).sum(0))
    assert (out.z_BCD[3] == 0).all(), "without its source there is nothing to read"


def test_only_the_source_is_needed_to_predict():
    fusion = make(MCTN, **SMALL)
    together, alone = (
        sequences(),
        sequences(missing=[(m, row) for m in ("audio", "video") for row in range(5)]),
    )
    close(fusion(together).z_BCD, fusion(alone).z_BCD)
    with pytest.raises(RequestError, match=r"fusion\.source video is not here"):
        make(MCTN, {"text": 6, "audio": 5}, **SMALL, source="video")


def decoded(decoder, joint):
    """One row, step by step."""
    state, memory, states = torch.zeros(1, 4), torch.zeros(1, 4), []
    for _ in joint:
        scores = [
            decoder.score((decoder.keys(h) + decoder.query(state[0])).tanh())[0] for h in joint
        ]
        weight = torch.stack(scores).softmax(0)
        heard = sum(w * h for w, h in zip(weight, joint, strict=True))
        state, memory = decoder.cell(heard[None], (state, memory))
        states.append(state[0])
    return torch.stack(states)


def test_the_decoder_attends_to_the_states_of_its_own_row():
    torch.manual_seed(0)
    decoder, joint = AttentionDecoder(4), torch.randn(2, 5, 4)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    actual = decoder(joint, mask)
    close(actual[0, :3], decoded(decoder, joint[0, :3]))
    close(actual[1], decoded(decoder, joint[1]))


def test_what_is_translated_to_passes_no_gradient():
    made_BTD, target_BTD = (torch.randn(2, 3, 4, requires_grad=True) for _ in range(2))
    squared_error(made_BTD, target_BTD, torch.ones(2, 3, dtype=torch.bool)).backward()
    assert made_BTD.grad.abs().max() > 0 and target_BTD.grad is None


class Model:
    def __init__(self, fusion):
        self.fusion, self.widths = fusion, {**WIDTHS, **fusion.widths}


@pytest.mark.parametrize("absent", [None, "forward", "back", "second"])
def test_translations_are_squared_errors_at_the_sources_steps(absent):
    fusion = make(MCTN, **SMALL)
    config = CyclicTranslation.Config(**({absent: 0.0} if absent else {}))
    objective = CyclicTranslation(config, tiny.context(), Model(fusion))
    parts = sequences(missing=[("audio", 1), ("text", 3)], aligned=True)
    fused = fusion(parts)
    out = Output(fused.z_BCD[:, 0, :1], parts, fused.aux, fused)
    batch = Batch(torch.arange(5), {}, torch.zeros(5))
    terms = objective(Model(fusion), batch, out, NOW)
    sums, counts = defaultdict(float), defaultdict(int)

    def add(name, translated, target):
        sums[name] += float(((translated - target) ** 2).mean(1).sum())
        counts[name] += len(target)

    for row in (0, 1, 2, 4):
        first = encoded(fusion.first, fusion.project(real(parts["text"], row)))
        audio = objective.out["audio"](decoded(objective.decode, first))
        if absent != "back":
            again = encoded(fusion.first, objective.project(audio))
            text = objective.out["text"](decoded(objective.decode, again))
            add("back", text, real(parts["text"], row))
        if absent != "second":
            second = encoded(fusion.second, first)
            video = objective.out_second(decoded(objective.decode_second, second))
            add("second", video, real(parts["video"], row))
        if row != 1:
            add("forward", audio, real(parts["audio"], row))
    assert terms.keys() == {"forward", "back", "second"} - ({absent} - {"forward"})
    for name, term in terms.items():
        weight = 0.0 if name == absent else 0.1
        assert float(term) == pytest.approx(weight * sums[name] / counts[name], rel=1e-4), name

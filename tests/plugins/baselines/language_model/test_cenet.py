"""CENET's enhancement of text steps, against each row alone."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from merbench.api import RequestError, Steps
from merbench.testing import tiny
from merbench.testing.parts.language_model import TinyLanguage
from merbench_baselines.language_model.cenet import CENET
from tests.plugins.baselines.made_parts import close, make, real, sequences

SMALL = {"width": 4, "heads": 2, "layers": 2}


def found(emotional, text_TD, x_SW):
    """softmax(c Q K^T) V, step by step; zeros where there is nothing to attend to."""
    if not len(x_SW):
        return torch.zeros_like(text_TD)
    source = emotional.transform(x_SW)
    q, k, v = emotional.query(text_TD), emotional.key(source), emotional.value(source)
    rows = []
    for step in q:
        weight = torch.stack([emotional.sharpness * (step @ other) for other in k]).softmax(0)
        rows.append(sum(w * value for w, value in zip(weight, v, strict=True)))
    return torch.stack(rows)


@pytest.mark.parametrize(("after", "read"), [(0, "mean"), (1, "first"), (2, "mean")])
def test_cenet_is_its_equations_on_each_row_alone(after, read):
    fusion = make(CENET, **SMALL, after=after, read=read)
    parts = sequences(missing=[("audio", 2)])
    out = fusion(parts)
    for row in (0, 1, 2):
        x = fusion.project(real(parts["text"], row))
        every = torch.ones(1, len(x), dtype=torch.bool)
        for number in range(3):
            if number == after:
                both = [
                    found(fusion.enhance.find[m], x, real(parts[m], row))
                    for m in ("audio", "video")
                ]
                x = x + fusion.enhance.out(torch.cat(both, 1))
            if number < 2:
                x = fusion.layers[number](x[None], every)[0]
        read_D = x.mean(0) if read == "mean" else x[0]
        close(out.z_BCD[row, 0], (fusion.out.weight @ read_D + fusion.out.bias).tanh())


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(RequestError, match=r"fusion\.after 3 is more than fusion\.layers 2"):
        make(CENET, **SMALL, after=3)
    with pytest.raises(RequestError, match=r"fusion\.width=6 is no multiple of fusion\.heads=4"):
        make(CENET, width=6, heads=4)


def test_steps_that_hold_nothing_real_are_not_attended_to():
    fusion = make(CENET, **SMALL)
    parts = sequences()
    padded = {
        m: Steps(torch.where(s.mask_BL[..., None], s.x_BLD, 9.0), s.mask_BL)
        for m, s in parts.items()
    }
    close(fusion(parts).z_BCD, fusion(padded).z_BCD)


def test_a_row_without_text_does_not_depend_on_its_batch():
    language = TinyLanguage()
    context = dataclasses.replace(tiny.context(), language_model=language)
    widths = {"text": language.width, "audio": 5, "video": 4}
    fusion = make(CENET, widths, context, read="first")
    parts = sequences(missing=[("text", 1)], widths=widths)
    text = parts["text"]
    padded = Steps(F.pad(text.x_BLD, (0, 0, 0, 3)), F.pad(text.mask_BL, (0, 3)))
    close(fusion(parts).z_BCD, fusion({**parts, "text": padded}).z_BCD)

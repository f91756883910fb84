"""Views: what each changes and what it leaves."""

from __future__ import annotations

import pytest
import torch

from merbench.api import Steps
from merbench.engine.model.contract import view as validated
from merbench.testing import tiny
from merbench_baselines.views.content import DropChannels, MaskSpans, Noise
from merbench_baselines.views.drop_modality import DropModality
from merbench_baselines.views.time_steps import Crop, TimeWarp

KEEP_MASKS = (Noise, MaskSpans, DropChannels, TimeWarp)
EVERY = (*KEEP_MASKS, Crop, DropModality)


def make(kind, **config):
    return kind(kind.Config(**config), tiny.context())


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def sequences(rows=64, length=20, width=8):
    """A ramp over time in every dimension, real steps anywhere; row 0 has none."""
    draw = torch.Generator().manual_seed(1)
    x_BLD = torch.arange(length, dtype=torch.float)[None, :, None].expand(rows, -1, width)
    mask_BL = torch.rand(rows, length, generator=draw) < 0.7
    mask_BL[0] = False
    return {"text": Steps(x_BLD.clone(), mask_BL), "audio": Steps(x_BLD + 1, mask_BL.flip(0))}


@pytest.mark.parametrize("kind", EVERY)
def test_a_view_is_drawn_from_its_generator_and_changes_what_is_real(kind):
    steps, transform = sequences(), make(kind)
    first, again, other = (transform(steps, drawn(seed)) for seed in (0, 0, 1))
    validated(transform, first, steps)
    for m, before in steps.items():
        assert torch.equal(first[m].x_BLD, again[m].x_BLD)
        assert torch.equal(first[m].mask_BL, again[m].mask_BL)
        if kind in KEEP_MASKS:
            assert torch.equal(first[m].mask_BL, before.mask_BL)

    def real(view):
        return torch.cat([torch.where(s.mask_BL[..., None], s.x_BLD, 0.0) for s in view.values()])

    assert not torch.equal(real(first), real(other))
    assert not torch.equal(real(first), real(steps))
    assert torch.isfinite(real(first)).all()


@pytest.mark.parametrize("kind", KEEP_MASKS)
def test_what_is_padded_changes_nothing(kind):
    steps, transform = sequences(), make(kind)
    other = {
        m: Steps(torch.where(s.mask_BL[..., None], s.x_BLD, 1e6), s.mask_BL)
        for m, s in steps.items()
    }
    views = [transform(view, drawn()) for view in (steps, other)]
    for m in steps:
        a, b = (torch.where(v[m].mask_BL[..., None], v[m].x_BLD, 0.0) for v in views)
        assert torch.allclose(a, b)


def test_noise_has_the_stated_deviation():
    steps = {
        "text": Steps(torch.randn(400, 30, 4, generator=drawn()) * 3, torch.ones(400, 30).bool())
    }
    change = make(Noise, sd=0.5)(steps, drawn())["text"].x_BLD - steps["text"].x_BLD
    assert change.std() == pytest.approx(1.5, rel=0.02)


@pytest.mark.parametrize(("share", "length"), [(0.3, 3), (0.5, 1), (0.2, 6)])
def test_spans_hit_the_stated_share(share, length):
    steps = {"text": Steps(torch.ones(2000, 30, 1), torch.ones(2000, 30).bool())}
    hit = make(MaskSpans, share=share, length=length)(steps, drawn())["text"].x_BLD == 0
    assert hit.float().mean() == pytest.approx(share, abs=0.02)


def test_a_crop_keeps_a_window_of_the_stated_length():
    steps = sequences()
    cropped = make(Crop, share=0.4)(steps, drawn())["text"].mask_BL
    for before, after in zip(steps["text"].mask_BL, cropped, strict=True):
        ranks = (before.cumsum(0) - 1)[after].tolist()
        n = int(before.sum())
        assert len(ranks) == -(-2 * n // 5)
        assert ranks == list(range(ranks[0], ranks[0] + len(ranks))) if ranks else n == 0


def test_a_warp_keeps_first_and_last_and_the_order():
    steps = sequences()
    bent = make(TimeWarp, strength=0.9)(steps, drawn())["text"]
    for before, after, mask in zip(steps["text"].x_BLD, bent.x_BLD, bent.mask_BL, strict=True):
        if mask.any():
            original, shuffled = before[mask][:, 0], after[mask][:, 0]
            assert shuffled[0] == original[0] and shuffled[-1] == pytest.approx(
                float(original[-1]), abs=1e-4
            )
            assert (shuffled.diff() >= -1e-5).all()


def test_a_row_keeps_a_modality_that_it_has():
    steps = sequences()
    hidden = make(DropModality, rate=0.9)(steps, drawn())
    had = torch.stack([s.mask_BL.any(1) for s in steps.values()]).any(0)
    has = torch.stack([s.mask_BL.any(1) for s in hidden.values()])
    assert torch.equal(had, has.any(0))
    assert has.all(0).float().mean() < 0.3

"""How many frames go through CLIP at a time changes no frame's vector, but for rounding."""

from __future__ import annotations

import numpy as np
import torch

from merbench.api import StreamSpec
from merbench.engine.rows.encode_by_length import encode
from merbench.testing import tiny
from merbench_encoders.clip.image import ClipImage, _together
from tests.towers import tiny_clip

VIDEO = StreamSpec("video.clip", "video", "clip")
FRAMES = (3, 1, 4, 0, 2, 4)


class Clips:
    """Decoded clips of so many random frames; None where there is none."""

    make = staticmethod(_together)

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(0)
        self.clips = [torch.rand(count, 3, 32, 32, generator=draw) for count in FRAMES]

    def __len__(self) -> int:
        return len(self.clips)

    def decode(self, row: int) -> torch.Tensor | None:
        return self.clips[row] if len(self.clips[row]) else None


def test_the_vectors_of_frames_are_the_same_one_three_and_all_at_once(tmp_path, monkeypatch):
    weights = str(tiny_clip(tmp_path))
    config = ClipImage.Config(model="tiny-clip", pretrained=weights, frames=4)
    encoder = ClipImage(config, tiny.context(), VIDEO)
    forward, frames_of_calls = ClipImage.forward, []

    def counted(self, inputs):
        frames_of_calls.append(int(inputs.mask_BT.sum()))
        return forward(self, inputs)

    monkeypatch.setattr(ClipImage, "forward", counted)
    outputs = []
    for most in (1, 3, 100):
        frames_of_calls.clear()
        monkeypatch.setattr(ClipImage, "steps_at_once", most)
        ((_, values, length),) = encode(encoder, Clips(), [0], torch.device("cpu"))
        assert tuple(length) == FRAMES and values.shape == (sum(FRAMES), encoder.width)
        # A clip is whole, and none shares a batch that would have too many frames.
        assert max(frames_of_calls) <= max(most, *FRAMES)
        outputs.append((values, len(frames_of_calls)))
    (one, calls_of_one), (three, _), (every, calls_of_all) = outputs
    assert calls_of_one == len(FRAMES) and calls_of_all == 1
    for values in (three, every):
        np.testing.assert_allclose(values, one, atol=1e-5)


def test_a_cpu_takes_fewer_frames_at_once_than_a_gpu(tmp_path):
    config = ClipImage.Config(model="tiny-clip", pretrained=str(tiny_clip(tmp_path)))
    encoder = ClipImage(config, tiny.context(), VIDEO)
    on_cpu = encoder.steps_at_once
    assert 0 < on_cpu < encoder.to("meta").steps_at_once

"""Clips through a ViT-B-32 of random weights, against the tower alone."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from merbench.data.encoder_cache.cache import Cache
from merbench.engine.rows.encode import encoded
from merbench.testing import tiny
from tests.benchmarks.encode import plan_of_clips

VIT_B_32 = {
    "embed_dim": 512,
    "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
ROWS = 32
"""Clips in a batch of the bare tower."""


def clips_against_the_tower(clips: int, device: torch.device) -> str:
    """Seconds of the tower on ready tensors over seconds of filling the cache, and clips a second."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = plan_of_clips(folder, VIT_B_32, clips)
        part, stream = plan.parts["encoder.video"], plan.streams["video"]
        encoder = part.factory(part.config, tiny.context(), stream.spec).to(device).eval()
        frames = torch.randint(0, 256, (ROWS, 8, 3, 224, 224), dtype=torch.uint8, device=device)
        ready = (frames, torch.ones(ROWS, 8, dtype=torch.bool, device=device))
        with torch.inference_mode():
            encoder(ready)  # warms up
            start = time.perf_counter()
            for _ in range(-(-clips // ROWS)):
                out = encoder(ready)
            out.x_BLD.sum().item()  # waits for the device
        bare = time.perf_counter() - start
        start = time.perf_counter()
        encoded(plan, "video", Cache(folder / "cache"), device)
        spent = time.perf_counter() - start
    return f"{bare / spent:.2f} ({clips / spent:.0f} clips/s)"

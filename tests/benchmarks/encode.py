"""``merbench encode`` against the bare tower: decoding, hashing and writing should hide behind it."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file

from merbench.api import Corpus, Protocol, Split, Stream, Task
from merbench.data.encoder_cache.cache import Cache
from merbench.engine.plan.plan import Plan, Request
from merbench.engine.resolve import resolve
from merbench.engine.rows.encode import encoded
from merbench.host.catalog import Catalog
from merbench.host.discovery import discover
from merbench.testing import tiny
from tests.clips import write_clip

CLIPS, SECONDS, SIZE = 24, 3, (320, 240)
BATCH = 4
TOWER = {
    "embed_dim": 256,
    "vision_cfg": {"image_size": 224, "layers": 8, "width": 512, "patch_size": 32},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    """Seconds of the tower on ready tensors over seconds of filling the cache from clips of 3 s,
    each pair one after the other.
    """
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = plan_of_clips(folder, TOWER, CLIPS)
        part, stream = plan.parts["encoder.video"], plan.streams["video"]
        encoder = part.factory(part.config, tiny.context(), stream.spec).eval()
        ready = (
            torch.randint(0, 256, (BATCH, 8, 3, 224, 224), dtype=torch.uint8),
            torch.ones(BATCH, 8, dtype=torch.bool),
        )
        ratios, speeds = [], []
        for repeat in range(repeats + 1):
            start = time.perf_counter()
            with torch.inference_mode():
                for _ in range(CLIPS // BATCH):
                    encoder(ready)
            bare = time.perf_counter() - start
            start = time.perf_counter()
            encoded(plan, "video", Cache(folder / f"cache{repeat}"), torch.device("cpu"))
            spent = time.perf_counter() - start
            if repeat:  # the first pair warms up
                ratios.append(bare / spent)
                speeds.append(CLIPS / spent)
    yield (
        "encode from clips over the bare tower's speed, 2 threads",
        f"{statistics.median(ratios):.2f}",
        "at least .90",
    )
    yield "clips of 3 s encoded in a second", f"{statistics.median(speeds):.1f}", ""


def plan_of_clips(folder: Path, tower: dict[str, Any], clips: int, files: int = CLIPS) -> Plan:
    """merclip on ``clips`` rows, each one of ``files`` clips of 3 s, with such a CLIP of random
    weights.
    """
    (folder / "bench-clip.json").write_text(json.dumps(tower))
    open_clip.add_model_config(folder / "bench-clip.json")
    save_file(open_clip.create_model("bench-clip").state_dict(), folder / "weights.safetensors")
    draw = np.random.default_rng(0)
    paths = []
    for i in range(files):
        # One picture that moves, with a little noise on it: what a talking head costs a decoder.
        picture = (
            draw.integers(0, 256, (SIZE[1] // 8, SIZE[0] // 8, 3), dtype=np.uint8)
            .repeat(8, 0)
            .repeat(8, 1)
        )
        frames = [
            np.roll(picture, k // 4, 1) | draw.integers(0, 8, picture.shape, dtype=np.uint8)
            for k in range(25 * SECONDS)
        ]
        paths.append(str(write_clip(folder / f"{i}.mp4", frames, gop=250, crf=23)))
    rows = np.arange(clips)
    named = np.array([paths[row % files] for row in rows])
    streams = {"video.clip": Stream.of_rows("video.clip", "video", "clip", named)}
    protocol = Protocol((Split(rows[:16], rows[16:20], rows[20:]),), ("video.clip",))
    task = Task(tiny.SPACES["score"], np.zeros(clips, np.float32))
    corpus = Corpus(
        "bench",
        rows.astype(str),
        rows.astype(str),
        np.full(clips, ""),
        {"task": task},
        streams,
        {"standard": protocol},
    )
    settings = {
        "encoder.video.model": "bench-clip",
        "encoder.video.pretrained": str(folder / "weights.safetensors"),
        "label_encoder": "label-random",
    }
    return resolve(Request("merclip", settings=settings), Catalog(discover()), corpus, None)

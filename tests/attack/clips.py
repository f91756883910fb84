"""Clips with bits flipped: decoded, or that modality is missing in that row, with a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from merbench.api.material.clips import ClipRows
from merbench.api.material.rows import TextRows
from merbench.api.material.types import StreamSpec
from merbench.api.media.pictures import read_frames
from merbench.api.media.sound import read_wave
from tests.attack.attack import Attack, Draws, Tries


def attack(draws: Draws, work: Path) -> Tries:
    from tests.clips import frame, tone, write_clip

    frames = [frame(number) for number in range(9)]
    clips = [
        write_clip(work / "a.mp4", frames, tone(0.3)),
        write_clip(work / "b.mkv", frames, tone(0.3)),
        write_clip(work / "c.avi", frames, codec="mpeg4", crf=1),
        write_clip(work / "d.wav", wave=tone(0.3), sound="pcm_s16le"),
        write_clip(work / "e.flac", wave=tone(0.3), sound="flac"),
    ]
    for draw in draws:
        clip = draw.choice(clips)
        content, path = bytearray(clip.read_bytes()), work / f"flipped{clip.suffix}"
        for _ in range(draw.choice((1, 1, 4, 64))):
            # The first bytes describe the rest.
            end = min(len(content), draw.choice((64, 1024, len(content))))
            content[draw.randrange(end)] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        yield _judge(path)


def _judge(path: Path) -> str:
    for kind, read in (
        ("video", lambda name: read_frames(name, 3)),
        ("audio", lambda name: read_wave(name, 16_000, 2.0)),
    ):
        spec = StreamSpec(f"{kind}.clip", kind, "clip")
        rows = ClipRows(TextRows(spec, np.array([str(path)]), torch.tensor([1])), read, list)
        try:
            values = rows.decode(0)
        except Exception as error:
            return f"{path.suffix} {kind}: {type(error).__name__}: {str(error)[:80]}"
        if values is None and not rows.notes:
            return f"{path.suffix} {kind}: missing without a reason"
    return ""


CLIPS = Attack("clips", "bits flipped in clips of five containers", attack, 12, 100_000)

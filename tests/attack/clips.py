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

SIZE = (128, 96)
"""That every codec takes."""
VIDEO = {
    "a.mp4": ("libx264", "yuv444p", "aac"),
    "b.mkv": ("libx264", "yuv420p", "flac"),
    "c.mov": ("libx265", "yuv420p", "alac"),
    "d.mp4": ("libsvtav1", "yuv420p", "libopus"),
    "e.webm": ("libvpx-vp9", "yuv420p", "libopus"),
    "f.webm": ("libvpx", "yuv420p", ""),
    "g.avi": ("mpeg4", "yuv420p", ""),
    "h.avi": ("mjpeg", "yuvj420p", "pcm_s16le"),
    "i.avi": ("msmpeg4v3", "yuv420p", "libmp3lame"),
    "j.ts": ("mpeg2video", "yuv420p", "mp2"),
    "k.mpg": ("mpeg1video", "yuv420p", "mp2"),
    "l.flv": ("flv", "yuv420p", "libmp3lame"),
    "m.wmv": ("wmv2", "yuv420p", ""),
    "n.3gp": ("h263", "yuv420p", ""),
    "o.mov": ("prores", "yuv422p10le", "pcm_s16le"),
    "p.mkv": ("ffv1", "yuv420p", ""),
    "q.gif": ("gif", "rgb8", ""),
}
"""File -> its video codec, format of pixels and sound codec."""
SOUND = {
    "a.wav": "pcm_s16le", "b.wav": "adpcm_ima_wav", "c.wav": "pcm_alaw", "d.wav": "pcm_f32le",
    "e.flac": "flac", "f.mp3": "libmp3lame", "g.ogg": "libopus", "h.m4a": "aac", "i.aac": "aac",
    "j.ac3": "ac3", "k.aiff": "pcm_s16be",
}  # fmt: skip
RATE = 48_000
PHOTOGRAPHS = ("a.jpg", "b.png", "c.webp", "d.bmp", "e.tiff")


def attack(draws: Draws, work: Path) -> Tries:
    clips = _clips(work)
    for draw in draws:
        clip = draw.choice(clips)
        content, path = bytearray(clip.read_bytes()), work / f"flipped{clip.suffix}"
        for _ in range(draw.choice((1, 1, 4, 64))):
            # The first bytes describe the rest.
            end = min(len(content), draw.choice((64, 1024, len(content))))
            content[draw.randrange(end)] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        yield _judge(path)


def _clips(folder: Path) -> list[Path]:
    """One of each container and codec in use."""
    from PIL import Image

    from tests.clips import frame, tone, write_clip

    frames = [frame(number, SIZE) for number in range(9)]
    wave = tone(0.3, RATE)
    for name in PHOTOGRAPHS:
        Image.fromarray(frames[3]).save(folder / name)
    return [
        *(
            write_clip(
                folder / f"video-{name}", frames, wave if sound else None,
                codec=codec, pixels=pixels, sound=sound, rate=RATE,
            )
            for name, (codec, pixels, sound) in VIDEO.items()
        ),
        *(
            write_clip(folder / f"sound-{name}", wave=wave, sound=sound, rate=RATE)
            for name, sound in SOUND.items()
        ),
        *(folder / name for name in PHOTOGRAPHS),
    ]  # fmt: skip


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


CLIPS = Attack("clips", "bits flipped in clips of 33 containers and codecs", attack, 12, 100_000)

"""Clips for tests, made with PyAV: frames whose red channel tells their number, and waveforms.

Pictures are encoded without loss and without subsampled colours (``crf`` 0), because a lossy encoder
gives other bytes from write to write, enough to misread a frame's number.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE = (64, 48)
RATE = 25
PIXELS = {True: "yuv444p", False: "yuv420p"}
"""Pixel format by whether the encoder loses nothing."""


def frame(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """RGB [H, W, 3]: red = 5 times the number, green = the upper half."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[..., 0] = 5 * number
    image[: size[1] // 2, :, 1] = 255
    return image


def number(image: np.ndarray) -> int:
    """Which frame this is."""
    return round(float(image[..., 0].mean()) / 5)


def numbers_in(path: Path) -> list[int]:
    """The numbers of all frames, decoded one after the other by PyAV alone."""
    with av.open(str(path)) as file:
        return [number(shown.to_ndarray(format="rgb24")) for shown in file.decode(video=0)]


def write_clip(
    path: Path, frames: Sequence[np.ndarray] | None = None, wave: np.ndarray | None = None, *, rate: int = 16_000,
    times: Sequence[int] | None = None, rotation: int = 0, codec: str = "libx264", sound: str = "aac", layout: str = "mono",
    movflags: str = "", gop: int = 12, crf: int = 0, matrix: Sequence[int] = (), pixel: Fraction | None = None,
    pixels: str = "",
) -> Path:  # fmt: skip
    """``frames`` at 25 a second, or at ``times`` (25ths of a second); ``matrix``: how they are
    displayed; ``pixel``: its shape; ``pixels``: their format, of an encoder with options of its
    own. ``wave`` [channels, S] at ``rate``. Either may be left out.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": movflags} if movflags else {}) as file:
        video = audio = None
        if frames is not None:
            # Without reordered pictures the file says how long the last one is shown.
            options = {"g": str(gop), "crf": str(crf), **({"bf": "0"} if times else {})}
            if pixels:
                options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
            video = file.add_stream(codec, rate=RATE, options=options)
            video.height, video.width = frames[0].shape[:2]
            video.pix_fmt = pixels or PIXELS[crf == 0]
            if pixel:
                video.codec_context.sample_aspect_ratio = pixel
            if rotation:
                video.set_display_rotation(rotation)
            if matrix:
                video.set_display_matrix(list(matrix))
        if wave is not None:
            audio = file.add_stream(sound, rate=rate, layout=layout)
        for i, image in enumerate(frames if video else []):
            shown = av.VideoFrame.from_ndarray(image, format="rgb24")
            shown.pts = times[i] if times else i
            file.mux(video.encode(shown))
        if video:
            file.mux(video.encode())
        if audio:
            whole = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(wave, np.float32), format="fltp", layout=layout
            )
            whole.sample_rate, whole.pts = rate, 0
            chunks = av.AudioResampler(audio.format, layout, rate, frame_size=1024)
            for chunk in (*chunks.resample(whole), *chunks.resample(None)):
                file.mux(audio.encode(chunk))
            file.mux(audio.encode())
    return path


def tone(seconds: float, rate: int = 16_000, pitch: float = 440.0) -> np.ndarray:
    """[1, S]: half as loud as it can be."""
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)[None]


def write_flat(
    path: Path, yuv: tuple[int, int, int], lines: int, tag: int | None, hdr: int | None = None
) -> Path:
    """A clip of one colour, given as it is coded; ``tag``: the colour space that the file names;
    ``hdr``: its transfer, of BT.2020's primaries.
    """
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=RATE, options={"crf": "1"})
        video.width, video.height, video.pix_fmt = lines * 4 // 3 // 2 * 2, lines, "yuv420p"
        if tag is not None:
            video.codec_context.colorspace = tag
        if hdr is not None:
            video.codec_context.color_primaries, video.codec_context.color_trc = 9, hdr
        for i in range(3):
            shown = av.VideoFrame(video.width, video.height, "yuv420p")
            for plane, value in zip(shown.planes, yuv, strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            shown.pts = i
            if tag is not None:
                shown.colorspace = tag
            file.mux(video.encode(shown))
        file.mux(video.encode())
    return path

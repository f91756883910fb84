"""Frames of a video file, upright and in the colours that it means."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from merbench.api.media.decoded import Decoded
from merbench.api.media.track import Track
from merbench.api.media.wide_colours import usual_colours

HD = 576
"""Lines above which untagged video is read as BT.709, as players do; at most so many: BT.601."""
_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED
_UNNAMED = 16
"""So many kinds of side data may be newer than PyAV's names."""
_MOST_STRETCHED = 4
"""Shape of a pixel, or one over it, from which the file is not believed."""


def read_frames(path: str, count: int) -> Decoded:
    """``count`` frames, uniformly spaced in time: a list of RGB uint8 [H, W, 3], stretched to
    square pixels, turned and mirrored as the file says.

    Frame k is the one on screen at (k + .5) / count of the track's length, so a variable frame rate
    changes nothing. Where the track breaks off, the frames before are returned. Video that does not
    say how its colours are coded is taken as BT.709 above 576 lines, else as BT.601; HDR becomes
    what a usual screen shows of it.
    """
    frames: list[np.ndarray] = []
    with Track(path, "video") as track:
        frames = [_as_shown(frame, track) for frame in track.shown(count)]
    return Decoded(frames, track.note(bool(frames)))


def _as_shown(frame: Any, track: Track) -> np.ndarray:
    image_HWC = frame.to_ndarray(
        format="rgb24",
        src_colorspace=_colours(frame),
        threads=1,
        **_square(frame, track.pixel_shape),
    )
    codec = track.track.codec_context
    image_HWC = usual_colours(image_HWC, codec.color_primaries, codec.color_trc)
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV knows no name for some of it, such as a photograph's EXIF
        matrix = _with_named_side_data(frame, track.av).side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image_HWC
    return upright(image_HWC, np.frombuffer(bytes(matrix), np.int32).reshape(3, 3))


def _with_named_side_data(frame: Any, av: Any) -> Any:
    """The frame without what PyAV has no name for, which would hide the rest of it."""
    unnamed = max(kind.value for kind in av.sidedata.sidedata.Type) + 1
    graph = av.filter.Graph()
    graph.link_nodes(
        graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        ),
        *(
            graph.add("sidedata", f"mode=delete:type={kind}")
            for kind in range(unnamed, unnamed + _UNNAMED)
        ),
        graph.add("buffersink"),
    ).configure()
    graph.push(frame)
    return graph.pull()


def _square(frame: Any, pixel_shape: Fraction) -> dict[str, int]:
    """The size at which pixels are square (a DVD's are not); nothing where they are."""
    if pixel_shape == 1 or not 1 <= max(pixel_shape, 1 / pixel_shape) <= _MOST_STRETCHED:
        return {}
    if pixel_shape > 1:
        return {"width": round(frame.width * pixel_shape), "height": frame.height}
    return {"width": frame.width, "height": round(frame.height / pixel_shape)}


def _colours(frame: Any) -> str | None:
    """The conversion to RGB where the file names none; None where it does."""
    if frame.format.is_rgb or frame.colorspace != _UNSPECIFIED:
        return None
    return "itu709" if frame.height > HD else "itu601"


def upright(image_HWC: np.ndarray, matrix_33: np.ndarray) -> np.ndarray:
    """The image as a display matrix (FFmpeg's ``AVDisplayMatrix``) shows it, to the nearest quarter
    turn: the pixel (x, y) is shown at (a x + c y, b x + d y), rows of the matrix being (a, b), (c,
    d).
    """
    (a, b), (c, d) = matrix_33[:2, :2].astype(np.int64)
    sideways = abs(b) + abs(c) > abs(a) + abs(d)
    if sideways:
        image_HWC = image_HWC.swapaxes(0, 1)
    x_sign, y_sign = (c, b) if sideways else (a, d)
    return image_HWC[:: -1 if y_sign < 0 else 1, :: -1 if x_sign < 0 else 1]

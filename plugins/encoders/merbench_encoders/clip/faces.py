"""Faces in the frames of a clip: dlib's frontal face detector, whose weights come inside its
package, and the squares around them.
"""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from merbench.api import RequestError

LINES = 480
"""The shorter side of the frames that are searched, in pixels: the smallest face that the detector
knows, 80 wide, is a sixth of it.
"""


class Box(NamedTuple):
    """In pixels of its frame, of which it may stick out."""

    left: float
    top: float
    width: float
    height: float


class Faces(threading.local):
    """Finds the largest face of a frame. A detector a thread: dlib's is not made for several at
    once.

    Raises RequestError where dlib is not installed.
    """

    def __init__(self) -> None:
        self.detect = copy.deepcopy(_detector())

    def largest(self, frame_HWC: np.ndarray) -> Box | None:
        """The box of the largest face of an RGB uint8 frame [H, W, 3]."""
        height, width = frame_HWC.shape[:2]
        scale = LINES / min(height, width)
        resized = Image.fromarray(frame_HWC).resize(
            (round(width * scale), round(height * scale)), Image.Resampling.BILINEAR
        )
        boxes = [
            Box(*(edge / scale for edge in (f.left(), f.top(), f.width(), f.height())))
            for f in self.detect(np.asarray(resized), 0)
        ]
        return max(boxes, key=lambda box: box.width * box.height, default=None)

    def cut(self, frames: Sequence[np.ndarray], margin: float) -> tuple[list[np.ndarray], int]:
        """The squares around the faces, and the number of frames without a face.

        Such a frame is cut where the frame nearest in time has its face; where none of them has
        one, all stay whole.
        """
        largest_faces = [self.largest(frame) for frame in frames]
        boxes, lost = nearest(largest_faces), largest_faces.count(None)
        return [
            frame if box is None else cut_out(frame, box, margin)
            for frame, box in zip(frames, boxes, strict=True)
        ], lost


def face_weights() -> dict[str, str]:
    """Name and version of the detector -> SHA-256 of its weights. Raises RequestError where dlib is
    not installed.
    """
    (weights,) = _detector().__getstate__()
    return {f"face:dlib-{_dlib().__version__}": hashlib.sha256(weights).hexdigest()}


def nearest(boxes: Sequence[Box | None]) -> list[Box | None]:
    """Each missing box is that of the nearest place that has one, of two the earlier; nothing where
    there is none at all.
    """
    with_box = [k for k, box in enumerate(boxes) if box is not None]
    return (
        [boxes[min(with_box, key=lambda k: abs(k - frame))] for frame in range(len(boxes))]
        if with_box
        else list(boxes)
    )


def cut_out(frame_HWC: np.ndarray, box: Box, margin: float) -> np.ndarray:
    """The part of a frame [H, W, 3] in the square around ``box``, [S, S, 3]."""
    left, top, side = square(box, margin, frame_HWC.shape[1], frame_HWC.shape[0])
    return frame_HWC[top : top + side, left : left + side]


def square(box: Box, margin: float, width: int, height: int) -> tuple[int, int, int]:
    """Left, top and side of the square around ``box`` in a frame of this size, ``margin`` of its
    longer side added on each side.

    A square that would stick out is moved into the frame, and is as large as the frame allows.
    """
    side = min(max(1, round(max(box.width, box.height) * (1 + 2 * margin))), width, height)
    left, top = box.left + (box.width - side) / 2, box.top + (box.height - side) / 2
    return min(max(0, round(left)), width - side), min(max(0, round(top)), height - side), side


@cache
def _detector() -> Any:
    """To be copied, which takes a millisecond; dlib takes half a second to unpack it."""
    return _dlib().get_frontal_face_detector()


def _dlib() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise RequestError(
            f"face=largest needs dlib, which cannot be imported ({error}); "
            "pip install 'merbench-encoders[face]', or leave face=none"
        ) from None
    return dlib

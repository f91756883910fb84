"""A computational sequence of the CMU-MultimodalSDK: HDF5, one group that holds
``data/VIDEO/{features, intervals}`` and ``metadata``. Where the SDK has cut it (``align``), an
entry is called ``VIDEO[k]``: segment k of the video, from 0.

Only what is plainly in the file is read: no links to other files, no virtual data, one video at a
time.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api import DataError

MOST = 2**31
"""Bytes of one video's features from which they are refused: an hour of 100 values a second, 74
wide, takes a tenth of it.
"""


def segment_of(entry: str) -> tuple[str, int | None]:
    """``(video, k)`` of an entry ``VIDEO[k]``; ``(entry, None)`` where it is a whole video."""
    parts = re.fullmatch(r"(.+)\[(\d{1,9})\]", entry)
    return (parts[1], int(parts[2])) if parts else (entry, None)


class CsdSequence:
    """``steps``: entry (a video, or ``VIDEO[k]``) -> number of its steps. ``segments``: video -> k
    -> entry, of those that are cut. ``refused``: entry -> why it is not read. ``width``: None where
    the features are words.

    DataError where the file cannot be read at all, or not one of its videos.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            import h5py
        except ImportError:
            raise DataError(
                f"{path.name} is an HDF5 file, and h5py is not installed; "
                "pip install 'merbench-datasets[csd]'"
            ) from None
        self._h5py: Any = h5py
        self._last: tuple[str, np.ndarray, np.ndarray] | None = None
        self.steps: dict[str, int] = {}
        self.refused: dict[str, str] = {}
        try:
            self._file = h5py.File(path, "r")
            self._root = self._find_root()
            kinds = {
                video: kind
                for video in sorted(self._root["data"])
                if (kind := self._kind(video)) is not None
            }
        except DataError:
            raise
        except Exception as error:  # a damaged file can fail in any layer of the library
            raise self._damaged(error) from None
        if not kinds:
            reason = next((f"; {video}: {reason}" for video, reason in self.refused.items()), "")
            raise DataError(
                f"{path} has no video that can be read{reason}; copy it again, or leave it out"
            )
        self.width = Counter(kinds.values()).most_common(1)[0][0] or None
        for video, kind in kinds.items():
            if (kind or None) != self.width:
                width_text, usual_text = (f"{k} wide" if k else "words" for k in (kind, self.width))
                self.refused[video] = (
                    f"its features are {width_text}, and those of most videos {usual_text}"
                )
                del self.steps[video]
        self.segments: dict[str, dict[int, str]] = {}
        for entry in self.steps:
            video, number = segment_of(entry)
            if number is not None:
                self.segments.setdefault(video, {})[number] = entry

    def entry(
        self, video: str, number: int | None, interval: tuple[float, float]
    ) -> tuple[str, bool]:
        """``(entry that holds an utterance, whether it holds that utterance alone)``; ``""`` where
        none does.

        ``number``: of the segment, from 0; where it is None, the segment that shares most time with
        the interval (intersection over union) is the one.
        """
        if video in self.steps:
            return video, False
        segments = self.segments.get(video, {})
        if number is not None:
            return segments.get(number, ""), True
        shared = {entry: self._shared(entry, interval) for entry in segments.values()}
        best = max(shared, key=shared.__getitem__, default="")
        return (best, True) if best and shared[best] > 0.5 else ("", True)

    def _shared(self, entry: str, interval: tuple[float, float]) -> float:
        """Intersection over union of an entry's time and an interval."""
        times = self.intervals(entry)
        times = times[np.isfinite(times).all(axis=1)]
        if not len(times):
            return 0.0
        start, end = float(times.min()), float(times.max())
        intersection = min(end, interval[1]) - max(start, interval[0])
        union = max(end, interval[1]) - min(start, interval[0])
        return intersection / union if union > 0 else 0.0

    def close(self) -> None:
        self._file.close()

    def metadata(self, key: str) -> Any:
        """The first value under ``metadata/KEY``, as JSON where it is that; None where there is
        none.
        """
        try:
            value = self._root["metadata"][key][()]
            value = value.ravel()[0] if isinstance(value, np.ndarray) else value
            text = value.decode() if isinstance(value, bytes) else str(value)
        except Exception:
            return None
        try:
            return json.loads(text)
        except ValueError:
            return text

    def read(self, video: str) -> tuple[np.ndarray, np.ndarray]:
        """``(features [L, width] or words [L] str, intervals [L, 2] float64)`` in the order of the
        file; the last video is kept.
        """
        if self._last is None or self._last[0] != video:
            try:
                group = self._root["data"][video]
                features, intervals = (
                    group["features"][()],
                    group["intervals"][()].astype(np.float64),
                )
            except Exception as error:
                raise self._damaged(error) from None
            if self.width is None:
                features = np.array(
                    [_word(word) for word in (features[:, 0] if features.ndim > 1 else features)],
                    dtype=object,
                )
            self._last = video, features, intervals
        return self._last[1], self._last[2]

    def intervals(self, video: str) -> np.ndarray:
        """[L, 2] float64, without the features."""
        try:
            times: np.ndarray = self._root["data"][video]["intervals"][()].astype(np.float64)
        except Exception as error:
            raise self._damaged(error) from None
        return times

    def _find_root(self) -> Any:
        groups = [
            name
            for name in self._file
            if self._own(self._file, name, self._h5py.Group) and "data" in self._file[name]
        ]
        if len(groups) != 1 or not self._own(self._file[groups[0]], "data", self._h5py.Group):
            raise DataError(
                f"{self.path} is HDF5 and no computational sequence: "
                "it holds no single group with data in it; give another file"
            )
        return self._file[groups[0]]

    def _own(self, parent: Any, name: str, kind: type) -> bool:
        """Whether it is there, of this kind, and in this very file."""
        return isinstance(parent.get(name, getlink=True), self._h5py.HardLink) and isinstance(
            parent.get(name), kind
        )

    def _kind(self, video: str) -> int | None:
        """The width of its features, 0 = words; None where it is refused."""
        data = self._root["data"]
        reason = self._wrong(data, video)
        if reason:
            self.refused[video] = reason
            return None
        features = data[video]["features"]
        self.steps[video] = features.shape[0]
        return 0 if features.dtype.kind in "SO" else int(features.shape[1])

    def _wrong(self, data: Any, video: str) -> str:
        if not self._own(data, video, self._h5py.Group):
            return "it is no group of this file"
        for name in ("features", "intervals"):
            if not self._own(data[video], name, self._h5py.Dataset):
                return f"it has no {name}"
            if data[video][name].is_virtual or data[video][name].external:
                return f"its {name} are in another file"
        features, intervals = data[video]["features"], data[video]["intervals"]
        if intervals.ndim != 2 or intervals.shape[1] != 2 or intervals.dtype.kind not in "fiu":
            return (
                f"its intervals are {intervals.dtype} of shape {intervals.shape}, "
                "not numbers [steps, 2]"
            )
        if features.dtype.kind == "O" and self._h5py.check_string_dtype(features.dtype) is None:
            return "its features are neither numbers nor words"
        words = features.dtype.kind in "SO"
        if (
            features.dtype.kind not in "fiubSO"
            or features.ndim not in ((1, 2) if words else (2,))
            or 0 in features.shape[1:]
        ):
            return (
                f"its features are {features.dtype} of shape {features.shape}, not numbers [steps, "
                "width] or words"
            )
        if features.shape[0] != intervals.shape[0]:
            return f"it has {features.shape[0]} features and {intervals.shape[0]} intervals"
        if max(features.size * features.dtype.itemsize, intervals.size * 8) > MOST:
            return f"it claims {features.shape[0]:,} steps, more than an utterance's video has"
        return ""

    def _damaged(self, error: Exception) -> DataError:
        return DataError(
            f"{self.path} cannot be read "
            f"({str(error).splitlines()[0][:100] if str(error) else type(error).__name__}); "
            "copy it again"
        )


def _word(word: Any) -> str:
    text = word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
    return text.replace("\0", "").strip()

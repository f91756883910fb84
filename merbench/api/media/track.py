"""The first video or audio track of a file, decoded in the order of time (PyAV, extra ``raw``)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from merbench.api.errors import RequestError
from merbench.api.media.stated_size import missing_bytes
from merbench.api.system_errors import is_shortage

SHORT = 0.9
"""A track that ends before this share of the length it claims is reported."""
_UNKNOWN_LENGTH = {"matroska", "mpeg", "mpegts", "aac", "ac3", "eac3", "amr", "dts", "loas"}
"""Formats that state no length of a track: Matroska gives every track that of the longest, of the
others FFmpeg guesses it from the first packets.
"""


def decoder(purpose: str) -> Any:
    """PyAV. RequestError, about ``purpose``, where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise RequestError(
            f"{purpose} holds raw clips, and PyAV, which decodes them, cannot be imported "
            f"({error}); "
            "pip install 'merbench[raw]', "
            "or use a stream of features"
        ) from None
    return av


class Track:
    """The first video or audio track of a file. What is wrong with it ends up in ``note()``, also
    from inside the ``with``; what this machine lacks is raised.
    """

    def __init__(self, path: str, kind: str) -> None:
        self.path, self.kind, self.av = path, kind, decoder(path)
        self.failure, self.damaged, self.seen = "", 0, 0
        self.start = self.length = self.end = Fraction(0)
        self.container: Any = None
        self.track: Any = None

    def __enter__(self) -> Track:
        if Path(self.path).exists() and not Path(self.path).is_file():
            self.failure = "it is no file"  # a pipe would be waited for
            return self
        try:
            self.container = self.av.open(self.path, metadata_errors="replace")
            tracks = self._tracks(self.container)
            if tracks:
                self.track = tracks[0]
                self.track.codec_context.thread_count = (
                    1  # who decodes many clips has threads of its own
                )
                self.start, self.length = self._extent()
            else:
                self.failure = f"no {self.kind} track"
        except (self.av.FFmpegError, OSError, ValueError) as error:
            if is_shortage(error):
                raise
            self.failure = _why(error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> bool:
        if self.container is not None:
            self.container.close()
        if not isinstance(
            error, (self.av.FFmpegError, ValueError)
        ):  # ValueError: a frame that PyAV does not take
            return False
        if is_shortage(error):
            return False
        self.failure = _why(error)
        return True

    def _tracks(self, container: Any) -> list[Any]:
        """Those of its kind; the picture of a cover is no video."""
        cover = self.av.stream.Disposition.attached_pic
        tracks = getattr(container.streams, self.kind)
        return [track for track in tracks if not track.disposition & cover]

    def _extent(self) -> tuple[Fraction, Fraction]:
        """Start and length in seconds; by reading the packets where the track does not say (its
        file may: of its longest track).
        """
        unit = self.track.time_base
        formats = set(self.container.format.name.split(","))
        if self.track.duration and not formats & _UNKNOWN_LENGTH:
            return (self.track.start_time or 0) * unit, self.track.duration * unit
        with self.av.open(self.path, metadata_errors="replace") as again:
            packets = [p for p in again.demux(self._tracks(again)[0]) if p.size]
        timed = [p for p in packets if p.pts is not None]
        if not timed:  # a stream without a container has no times
            return Fraction(0), sum((p.duration or 0) for p in packets) * unit
        start = self.track.start_time
        start = min(p.pts for p in timed) if start is None else start
        return start * unit, max(p.pts + (p.duration or 0) for p in timed) * unit - start * unit

    def frames(self) -> Iterator[Any]:
        """In the order of time, from where the file stands. Packets that cannot be decoded are
        counted and passed over.
        """
        if self.track is None:
            return
        packets = self.container.demux(self.track)
        while True:
            try:
                packet = next(packets, None)
                frames = [] if packet is None else packet.decode()
            except self.av.FFmpegError as error:
                if is_shortage(error):
                    raise
                self.damaged += 1
                # A packet that cannot be read ends the track; one that cannot be decoded does not.
                frames = []
            if packet is None:
                return
            for frame in frames:
                if frame.is_corrupt:
                    self.damaged += 1
                    continue
                self.seen += 1
                time = self._time(frame)
                self.end = max(self.end, time + self._lasts(frame))
                yield frame

    def _time(self, frame: Any) -> Fraction:
        return self.end if frame.pts is None else Fraction(frame.pts * frame.time_base)

    def _lasts(self, frame: Any) -> Fraction:
        if self.kind == "audio":
            return Fraction(frame.samples, frame.sample_rate)
        return Fraction((frame.duration or 0) * frame.time_base)

    def shown(self, count: int) -> list[Any]:
        """The frame on screen at each of ``count`` times. Leaps to a key frame where one lies
        between here and there.
        """
        if self.track is None:
            return []
        unit, index = self.track.time_base, self.track.index_entries
        # The index counts in decoding time, which starts before the first picture where pictures
        # are reordered.
        late = int(self.start / unit) - index[0].timestamp if len(index) else 0
        keys = [e.timestamp + late for e in index if e.is_keyframe]
        run = self.frames()
        last, ahead, picked = None, next(run, None), list[Any]()
        for k in range(count):
            goal = self.start + self.length * Fraction(2 * k + 1, 2 * count)
            key_index = bisect_right(keys, int(goal / unit)) - 1
            if ahead is not None and key_index >= 0 and keys[key_index] > self._time(ahead) / unit:
                self.container.seek(keys[key_index] - late, stream=self.track)
                run = self.frames()
                last, ahead = None, next(run, None)
                if (
                    ahead is None or self._time(ahead) > goal
                ):  # the index lies: read on from the start
                    keys = []
                    self.container.seek(self.track.start_time or 0, stream=self.track)
                    run = self.frames()
                    ahead = next(run, None)
            while ahead is not None and self._time(ahead) <= goal:
                last, ahead = ahead, next(run, None)
            if ahead is None and goal >= self.end and (self.damaged or self._short):
                break
            if (frame := last or ahead) is not None:
                picked.append(frame)
        return picked

    @property
    def pixel_shape(self) -> Fraction:
        """Width over height of a pixel of a video track; 1 where the file says nothing."""
        return (self.track and self.track.sample_aspect_ratio) or Fraction(1)

    @property
    def _short(self) -> bool:
        return self.end - self.start < SHORT * self.length

    def note(self, was_decoded: bool) -> str:
        """What was wrong; empty where nothing was. ``was_decoded``: whether anything could be."""
        if self.failure or not was_decoded:
            return self.failure or f"nothing of its {self.kind} track can be decoded"
        if self._short and self.kind == "audio":
            return (
                f"its audio track breaks off after {float(self.end - self.start):.1f} of "
                f"{float(self.length):.1f} s"
            )
        if missing := missing_bytes(self.path):
            return "its file breaks off: {:,} of {:,} bytes are there".format(*missing)
        return (
            f"its {self.kind} track is damaged in {self.damaged} place(s)" if self.damaged else ""
        )


def _why(error: Exception) -> str:
    return f"cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})"

"""Raw clips: frames and waveforms out of video and audio files, through PyAV (extra ``raw``).
Nothing is decoded before it is asked for.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from merbench.api.errors import RequestError

if TYPE_CHECKING:
    from torch import Tensor

    from merbench.api.rows import TextRows

SHORT = 0.9
"""A track that ends before this share of the length it claims is told of."""
CUT_SHORT, WITHOUT = "clips_cut_short", "clips_without"
"""What is counted: clips of which a part was decoded, and clips of which nothing was."""


Shares = Mapping[str, tuple[int, int]]
"""Name -> how many of how many, which is measured as a rate over all clips."""


class Decoded(NamedTuple):
    """``values``: frames or samples; none = this modality is missing. ``note``: why it is missing
    or cut short; empty = all is well.

    ``shares``: what else was counted in this clip.
    """

    values: Any
    note: str = ""
    shares: Shares = {}


def read_frames(path: str, count: int) -> Decoded:
    """``count`` frames, uniformly spaced in time: a list of RGB uint8 [H, W, 3], turned as the file
    says.

    Frame k is the one on screen at (k + .5) / count of the track's length, so a variable frame rate
    changes nothing. Where the track breaks off, the frames before are returned.
    """
    frames: list[np.ndarray] = []
    with _Track(path, "video") as track:
        frames = [
            np.rot90(f.to_ndarray(format="rgb24"), round(f.rotation / 90))
            for f in track.shown(count)
        ]
    return Decoded(frames, track.note(bool(frames)))


def read_wave(path: str, rate: int) -> Decoded:
    """The first audio track as mono float32 [S] in [-1, 1] at ``rate`` samples a second: the mean
    of its channels, resampled.
    """
    pieces = [np.zeros(0, np.float32)]
    with _Track(path, "audio") as track:
        # A track may change on the way (a recording of television), and a resampler takes frames of
        # one make.
        for _, run in groupby(
            track.frames(), lambda frame: (frame.format.name, frame.layout.name, frame.sample_rate)
        ):
            # Channels are kept here: where libswresample mixes them into floats, two equal ones
            # become louder.
            resampler = track.av.AudioResampler(format="fltp", rate=rate)
            for frame in chain(run, [None]):  # None: what the filter still holds
                pieces += [piece.to_ndarray().mean(0) for piece in resampler.resample(frame)]
    wave = np.concatenate(pieces)
    return Decoded(
        np.nan_to_num(wave, posinf=1.0, neginf=-1.0).clip(-1, 1), track.note(len(wave) > 0)
    )


class ClipRows:
    """A split's clips as an encoder's ``prepare()`` returns them: ``rows[rows_B]`` decodes those
    clips and makes the encoder's input.

    ``read(path)`` -> Decoded. ``make(values)``: one entry a row, None where there is nothing -> the
    encoder's input. ``notes``: row -> what was wrong with its clip, and ``shares``: row -> what
    else was counted in it, of the rows read so far; ``measured`` sums up both. Several threads may
    read at once. Raises RequestError where PyAV is not installed.
    """

    def __init__(
        self, rows: TextRows, read: Callable[[str], Decoded], make: Callable[[list[Any]], Any]
    ) -> None:
        _decoder(f"stream {rows.spec.name}")
        self.rows, self.read, self.make = rows, read, make
        self.notes: dict[int, str] = {}
        self.shares: dict[int, Shares] = {}
        self.measured: dict[str, float] = {}
        self._total: Shares = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows_B: Tensor) -> Any:
        return self.make(
            [
                self._values(row, path)
                for row, path in zip(rows_B.tolist(), self.rows[rows_B], strict=True)
            ]
        )

    def _values(self, row: int, path: str | None) -> Any:
        if path is None:
            return None
        found = self.read(path)
        with self._lock:
            self._count(row, found)
        return found.values if len(found.values) else None

    def _count(self, row: int, found: Decoded) -> None:
        if found.note and row not in self.notes:
            self.notes[row] = found.note
            kind = CUT_SHORT if len(found.values) else WITHOUT
            self.measured[kind] = self.measured.get(kind, 0.0) + 1
        if found.shares and row not in self.shares:
            self.shares[row] = found.shares
            self._total = summed((self._total, found.shares))
            self.measured |= rates(self._total)


def summed(shares: Iterable[Shares]) -> Shares:
    """Name by name."""
    total: dict[str, tuple[int, int]] = {}
    for name, (some, of) in (item for one in shares for item in one.items()):
        before = total.get(name, (0, 0))
        total[name] = before[0] + some, before[1] + of
    return total


def rates(total: Shares) -> dict[str, float]:
    """Name -> how many divided by of how many."""
    return {name: some / of for name, (some, of) in sorted(total.items())}


def _decoder(what: str) -> Any:
    try:
        import av
    except ImportError as error:
        raise RequestError(
            f"{what} holds raw clips, and PyAV, which decodes them, cannot be imported ({error}); pip install 'merbench[raw]', "
            "or use a stream of features"
        ) from None
    return av


class _Track:
    """The first video or audio track of a file. What is wrong with it ends up in ``note()``, also
    from inside the ``with``.
    """

    def __init__(self, path: str, kind: str) -> None:
        self.path, self.kind, self.av = path, kind, _decoder(path)
        self.failure, self.damaged, self.seen = "", 0, 0
        self.start = self.length = self.end = Fraction(0)
        self.container: Any = None
        self.track: Any = None

    def __enter__(self) -> _Track:
        try:
            self.container = self.av.open(self.path, metadata_errors="replace")
            tracks = getattr(self.container.streams, self.kind)
            if tracks:
                self.track = tracks[0]
                self.track.codec_context.thread_count = (
                    1  # who decodes many clips has threads of its own
                )
                self.start, self.length = self._extent()
            else:
                self.failure = f"no {self.kind} track"
        except (self.av.FFmpegError, OSError, ValueError) as error:
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
        self.failure = _why(error)
        return True

    def _extent(self) -> tuple[Fraction, Fraction]:
        """Start and length in seconds; by reading the packets where the track does not say (its
        file may: of its longest track).
        """
        unit = self.track.time_base
        start = (self.track.start_time or 0) * unit
        if self.track.duration:
            return start, self.track.duration * unit
        with self.av.open(self.path, metadata_errors="replace") as again:
            packets = again.demux(getattr(again.streams, self.kind)[0])
            ends = [(p.pts + (p.duration or 0)) * unit for p in packets if p.pts is not None]
        return start, max(ends, default=start) - start

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
            except self.av.FFmpegError:
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
            before = bisect_right(keys, int(goal / unit)) - 1
            if ahead is not None and before >= 0 and keys[before] > self._time(ahead) / unit:
                self.container.seek(keys[before] - late, stream=self.track)
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
    def _short(self) -> bool:
        return self.end - self.start < SHORT * self.length

    def note(self, found: bool) -> str:
        """What was wrong; empty where nothing was. ``found``: whether anything was decoded at all."""
        if self.failure or not found:
            return self.failure or f"nothing of its {self.kind} track can be decoded"
        if self._short and self.kind == "audio":
            return f"its audio track breaks off after {float(self.end - self.start):.1f} of {float(self.length):.1f} s"
        return (
            f"its {self.kind} track is damaged in {self.damaged} place(s)" if self.damaged else ""
        )


def _why(error: Exception) -> str:
    return f"cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})"

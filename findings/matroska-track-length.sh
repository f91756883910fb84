#!/usr/bin/env bash
# A Matroska track does not say how long it is, and one that starts late says the file's length.
#
# Versions:  PyAV 18.1.0 (with its own FFmpeg), numpy 2.4.6.
# Guess:     `stream.duration` is the length of that track: 1 s of pictures beside 3 s of sound say
#            1 s, as they do in MP4.
# Behaviour: in Matroska `stream.duration` is None for both tracks. But where pictures start at 20 s
#            of 30 s of sound, beyond what FFmpeg reads to probe a file, the video track reports a
#            length of 30.1 s and a start of 0.0 s: the file's own. It holds pictures from 20 s to
#            21 s. Frames chosen evenly over that length are mostly of moments without a picture.
#            The track's DURATION tag says where it ends (21 s), if whoever wrote the file set one.
# Source:    in Matroska (RFC 9559) Duration is an element of the segment's Info, not of a track.
#            FFmpeg, libavformat/demux.c, fill_all_stream_timings: a stream without a start time
#            after probing is given the file's start and duration. PyAV's Stream.duration is
#            AVStream's.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet av==18.1.0 numpy==2.4.6
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"av": "18.1.0", "numpy": "2.4.6"}
installed = {package.name: package.version.partition("+")[0] for package in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" - <<'END'
import sys
from fractions import Fraction

import av
import numpy as np

RATE, SOUND = 10, 16_000


def write(path, first_picture, seconds_of_sound):
    """One second of pictures from ``first_picture`` (s) on, and sound from 0 on."""
    container = av.open(path, "w")
    video = container.add_stream("mpeg4", rate=RATE)
    video.width = video.height = 32
    video.pix_fmt = "yuv420p"
    audio = container.add_stream("aac", rate=SOUND, layout="mono")
    for i in range(seconds_of_sound * 10):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, SOUND // 10), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND, i * SOUND // 10, Fraction(1, SOUND)
        container.mux(audio.encode(frame))
    container.mux(audio.encode())
    for i in range(RATE):
        frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 20 * i, np.uint8), "rgb24")
        frame.pts, frame.time_base = first_picture * RATE + i, Fraction(1, RATE)
        container.mux(video.encode(frame))
    container.mux(video.encode())
    container.close()


def read(path):
    """Of the video track: stated start and length, DURATION tag, first and last picture's time."""
    with av.open(path) as container:
        video = container.streams.video[0]
        unit, tag = video.time_base, video.metadata.get("DURATION")
        ticks = (video.start_time, video.duration)
        stated = [None if tick is None else round(float(tick * unit), 1) for tick in ticks]
        times = [round(float(frame.time), 1) for frame in container.decode(video)]
    return *stated, tag, times[0], times[-1]


expected = {
    "together.mp4": (0, 3, (0.0, 1.0, None, 0.0, 0.9)),
    "together.mkv": (0, 3, (0.0, None, "00:00:01.000000000", 0.0, 0.9)),
    "late.mkv": (20, 30, (0.0, 30.1, "00:00:21.000000000", 20.0, 20.9)),
}
as_stated = True
for path, (first_picture, seconds_of_sound, stated) in expected.items():
    write(path, first_picture, seconds_of_sound)
    start, length, tag, first, last = measured = read(path)
    print(f"{path}: start {start}, length {length}, tag {tag}; pictures from {first} to {last} s")
    as_stated &= measured == stated
sys.exit(0 if as_stated else "not as stated")
END

#!/usr/bin/env bash
# PyAV: `side_data` of a photograph's frame raises ValueError where the file holds EXIF.
#
# Versions:  av 18.1.0 (with FFmpeg 8), pillow 13.0.0.
# Guess:     `frame.side_data.get("DISPLAYMATRIX")` tells how a frame is turned, or is None.
# Behaviour: the whole mapping is built when it is asked for, and each entry's number is looked up
#            in PyAV's enumeration of types, which ends at 27 (VIDEO_HINT). FFmpeg 8 has five and
#            more after it: 31 is EXIF, which its JPEG, PNG and WebP decoders attach. One entry of a
#            type that has no name raises, and the others, the display matrix among them, cannot be
#            reached; `frame.rotation` works, and says nothing of a mirrored picture.
# Source:    PyAV, av/sidedata/sidedata.py: Type, _SideDataContainer; FFmpeg, libavutil/frame.h:
#            AV_FRAME_DATA_EXIF.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet av==18.1.0 pillow==13.0.0
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"av": "18.1.0", "pillow": "13.0.0"}
installed = {package.name: package.version.partition("+")[0] for package in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" - <<'END'
import sys

import av
from PIL import Image

picture = Image.new("RGB", (64, 48), "red")
exif = Image.Exif()
exif[0x0112] = 6  # turned by a quarter
picture.save("with.jpg", exif=exif)
picture.save("without.jpg")
behaviour = {}
for name in ("without", "with"):
    with av.open(f"{name}.jpg") as file:
        frame = next(file.decode(video=0))
        try:
            behaviour[name] = f"side_data has {len(frame.side_data)} entries"
        except ValueError as error:
            behaviour[name] = f"ValueError: {error}"
        behaviour[name] += f"; rotation {frame.rotation}"
    print(f"{name} EXIF: {behaviour[name]}")
as_stated = behaviour == {
    "without": "side_data has 0 entries; rotation 0",
    "with": "ValueError: 31 is not a valid Type; rotation -90",
}
sys.exit(0 if as_stated else "not as stated")
END

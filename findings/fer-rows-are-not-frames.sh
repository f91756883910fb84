#!/usr/bin/env bash
# fer's table of a video leaves frames out, repeats others, and does not say which frame a row is.
#
# Versions:  fer 25.10.3, opencv-contrib-python-headless 5.0.0.93, pandas 3.1.1, numpy 2.4.6.
# Guess:     `Video.analyze` has a row a frame, empty where there is no face, or a frame's number
#            beside each row; `frequency=5`, "inference on every nth frame", reads frames 0, 5, 10,
#            ..., also with `batch_size=4`, "number of frames to process together".
# Behaviour: a frame without a face has no row, and no column or index counts frames: of 40 frames
#            with faces but for 10 to 19 there are 30 rows, 0 to 29, and row 10 is frame 20. All
#            that follows the first missing face is earlier than it was. With `frequency` and
#            `batch_size` together one frame is read as often as a batch has places, and the frames
#            between are never read: 0, 0, 0, 0, 20, 20, 20, 20 in place of 0, 5, ..., 35.
# Source:    fer, classes.py, Video.analyze: `if faces: frames_emotions.append(faces)`; before each
#            read it goes to `self.frameCount`, which moves on only when a batch is processed.
# The detector here, in place of fer's network, finds a face whose score is the frame's number.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet opencv-contrib-python-headless==5.0.0.93 pandas==3.1.1 \
        numpy==2.4.6 pillow tqdm requests
    "$PYTHON" -m pip install --quiet --no-deps fer==25.10.3 # videos need no TensorFlow
fi
cd "$folder"
export TQDM_DISABLE=1
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {
    "fer": "25.10.3",
    "opencv-contrib-python-headless": "5.0.0.93",
    "pandas": "3.1.1",
    "numpy": "2.4.6",
}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distribution
from types import ModuleType

import cv2
import numpy as np

FRAMES, GREY = 40, 6

# The package imports TensorFlow for its network; its class of videos does not need it.
package = ModuleType("fer")
package.__path__ = [str(distribution("fer").locate_file("fer"))]
sys.modules["fer"] = package
# OpenCV without windows has no keyboard to ask, which fer does after each frame.
cv2.waitKey, cv2.destroyAllWindows = lambda delay=0: -1, lambda: None

from fer.classes import Video


class FrameNumbers:
    def __init__(self, without_face=()):
        self.without_face, self.read = without_face, []

    def _get_labels(self):
        return {0: "happy"}

    def detect_emotions(self, picture):
        number = round(picture.mean() / GREY)
        self.read.append(number)
        if number in self.without_face:
            return []
        return [{"box": [0, 0, 32, 32], "emotions": {"happy": number}}]

    def batch_detect_emotions(self, pictures):
        return [self.detect_emotions(picture) for picture in pictures]


def analyzed(detector, **settings):
    quiet = {"save_frames": False, "save_video": False}
    return Video("numbers.avi").analyze(detector, output="pandas", **quiet, **settings)


writer = cv2.VideoWriter("numbers.avi", cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
for number in range(FRAMES):
    writer.write(np.full((48, 64, 3), GREY * number, np.uint8))
writer.release()

gap = FrameNumbers(without_face=range(10, 20))
table = analyzed(gap)
every_fifth, in_batches = FrameNumbers(), FrameNumbers()
analyzed(every_fifth, frequency=5)
analyzed(in_batches, frequency=5, batch_size=4)
print(f"frames read: {len(gap.read)}; rows: {len(table)}; columns: {list(table.columns)}")
print(f"index of row 10: {table.index[10]}; its frame: {table['happy'][10]}")
print("frequency=5 reads", *every_fifth.read)
print("frequency=5, batch_size=4 reads", *in_batches.read)
left_out = gap.read == list(range(FRAMES)) and list(table.columns) == ["box", "happy"]
left_out &= list(table.index) == list(range(30)) and table["happy"][10] == 20
repeated = every_fifth.read == list(range(0, 40, 5)) and in_batches.read == [0] * 4 + [20] * 4
sys.exit(0 if left_out and repeated else 1)
END

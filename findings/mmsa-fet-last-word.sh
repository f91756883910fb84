#!/usr/bin/env bash
# MMSA-FET aligns audio and video to words, and leaves NaN where the last word ends with the clip.
#
# Versions:  MMSA-FET 0.4.1, opensmile 2.6.0, transformers 5.24.0, scenedetect 0.6.7.1, torch 2.15.0
#            (CPU), numpy 2.4.6.
# Guess:     a word's audio and video is the mean of the frames between its start and its end, also
#            the last word's, which in clips that are cut at utterances ends where the clip does.
# Behaviour: of a clip of 2 s, whose last word stands from 1.1 to 2.0 s, `run_single` makes NaN for
#            this word, in audio and in video; other words have their means. The function of data
#            sets, `extract_align`, takes the word's first frame alone: frame 11 of 11 to 19, whose
#            mean is 15.
# Source:    MMSA-FET, MSA_FET/single.py, _aligned_extract_single, and dataset.py, extract_align:
#            the end is the first frame at or after the word's end, and stays 0 where there is none.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet MMSA-FET==0.4.1 torch==2.15.0 transformers==5.24.0 \
        librosa==0.11.0 opensmile==2.6.0 numpy==2.4.6 imageio-ffmpeg==0.8.1
    # PySceneDetect 0.7 has no longer what MMSA-FET imports; 0.6.7 asks for an older click than
    # transformers.
    "$PYTHON" -m pip install --quiet --no-deps scenedetect==0.6.7.1
fi
cd "$folder"
export TQDM_DISABLE=1
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"mmsa-fet": "0.4.1", "opensmile": "2.6.0", "torch": "2.15.0", "numpy": "2.4.6"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" -W ignore - <<'END'
import os
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from MSA_FET import FeatureExtractionTool, dataset
from transformers import BertConfig, BertModel, BertTokenizer

WORDS = [("so", 0.2, 0.6), ("good", 0.6, 1.1), ("film", 1.1, 2.0)]
FPS = 10


class KnownTimes:
    """In place of the aligner's wav2vec 2.0, whose weights are not here."""

    def align_with_transcript(self, file, text):
        return [dict(text=w, start=start, end=end, conf=1.0) for w, start, end in WORDS]


class FrameNumbers:
    """In place of OpenFace, which is no package: a frame's feature is its number."""

    def extract(self, folder, name, tool_output):
        self.frames = len(list(Path(folder).glob("*.bmp")))
        return np.arange(self.frames, dtype=float)[:, None]

    def get_timestamps(self):
        return np.arange(0, self.frames / FPS, 1 / FPS)


def save_bert(folder):
    folder.mkdir()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(word for word, *_ in WORDS)]
    (folder / "vocab.txt").write_text("\n".join(pieces))
    BertTokenizer.from_pretrained(folder).save_pretrained(folder)
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    BertModel(BertConfig(vocab_size=len(pieces), **small)).save_pretrained(folder)


Path("ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
os.environ["PATH"] = f"{Path.cwd()}:{os.environ['PATH']}"
clip = "-f lavfi -i sine=duration=2 -f lavfi -i color=c=gray:s=64x64:d=2:r=10 -shortest clip.mp4"
subprocess.run(["ffmpeg", "-loglevel", "error", *clip.split()], check=True)
save_bert(Path("bert"))
levels = {"feature_set": "eGeMAPSv02", "feature_level": "LowLevelDescriptors"}
config = {
    "text": {"model": "bert", "device": "cpu", "pretrained": "bert"},
    "audio": {
        "tool": "opensmile",
        "sample_rate": 16000,
        "args": {**levels, "start": None, "end": None},
    },
    "video": {"tool": "openface", "fps": FPS},
    "align": {"tool": "wav2vec"},
}
tool = FeatureExtractionTool(config, tmp_dir=Path("work"), log_dir=Path("log"), verbose=0)
tool.aligner, tool.video_extractor = KnownTimes(), FrameNumbers()
features = tool.run_single("clip.mp4", text=" ".join(word for word, *_ in WORDS))
video, audio = features["vision"][:, 0], features["audio"]
print("video, [CLS] so good film [SEP]:", video)
print("steps of audio that are NaN:", np.flatnonzero(np.isnan(audio).all(1)))

dataset.audio_extractor, dataset.video_extractor = tool.audio_extractor, tool.video_extractor
frames = np.arange(tool.video_extractor.frames, dtype=float)[:, None]
steps = np.zeros((len(tool.audio_extractor.get_timestamps()), 1))
aligned = KnownTimes().align_with_transcript("clip.mp4", "")
_, of_data_sets = dataset.extract_align(aligned, [None, 0, 1, 2, None], steps, frames)
print("the same by the function of data sets:", of_data_sets[:, 0])
last = np.isnan(video[3]) and np.isnan(audio[3]).all() and np.isfinite(audio[[1, 2]]).all()
sys.exit(0 if last and of_data_sets[3, 0] == 11 else 1)
END

#!/usr/bin/env bash
# MMSA-FET, asked for one modality of a data set, writes a feature file without rows and says that
# it is complete.
#
# Versions:  MMSA-FET 0.4.1, librosa 0.11.0, scenedetect 0.6.7.1, torch 2.15.0 (CPU), numpy 2.4.6.
# Guess:     `run_dataset` with the configuration `librosa`, which comes with it and which its
#            README takes as the first example, writes the audio features of each clip, as
#            `run_single` with that configuration does.
# Behaviour: each clip fails after its features are made, because there is no text: a KeyError,
#            'text_bert', in the log. Nothing is raised; `feature.pkl` has three splits of no rows,
#            and the last line is "Feature extraction complete!".
# Source:    MMSA-FET, MSA_FET/dataset.py: `extract_one` reads res['text_bert'] whether or not there
#            is a text extractor, and gives back the row where anything fails; `run_dataset` puts
#            such rows into error.csv.
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

pins = {"mmsa-fet": "0.4.1", "torch": "2.15.0", "numpy": "2.4.6"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
cat > extract.py <<'END'
import os
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
from MSA_FET import FeatureExtractionTool, run_dataset

CLIPS = {"train": 1.0, "valid": -1.0, "test": 0.5}


def make_data_set(folder):
    """Three clips of two seconds, a tone before a grey picture, and their labels."""
    (folder / "Raw/video").mkdir(parents=True)
    lines = ["video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode"]
    for mode, label in CLIPS.items():
        made = "-f lavfi -i sine=duration=2 -f lavfi -i color=c=gray:s=64x64:d=2:r=10 -shortest"
        path = folder / f"Raw/video/{mode}.mp4"
        subprocess.run(["ffmpeg", "-loglevel", "error", *made.split(), str(path)], check=True)
        lines.append(f"video,{mode},A FILM,{label},,,,,{mode}")
    (folder / "label.csv").write_text("\n".join(lines))


if __name__ == "__main__":
    Path("ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    os.environ["PATH"] = f"{Path.cwd()}:{os.environ['PATH']}"
    make_data_set(Path("data"))
    places = {"tmp_dir": Path("work"), "log_dir": Path("log")}
    single = FeatureExtractionTool("librosa", **places, verbose=0)
    audio = single.run_single("data/Raw/video/train.mp4")["audio"]
    print("one clip by itself:", audio.shape)
    dataset = run_dataset("librosa", dataset_dir=Path("data"), num_workers=1, **places)
    rows = {mode: len(split["id"]) for mode, split in dataset.items()}
    log = (Path("log") / "MSA-FET.log").read_text()
    complete = "Feature extraction complete!" in log and Path("data/feature.pkl").is_file()
    print("rows of the feature file:", rows, "said to be complete:", complete)
    sys.exit(0 if len(audio) and complete and not sum(rows.values()) else 1)
END
"$PYTHON" extract.py

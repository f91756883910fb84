#!/usr/bin/env bash
# MMSA-FET pads a data set to the mean length plus three deviations: longer texts lose their ends.
#
# Versions:  MMSA-FET 0.4.1, transformers 5.24.0, scenedetect 0.6.7.1, torch 2.15.0 (CPU), numpy
#            2.4.6.
# Guess:     sequences of a feature file, `feature.pkl`, are padded to the longest of them.
# Behaviour: of fourteen texts of five pieces and one of 42, with [CLS] and [SEP], the file keeps 35
#            steps: seven pieces of the long text are gone, among them its [SEP], from `text` and
#            from `text_bert`, whose mask says nothing of it. `raw_text` has all words.
# Source:    MMSA-FET, MSA_FET/dataset.py, paddingSequence: final_length; its docstring speaks of
#            the mean length.
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

pins = {"mmsa-fet": "0.4.1", "torch": "2.15.0", "transformers": "5.24.0", "numpy": "2.4.6"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
cat > extract.py <<'END'
import sys
from pathlib import Path

from MSA_FET import run_dataset
from transformers import BertConfig, BertModel, BertTokenizer

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "word", "end"]
SEP = PIECES.index("[SEP]")
LONG = 40


def make_data_set(folder):
    """Texts of three words, and one of 40. Clips are there because they have to be; a text alone
    is read.
    """
    (folder / "Raw/video").mkdir(parents=True)
    lines = ["video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode"]
    for k in range(15):
        mode = "test" if k == 14 else "train" if k % 2 else "valid"
        words = " ".join(["word"] * (LONG - 1 if k == 14 else 2) + ["end"])
        lines.append(f"video,{k},{words},1.0,,,,,{mode}")
        (folder / f"Raw/video/{k}.mp4").touch()
    (folder / "label.csv").write_text("\n".join(lines))


def save_bert(folder):
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(PIECES))
    BertTokenizer.from_pretrained(folder).save_pretrained(folder)
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    BertModel(BertConfig(vocab_size=len(PIECES), **small)).save_pretrained(folder)


if __name__ == "__main__":
    save_bert(Path("bert"))
    make_data_set(Path("data"))
    dataset = run_dataset(
        {"text": {"model": "bert", "device": "cpu", "pretrained": "bert"}},
        dataset_dir=Path("data"),
        num_workers=1,
        tmp_dir=Path("work"),
        log_dir=Path("log"),
    )
    test = dataset["test"]
    ids, mask = test["text_bert"][0, :2]
    print("words of the long text:", len(test["raw_text"][0].split()))
    print("steps of the file:", test["text"].shape[1], "of its mask:", int(mask.sum()))
    print("its last piece:", PIECES[int(ids[-1])])
    short = dataset["train"]["text_bert"][:, 0]
    print("short texts with [SEP]:", int((short == SEP).any(1).sum()), "of", len(short))
    kept = int(mask.sum())
    sys.exit(0 if kept == len(ids) == 35 < LONG + 2 and SEP not in ids else 1)
END
"$PYTHON" extract.py

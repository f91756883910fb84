"""MiniLM on MOSI's transcripts beside the libraries that people would take: fine-tuned beside the
``Trainer`` of transformers, and read beside ``SentenceTransformer.encode``. Whole processes, in
turn.
"""

from __future__ import annotations

import csv
import json
import os
import statistics
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import merbench
from merbench.data.home import data_homes
from merbench_encoders.model_packages import packaged_folder
from tests.benchmarks.process import spent

EPOCHS, ROWS = 4, 3000
PAIRS = 3
MODEL = "sentence-transformers/all-MiniLM-L6-v2"

OURS = """
import sys, json, merbench
result = merbench.run("text-only", "mosi", text_tower="minilm", settings={"encoder.text.tuned": True},
                      epochs=int(sys.argv[1]), seeds=1, threads=2, store=sys.argv[2], progress=False)
json.dump(result.records[0].metrics.valid["mae"], open(sys.argv[3], "w"))
"""
TRAINER = """
import sys, json, numpy as np, torch, merbench
from transformers import (AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding,
                          Trainer, TrainingArguments)
torch.set_num_threads(2)
epochs, folder, out, model = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
mosi = merbench.load_dataset("mosi")
texts, target = mosi.texts, mosi.tasks["sentiment"].target
(split,) = mosi.protocols["standard"].splits
tokenizer = AutoTokenizer.from_pretrained(model)
net = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1, problem_type="regression")
def rows(places):
    return [{**tokenizer(str(texts[i]), truncation=True), "labels": float(target[i])} for i in places]
arguments = TrainingArguments(folder, num_train_epochs=epochs, per_device_train_batch_size=32,
    per_device_eval_batch_size=256, learning_rate=5e-5, eval_strategy="epoch", save_strategy="no",
    report_to=[], use_cpu=True, disable_tqdm=True)
trainer = Trainer(net, arguments, data_collator=DataCollatorWithPadding(tokenizer),
    train_dataset=rows(split.train), eval_dataset=rows(split.valid),
    compute_metrics=lambda p: {"mae": float(np.abs(p.predictions[:, 0] - p.label_ids).mean())})
trainer.train()
trainer.predict(rows(split.test))
json.dump(min(e["eval_mae"] for e in trainer.state.log_history if "eval_mae" in e), open(out, "w"))
"""
SENTENCES = """
import csv, sys, torch
torch.set_num_threads(2)
from sentence_transformers import SentenceTransformer
with open(sys.argv[1], newline="") as file:
    texts = [row["text"] for row in csv.DictReader(file)]
SentenceTransformer(sys.argv[2], device="cpu").encode(texts)
"""


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    """Medians over pairs of our seconds over theirs; of training the validation MAE of both."""
    for what, target, data, library, figures in (
        (
            f"text-only, MiniLM tuned on MOSI, {EPOCHS} epochs, over Trainer",
            0.6,
            "mosi",
            "accelerate",
            _tuned,
        ),
        (
            f"encode of {ROWS:,} MOSEI texts over SentenceTransformer",
            0.85,
            "mosei",
            "sentence_transformers",
            _read,
        ),
    ):
        if lacking := _lacking(data, library):
            yield what, f"skipped: {lacking}", f"at most {target:.2f}"
        else:
            yield from figures(what, f"at most {target:.2f}", min(repeats, PAIRS))


def _lacking(data: str, library: str) -> str:
    if not any((home / data).exists() for home in data_homes(None, os.environ)):
        return f"no {data}"
    if packaged_folder(MODEL) is None:
        return "no MiniLM (merbench-encoders[minilm])"
    return "" if find_spec(library) else f"no {library}"


def _tuned(what: str, target: str, pairs: int) -> Iterator[tuple[str, str, str]]:
    seconds, scores = [], []
    for _ in range(pairs):
        with tempfile.TemporaryDirectory() as name:
            out = Path(name, "mae.json")
            for script, more in ((OURS, ()), (TRAINER, (str(packaged_folder(MODEL)),))):
                words = ["-c", script, str(EPOCHS), f"{name}/work", str(out), *more]
                seconds.append(spent(*words).seconds)
                scores.append(float(json.loads(out.read_text())))
    yield what, _ratio(seconds), target
    ours, theirs = statistics.median(scores[::2]), statistics.median(scores[1::2])
    yield "  validation MAE, ours and the Trainer's", f"{ours:.3f}, {theirs:.3f}", "not worse"


def _read(what: str, target: str, pairs: int) -> Iterator[tuple[str, str, str]]:
    seconds = []
    with tempfile.TemporaryDirectory() as name:
        table = _first_texts(Path(name))
        for pair in range(pairs):
            os.environ["MERBENCH_CACHE"] = f"{name}/cache{pair}"
            words = ["encode", "--model", "late-fusion-dnn", "--dataset", "texts", "--data", name]
            tower = ["--text-tower", "minilm", "--set", "encoder.text.pooled=true"]
            ours = ["-m", "merbench", *words, *tower, "--threads", "2"]
            for process in (ours, ["-c", SENTENCES, str(table), str(packaged_folder(MODEL))]):
                seconds.append(spent(*process).seconds)
        del os.environ["MERBENCH_CACHE"]
    yield what, _ratio(seconds), target


def _first_texts(home: Path) -> Path:
    """A table of MOSEI's first texts, added as data set ``texts`` of ``home``."""
    mosei = merbench.load_dataset("mosei")
    table = home / "texts.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "video", "text", "sentiment", "split"])
        score = mosei.tasks["sentiment"].target
        for i in range(ROWS):
            split = ("train", "valid", "test")[i % 3]
            rows.writerow([mosei.ids[i], mosei.videos[i], mosei.texts[i], score[i], split])
    spent(*f"-m merbench data add --name texts {table} --data {home}".split())
    return table


def _ratio(seconds: list[float]) -> str:
    """Ours and theirs in turn."""
    pairs = list(zip(seconds[::2], seconds[1::2], strict=True))
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    return f"{ratio:.2f} ({statistics.median(seconds[::2]):.0f} s)"

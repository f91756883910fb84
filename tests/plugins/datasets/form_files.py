"""Small sources in the forms in which others keep MOSI and MOSEI."""

from __future__ import annotations

import pickle

import numpy as np

from merbench.data.folder.read import read_folder

N = {"train": 5, "valid": 2, "test": 3}


LENGTHS = {"train": [3, 1, 4, 2, 4], "valid": [2, 3], "test": [1, 4, 2]}


def rows_of(corpus, name):
    stream = corpus.streams[name]
    rows = [
        np.asarray(stream.values[s : s + n])
        for s, n in zip(stream.start, stream.length, strict=True)
    ]
    return dict(zip(corpus.ids.tolist(), rows, strict=True))


def home(tmp_path, name="mosi"):
    return read_folder(tmp_path / "home" / name)


def mmsa(path, aligned=True, change=lambda content: content, protocol=4):
    """Values tell their row: train row 2 is 3.x in every modality."""
    content, truth = {}, {}
    for mode, n in N.items():
        steps = {"text": 6, "audio": 6 if aligned else 8, "vision": 6 if aligned else 9}
        split = {
            "id": [f"{mode}vid$_${row + 1}" for row in range(n)],
            "raw_text": np.array([f"text {mode} {row}" for row in range(n)]),
            "regression_labels": np.linspace(-3, 3, n).astype(np.float32),
            "annotations": np.array(["Neutral"] * n),
            "text_bert": np.zeros((n, 3, 6), np.float32),
        }
        for field, width in (("text", 4), ("audio", 2), ("vision", 3)):
            x = np.zeros((n, steps[field], width), np.float64 if field == "vision" else np.float32)
            for row, length in enumerate(LENGTHS[mode]):
                x[row, :length] = row + 1 + np.arange(length)[:, None] / 10
            split[field] = x
            truth[mode, field] = x
        for row, length in enumerate(LENGTHS[mode]):
            split["text_bert"][row, 1, :length] = 1
        split["text"][:, 5] = 9.0  # BERT's padding is not zero
        if not aligned:
            split |= {f"{field}_lengths": list(LENGTHS[mode]) for field in ("audio", "vision")}
        content[mode] = split
    content["train"]["audio"][0, 0, 0] = -np.inf
    path.write_bytes(pickle.dumps(change(content), protocol))
    return truth

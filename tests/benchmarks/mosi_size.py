"""A made-up pickle in MMSA's form, of MOSI's real size: as many rows, steps and dimensions, and as
many real steps, as MOSI has.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

SIZES = {"train": 1284, "valid": 229, "test": 686}
A_VIDEO = 24
WIDTHS = {"text": 768, "audio": 5, "vision": 20}
STEPS = {
    True: {"text": 50, "audio": 50, "vision": 50},
    False: {"text": 50, "audio": 375, "vision": 500},
}


def make(
    path: Path, aligned: bool, sizes: dict[str, int] | None = None, seed: int = 0, protocol: int = 4
) -> None:
    """Words of a row: 4 to 50; audio and video steps in proportion. Audio holds some -inf. The
    label shows in every modality.
    """
    rng, noise = (
        np.random.default_rng(seed),
        np.random.default_rng([seed, 1]),
    )  # equal labels and words in either form
    splits = {}
    for mode, n in (sizes or SIZES).items():
        label = np.clip(rng.normal(0.3, 1.6, n), -3, 3).astype(np.float32)
        words = np.clip(rng.geometric(1 / 12, n) + 3, 4, 48) + 2
        split = {
            # Beside [CLS] and [SEP].
            "raw_text": np.array([" ".join(["word"] * int(k - 2)) for k in words]),
            "id": [f"{mode}{row // A_VIDEO:03d}$_${row % A_VIDEO}" for row in range(n)],
            "annotations": np.array(
                ["Positive" if y > 0 else "Negative" if y < 0 else "Neutral" for y in label]
            ),
            "classification_labels": np.sign(label).astype(np.float64) + 1,
            "regression_labels": label,
        }
        mask = np.arange(50) < words[:, None]
        split["text_bert"] = np.stack(
            [np.where(mask, 1000, 0), mask, np.zeros_like(mask)], axis=1
        ).astype(np.float32)
        for field, width in WIDTHS.items():
            steps = STEPS[aligned][field]
            length = words if steps == 50 else np.maximum(1, words * steps // 50)
            x = noise.standard_normal((n, steps, width), dtype=np.float32)
            x += 0.3 * label[:, None, None]
            if field != "text":  # BERT fills its padding too
                x[np.arange(steps) >= length[:, None]] = 0
                if not aligned:
                    split[f"{field}_lengths"] = length.tolist()
            if field == "audio":
                x[::100, 0, 0] = -np.inf
            split[field] = x.astype(np.float64) if field == "vision" else x
        splits[mode] = split
    with path.open("wb") as file:
        pickle.dump(splits, file, protocol)

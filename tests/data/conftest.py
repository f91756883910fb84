"""A tiny feature folder: 9 rows of 3 videos, every kind of stream, arrays in another order than the
label file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

TOML = """
name = "tiny"
task.sentiment = { column = "label", kind = "score", low = -3, high = 3 }
task.mood = { column = "mood", kind = "class", words = ["happy", "glum"] }
task.emotions = { columns = ["happy", "sad"], kind = "multilabel" }

[streams."text.transcript"]
modality = "text"
kind = "strings"
column = "text"

[streams."text.words"]
modality = "text"
kind = "words"
file = "words.npz"

[streams."audio.one"]
modality = "audio"
kind = "features"
file = "arrays.npz"
array = "one"
fitted_on = { file = "arrays.npz", array = "mark", values = [1, 2] }

[streams."audio.right"]
modality = "audio"
kind = "features"
file = "arrays.npz"
array = "block"

[streams."audio.left"]
modality = "audio"
kind = "features"
file = "arrays.npz"
array = "block"
padding = "left"

[streams."video.ragged"]
modality = "video"
kind = "features"
file = "arrays.npz"
array = "ragged"
offset = "bounds"
note = "made up"

[streams."video.clip"]
modality = "video"
kind = "clip"
pattern = "Raw/{video_id}/{clip_id}.mp4"

[protocols.standard]
column = "mode"
streams = ["text.words", "audio.one"]

[protocols.folds]
file = "arrays.npz"
array = "fold"
streams = ["text.transcript"]
"""

HEADER = "video_id,clip_id,text,label,mood,happy,sad,mode"
LINES = (
    "a,1,It was good,1.5,happy,1,0,train",
    'a,2,"Bad, very bad",-2,glum,0,0.33,train',
    "a,3,,3,0,,0,train",
    "b,x_1,Didn't like it,-0.4,1,0,1,train",
    "b,x_2,ok,,,0,0,train",
    "b,x_3,fine,0,happy,0,0,valid",
    "c,1,GREAT,3.0,happy,2,0,test",
    "c,2,very good,2.2,,1,0,test",
    "c,3,bad,-3,glum,0,1,valid",
)
IDS = ("a_1", "a_2", "a_3", "b_x_1", "b_x_2", "b_x_3", "c_1", "c_2", "c_3")
LENGTHS = (2, 3, 0, 1, 1, 4, 2, 1, 2)


class Folder:
    """``words`` and ``arrays`` may be changed and written again; ``truth`` holds what row i should
    read, in the order of the label file.
    """

    TOML, HEADER, LINES = TOML, HEADER, LINES

    def __init__(self, path: Path) -> None:
        self.path = path
        rng = np.random.default_rng(0)
        self.truth = {
            "ragged": [rng.normal(size=(n, 3)) for n in LENGTHS],
            "words": [[("good", "bad", "sp")[i] for i in rng.integers(0, 3, n)] for n in LENGTHS],
            "one": rng.normal(size=(9, 2)).astype(np.float32),
            "mark": np.array([0, 1, 2, 0, 1, 2, 0, 0, 1]),
            "fold": np.array([0, 0, 0, 1, 1, 1, 2, 2, -1]),
        }
        order = rng.permutation(9)
        lengths = np.array(LENGTHS)[order]
        offset = np.concatenate([[0], np.cumsum(lengths)])
        block = np.full((9, 4, 1), np.nan)
        for row, n in enumerate(lengths):
            block[row, :n, 0] = 10 * order[row] + np.arange(n)
        ids = np.array(IDS)[order]
        vocab = np.array(["sp", "good", "bad"])
        word = np.array([vocab.tolist().index(w) for i in order for w in self.truth["words"][i]])
        seconds = np.arange(len(word), dtype=np.float32)
        self.words = {
            "id": ids,
            "offset": offset,
            "word": word,
            "vocab": vocab,
            "start": seconds,
            "end": seconds + 0.5,
        }
        self.arrays = {
            "id": ids, "one": self.truth["one"][order], "mark": self.truth["mark"][order], "fold": self.truth["fold"][order],
            "block": block, "length": lengths, "ragged": np.concatenate([self.truth["ragged"][i] for i in order]), "bounds": offset,
        }  # fmt: skip
        self.reset()
        self.save()
        clip = path / "Raw/b/x_2.mp4"
        clip.parent.mkdir(parents=True)
        clip.write_bytes(b"clip")

    def reset(self) -> None:
        """dataset.toml and label.csv as they were."""
        self.toml(TOML)
        self.csv("\n".join((HEADER, *LINES)))

    def toml(self, text: str) -> None:
        (self.path / "dataset.toml").write_text(text, encoding="utf-8")

    def edit(self, old: str, new: str) -> None:
        """Change the first ``old`` in dataset.toml."""
        assert old in TOML
        self.toml(TOML.replace(old, new, 1))

    def csv(self, text: str | bytes) -> None:
        (self.path / "label.csv").write_bytes(text if isinstance(text, bytes) else text.encode())

    def line(self, number: int, text: str) -> None:
        """Change one line of label.csv, counted from 1."""
        lines = [HEADER, *LINES]
        lines[number - 1] = text
        self.csv("\n".join(lines))

    def save(self) -> None:
        np.savez(self.path / "words.npz", **self.words)
        np.savez(self.path / "arrays.npz", **self.arrays)


@pytest.fixture(scope="session")
def make_folder():
    return Folder


@pytest.fixture
def folder(tmp_path) -> Folder:
    (tmp_path / "tiny").mkdir()
    return Folder(tmp_path / "tiny")

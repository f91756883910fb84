"""MERTools' feature files: ``features/NAME/UTTERANCE.npy``, or a folder of frames an utterance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from merbench.api import DataError, Modality, Sink

FEATURES = "features"
_END = ".npy"
_KNOWN: dict[Modality, str] = {
    "audio": "hubert|wav2vec|wavlm|whisper|vggish|egemaps|is09|is10|compare|data2vec-audio|"
    "emotion2vec|imagebind-audio|covarep|mfcc|panns|clap",
    "video": "clip|resnet|senet|manet|emonet|dinov2|videomae|eva|openface|msceleb|ferplus|vit|"
    "facet|densenet|imagebind-video",
    "text": "bert|electra|xlnet|gpt|llama|baichuan|bloom|chatglm|moss|pert|falcon|opt-|vicuna|"
    "stablelm|qwen|internlm|glove|sentence|deberta|ernie",
}
"""Modality -> what the names of its extractors hold, as a pattern; looked for in this order."""


class Named(Protocol):
    """Settings that say which folders are of which modality."""

    text: str
    audio: str
    video: str


@dataclass(frozen=True)
class FeatureFolder:
    """What one extractor left of the rows ``names``, in their order."""

    path: Path
    modality: Modality
    names: Sequence[str]

    @property
    def stream(self) -> str:
        name = re.sub("[^a-z0-9]+", "-", self.path.name.lower()).strip("-")
        return f"{self.modality}.{name}"

    def write(self, sink: Sink, ids: Sequence[str]) -> None:
        """The stream. Raises DataError for a file that is no array of numbers, or of another
        width.
        """
        rows = map(self.read, range(len(self.names)))
        first_row = next((row for row in rows if row is not None), None)
        if first_row is None:
            raise DataError(
                f"{self.path} has folders of its rows and no {_END} in any; extract it again, or "
                "take it away"
            )
        width = first_row.shape[1]

        def read(at: int) -> np.ndarray | None:
            steps_LD = self.read(at)
            if steps_LD is not None and steps_LD.shape[1] != width:
                raise DataError(
                    f"{self.path / self.names[at]}{_END} is {steps_LD.shape[1]} wide where others "
                    f"are {width}; extract it again"
                )
            return steps_LD

        note = f"MERTools' features {self.path.name}"
        sink.features(self.stream, self.modality, width, ids, read, note=note)

    def read(self, at: int) -> np.ndarray | None:
        """[L, D] of a row; None where it has no file."""
        single_file = self.path / f"{self.names[at]}{_END}"
        if single_file.is_file():
            return _steps(single_file)
        frames = sorted(
            (self.path / self.names[at]).glob(f"*{_END}"),
            key=lambda frame: (len(frame.name), frame.name),  # 2.npy before 10.npy
        )
        rows = [_steps(frame) for frame in frames]
        if len({row.shape[1] for row in rows}) > 1:
            raise DataError(f"{self.path / self.names[at]}: its frames differ in width")
        return np.concatenate(rows) if rows else None


def feature_folders(
    folder: Path, names: Sequence[str], config: Named, sink: Sink
) -> list[FeatureFolder]:
    """The folders in ``folder`` with a file of any row. Those whose modality nobody says, and
    those without a row, are reported and left out.
    """
    modality_by_folder = _asked(config)
    folders = sorted(path for path in folder.glob("*") if path.is_dir())
    missing = modality_by_folder.keys() - {path.name for path in folders}
    if missing:
        raise DataError(
            f"{folder} has no folder {min(missing)!r}; it has "
            f"{', '.join(path.name for path in folders) or 'none'}"
        )
    usable, unknown = [], []
    for path in folders:
        modality = modality_by_folder.get(path.name) or _guessed(path.name)
        files = {entry.name.removesuffix(_END) for entry in path.iterdir()}
        n_rows = sum(name in files for name in names)
        if modality is None:
            unknown.append(path.name)
        elif not n_rows:
            sink.note(f"{FEATURES}/{path.name} has no file named as a row, and is left out")
        else:
            usable.append(FeatureFolder(path, modality, names))
    if unknown:
        sink.note(
            f"not taken over: {FEATURES}/{', '.join(unknown)}, whose modality the name does not "
            f"say; name it: --form mertools --set audio={unknown[0]} (text=, video=)"
        )
    return usable


def _asked(config: Named) -> dict[str, Modality]:
    modalities: tuple[Modality, ...] = ("text", "audio", "video")
    return {
        name.strip(): modality
        for modality in modalities
        for name in getattr(config, modality).split(",")
        if name.strip()
    }


def _guessed(name: str) -> Modality | None:
    lower = name.lower()
    return next((m for m, pattern in _KNOWN.items() if re.search(pattern, lower)), None)


def _steps(path: Path) -> np.ndarray:
    """[L, D] float32 of one file: [D], [L, D] (also of no step), or that with axes of length 1."""
    try:
        array = np.load(path, allow_pickle=False)
    except Exception as error:  # a damaged file can fail in any layer of numpy
        reason = str(error).split("\n")[0][:100]
        raise DataError(f"{path} cannot be read as .npy ({reason}); extract it again") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or 0 in array.shape[-1:]:
        raise DataError(f"{path} holds no array of numbers; extract it again")
    steps = array if array.ndim == 2 else np.squeeze(array)
    if steps.ndim > 2 or (not array.size and steps.ndim < 2):
        raise DataError(f"{path} has the shape {array.shape}, not [steps, width] or [width]")
    steps_LD: np.ndarray = np.atleast_2d(steps).astype(np.float32)
    return steps_LD

"""The form ``mfn-h5``: the HDF5 files of MFN (github.com/pliang279/MFN)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, PositiveInt

from merbench.api import DataError, Modality, Sink, Source
from merbench_datasets.common_tasks_and_streams import write_streams, write_tasks
from merbench_datasets.form_settings import Labelled
from merbench_datasets.label_scale import label_cells, label_task
from merbench_datasets.pickle_values import first_step, last_step
from merbench_datasets.unread_content import note_unread_files

_SPLITS = ("train", "valid", "test")
_APART: dict[Modality, str] = {
    "text": "text_{}_emb.h5",
    "audio": "audio_{}.h5",
    "video": "video_{}.h5",
}
_WIDTHS = {325: (300, 5, 20), 384: (300, 74, 10)}
MOST = 2**31
"""Bytes of one row from which a file is refused."""


class MfnH5(Labelled):
    """``X_train.h5``, ``y_train.h5`` and their like of valid and test, where X [N, L, D] is text,
    audio and video side by side; or ``text_train_emb.h5``, ``audio_train.h5``, ``video_train.h5``.

    One array a file. The files hold no ids: rows are called by split and position, each a video of
    its own, so nothing can be joined to it. Steps that are zero in all modalities, in front and
    behind, are not kept.
    """

    looks_for = "a folder of X_train.h5 (or audio_train.h5, ...) and y_train.h5, valid and test"

    class Config(Labelled.Config):
        widths: tuple[PositiveInt, PositiveInt, PositiveInt] | None = None
        """Of text, audio and video in X; 300, 5 and 20 where X is 325 wide (MOSI)."""
        label: Annotated[int, Field(ge=0)] | None = None
        """Column of y, from 0, where it has several."""

    def recognise(self, source: Source) -> str:
        if not (source.path / "y_train.h5").is_file():
            return "it has no y_train.h5"
        has_train_file = (source.path / "X_train.h5").is_file()
        apart = any((source.path / name.format("train")).is_file() for name in _APART.values())
        return (
            ""
            if has_train_file or apart
            else "it has no X_train.h5, text_train_emb.h5, audio_train.h5 or video_train.h5"
        )

    def convert(self, source: Source, sink: Sink) -> None:
        with ExitStack() as stack:
            read = set[str]()

            def opened(name: str) -> Any:
                read.add(name)
                sink.source(source.path / name)
                return stack.enter_context(closing(_File(source.path / name)))

            labels = [self._labels(opened(f"y_{split}.h5")) for split in _SPLITS]
            parts = self._parts(source.path, opened)
            note_unread_files(sink, source.path, read)
            rows = [(at, row) for at, split in enumerate(labels) for row in range(len(split))]
            for modality, (files, _) in parts.items():
                for file, split in zip(files, labels, strict=True):
                    if file.array.shape[2] != files[0].array.shape[2]:
                        raise DataError(
                            f"{file.path} is {file.array.shape[2]} wide and {files[0].path.name} "
                            f"{files[0].array.shape[2]}; give files of one set"
                        )
                    if len(file.array) != len(split):
                        raise DataError(
                            f"{file.path} has {len(file.array)} rows of {modality}, and its labels "
                            f"{len(split)}; give files of one set"
                        )
            values = np.concatenate(labels)
            task = label_task(sink, values, self.config)
            names = [f"{_SPLITS[at]}{row:05d}" for at, row in rows]
            sink.note(
                "it holds no ids, so its rows are called by split and position, "
                "and cannot be joined to other sources"
            )
            sink.table(
                {
                    "video_id": names,
                    "clip_id": ["0"] * len(rows),
                    "mode": [_SPLITS[at] for at, _ in rows],
                    "label": label_cells(sink, values, task),
                }
            )
            write_tasks(sink, task)
            streams: dict[str, Any] = {
                f"{modality}.mfn": (
                    modality,
                    columns.stop - columns.start,
                    _reader(parts, modality, rows),
                    f"MFN's files, {modality}",
                )
                for modality, (_, columns) in parts.items()
            }
            write_streams(sink, [f"{name}_0" for name in names], streams, transcripts=False)

    def _labels(self, file: _File) -> np.ndarray:
        """[N]."""
        values = np.asarray(file.array[()], dtype=np.float64)
        values = values.reshape(len(values), int(np.prod(values.shape[1:])))
        if values.shape[1] > 1 and self.config.label is None:
            raise DataError(
                f"{file.path} has {values.shape[1]} labels a row; choose one with "
                "--form mfn-h5 --set label=0"
            )
        column = self.config.label or 0
        if column >= values.shape[1]:
            raise DataError(f"{file.path} has no column {column}; it has {values.shape[1]}")
        chosen: np.ndarray = values[:, column]
        return chosen

    def _parts(
        self, folder: Path, opened: Callable[[str], _File]
    ) -> dict[Modality, tuple[list[_File], slice]]:
        """Modality -> its files of train, valid and test, and its columns in them."""
        if not (folder / "X_train.h5").is_file():
            return {
                modality: (files, slice(0, files[0].array.shape[2]))
                for modality, name in _APART.items()
                if all((folder / name.format(split)).is_file() for split in _SPLITS)
                for files in [[opened(name.format(split)).of_steps() for split in _SPLITS]]
            }
        files = [opened(f"X_{split}.h5").of_steps() for split in _SPLITS]
        width = files[0].array.shape[2]
        widths = self.config.widths or _WIDTHS.get(width)
        if widths is None or sum(widths) != width:
            raise DataError(
                f"{files[0].path} is {width} wide; say how wide text, audio and video are in it: "
                "--form mfn-h5 --set widths=[300,5,20]"
            )
        ends = np.cumsum((0, *widths)).tolist()
        modalities: tuple[Modality, ...] = ("text", "audio", "video")
        return {m: (files, slice(ends[k], ends[k + 1])) for k, m in enumerate(modalities)}


class _File:
    """``array``: the only array of an HDF5 file, not read yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            import h5py
        except ImportError:
            raise DataError(
                f"{path.name} is an HDF5 file, and h5py is not installed; "
                "pip install 'merbench-datasets[csd]'"
            ) from None
        try:
            self._file = h5py.File(path, "r")
            arrays = [
                name
                for name in self._file
                if isinstance(self._file.get(name, getlink=True), h5py.HardLink)
                and isinstance(self._file.get(name), h5py.Dataset)
            ]
            self.array = self._file[arrays[0]] if len(arrays) == 1 else None
        except Exception as error:  # a damaged file can fail in any layer of the library
            line = f"{error}".splitlines()[0][:100] if str(error) else type(error).__name__
            raise DataError(f"{path} cannot be read ({line}); copy it again") from None
        if self.array is None or self.array.is_virtual or self.array.external:
            raise DataError(f"{path} does not hold one array of its own; give MFN's files")
        if self.array.dtype.kind not in "fiu" or not self.array.ndim:
            raise DataError(f"{path} holds {self.array.dtype}, and numbers belong there")
        size = self.array.dtype.itemsize * int(np.prod(self.array.shape[1:]))
        if size > MOST:
            raise DataError(f"{path} claims {size:,} bytes a row; give MFN's files")

    def of_steps(self) -> _File:
        """Itself; DataError where it is not [N, L, D]."""
        if self.array.ndim != 3:
            raise DataError(
                f"{self.path} is {list(self.array.shape)}, and not [rows, steps, width]"
            )
        return self

    def close(self) -> None:
        self._file.close()


def _reader(
    parts: dict[Modality, tuple[list[_File], slice]],
    modality: Modality,
    rows: list[tuple[int, int]],
) -> Callable[[int], np.ndarray | None]:
    def read(index: int) -> np.ndarray | None:
        at, row = rows[index]
        together = {
            name: np.asarray(files[at].array[row])[:, columns]
            for name, (files, columns) in parts.items()
        }
        steps_LD = together[modality]
        if not last_step(steps_LD):
            return None
        same_length = [steps for steps in together.values() if len(steps) == len(steps_LD)]
        return steps_LD[min(map(first_step, same_length)) : max(map(last_step, same_length))]

    return read

"""A feature stream under way: rows are appended, and after a kill at any moment those that are
whole are found again.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from merbench.api.errors import DataError
from merbench.data.folder.stream_file import HEADER, finish

_CHECKPOINT = 2**26  # bytes between two moments at which what was written is on the disk


class ValuesFile:
    """``rows``: how many are there already. Beside the values stands a log, two numbers a row: its
    steps, and its values not finite.
    """

    def __init__(self, path: Path, width: int) -> None:
        self.path, self.width = path, width
        self._log_path = path.with_suffix(".log")
        log = (
            np.fromfile(self._log_path, dtype="<i8")
            if self._log_path.exists() and path.exists()
            else np.zeros(0, "<i8")
        )
        self._log = log[: len(log) // 2 * 2].reshape(-1, 2).tolist()
        complete_bytes = HEADER + 4 * width * sum(n for n, _ in self._log)
        if path.exists() and path.stat().st_size < complete_bytes:
            self._log, complete_bytes = [], HEADER
        self._values = path.open("r+b" if path.exists() else "w+b")
        # The log is written after the values it speaks of, so the values it knows are whole.
        self._values.truncate(complete_bytes)
        self._values.seek(0, os.SEEK_END)
        self._logged, self._since = len(self._log), 0
        with self._log_path.open("ab") as file:
            file.truncate(16 * self._logged)

    @property
    def rows(self) -> int:
        return len(self._log)

    def append(self, x_LD: np.ndarray | None, row_name: str) -> None:
        """A row of L steps; None or no step: it has none. DataError, naming ``row_name``, where it
        is no block of numbers of this width.
        """
        x_LD = np.zeros((0, self.width), "<f4") if x_LD is None else np.asarray(x_LD)
        if x_LD.ndim != 2 or x_LD.shape[1] != self.width or x_LD.dtype.kind not in "fiub":
            raise DataError(
                f"{row_name}: {x_LD.dtype} of shape {x_LD.shape} where numbers [steps, "
                f"{self.width}] belong; fix the source"
            )
        with np.errstate(over="ignore"):
            x_LD = np.ascontiguousarray(x_LD, dtype="<f4")
        self._log.append([len(x_LD), int(x_LD.size - np.isfinite(x_LD).sum())])
        self._values.write(x_LD.data)
        self._since += x_LD.nbytes
        if self._since >= _CHECKPOINT:
            self._checkpoint()

    def complete(self, texts: dict[str, list[str]], target: Path) -> tuple[int, int, int]:
        """Write a stream file to ``target``: (rows without a step, steps, values not finite)."""
        self._checkpoint()
        length, not_finite = np.array(self._log, dtype="<i8").reshape(-1, 2).T
        offset = np.concatenate([[0], np.cumsum(length)]).astype("<i8")
        finish(self._values, (int(offset[-1]), self.width), texts, {"offset": offset})
        self._values.flush()
        os.fsync(self._values.fileno())
        self._values.close()
        self.path.replace(target)
        self._log_path.unlink()
        return int((length == 0).sum()), int(offset[-1]), int(not_finite.sum())

    def _checkpoint(self) -> None:
        self._values.flush()
        os.fsync(self._values.fileno())
        with self._log_path.open("ab") as file:
            file.write(np.array(self._log[self._logged :], dtype="<i8").tobytes())
        self._logged, self._since = len(self._log), 0

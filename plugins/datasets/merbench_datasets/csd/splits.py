"""Which videos, or which single clips, train and which test: a file of folds or a label.csv."""

from __future__ import annotations

import ast
import csv
import io
import re
from contextlib import suppress
from pathlib import Path

from merbench.api import DataError, number_of
from merbench.api.material.delimited import delimiter_of, text_of
from merbench_datasets.pickle_splits import mode_of

_SPLIT_OF_WORD = {"train": "train", "valid": "valid", "dev": "valid", "test": "test"}
"""What the names of the SDK's lists hold."""
_CALLED_BY_START = re.compile(r"\d+[_.]\d+")
"""``6_368``: the clip that begins at 6.368 s."""


class Splits:
    """Which videos, or which single clips, train and which test. ``first``: the number of a video's
    first clip, None = unknown.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first: int | None = None
        self._split_of: dict[tuple[str, str], str] = {}
        self._starts: dict[str, list[tuple[float, str]]] = {}
        if path.suffix == ".py":
            self._from_folds(_read(path))
        else:
            self._from_table()

    def mode(self, video: str, clip: str) -> tuple[str, str]:
        """``(train, valid or test, "")``, or ``("", why not)``."""
        of_clip = self._split_of.get(("clip", f"{video}_{clip}"))
        split = self._split_of.get(("video", video)) or of_clip
        return (
            (split, "")
            if split
            else ("", f"{self.path.name} does not say whether it trains or tests")
        )

    def clip_at(self, video: str, start: float, untimed: str) -> str:
        """The clip that begins within .02 s of ``start`` (times are printed with two digits and
        more), empty where none does.

        ``untimed``: the clip where the table has no times of this video, neither in a column
        ``start`` nor in the names of its clips.
        """
        if video not in self._starts:
            return untimed
        nearest = min(self._starts[video], key=lambda begin: abs(begin[0] - start))
        return nearest[1] if abs(nearest[0] - start) <= 0.02 else ""

    def _from_folds(self, text: str) -> None:
        """Assignments of lists of video ids, as in the SDK's cmu_mosi_std_folds.py. Read as
        literals, never run.
        """
        try:
            body = ast.parse(text).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise DataError(
                f"{self.path} is no Python file ({type(error).__name__}); "
                "give the SDK's file of folds, or a label.csv"
            ) from None
        for node in body:
            names = _assigned_names(node)
            modes = [
                mode for name in names for word, mode in _SPLIT_OF_WORD.items() if word in name
            ]
            if not modes:
                continue
            try:
                videos = ast.literal_eval(node.value)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                videos = None
            if not isinstance(videos, list | tuple | set) or not all(
                isinstance(v, str) for v in videos
            ):
                raise DataError(
                    f"{self.path}, line {node.lineno}: {names[0]} is no plain list of video ids; "
                    "write it out as one"
                )
            for video in videos:
                self._put(video, modes[0], "video")
        if lacks := {"train", "valid", "test"} - set(self._split_of.values()):
            raise DataError(
                f"{self.path} has no list of {min(lacks)} videos; "
                "give the SDK's file of folds, or a label.csv"
            )

    def _put(self, name: str, mode: str, kind: str) -> None:
        split = self._split_of.setdefault((kind, name), mode)
        if split != mode:
            raise DataError(
                f"{self.path}: the {kind} {name!r} is in {split} and in {mode}; take it out of one"
            )

    def _from_table(self) -> None:
        table = read_table(self.path, ("video_id", "clip_id", "mode"))
        for line, (video, clip, cell) in enumerate(
            zip(*(table[k] for k in ("video_id", "clip_id", "mode")), strict=True), start=2
        ):
            mode = mode_of(cell)
            if not mode:
                raise DataError(
                    f"{self.path}, row {line}: mode is {cell[:40]!r}; put train, valid or test"
                )
            self._put(f"{video}_{clip}", mode, "clip")
        self.first = 0 if "0" in table["clip_id"] else 1
        columns = [table["start"]] if "start" in table else []
        if all(_CALLED_BY_START.fullmatch(clip) for clip in table["clip_id"]):
            columns.append([clip.replace("_", ".") for clip in table["clip_id"]])
        for starts in columns:
            for video, clip, start in zip(table["video_id"], table["clip_id"], starts, strict=True):
                with suppress(ValueError):  # an empty cell: the row has no time
                    self._starts.setdefault(video, []).append((number_of(start), clip))


def _assigned_names(node: ast.stmt) -> list[str]:
    """``a = b = [...]`` -> ``["a", "b"]``, in lower case; no name for other statements."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return [target.id.lower() for target in targets if isinstance(target, ast.Name)]


def _read(path: Path) -> str:
    try:
        return text_of(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or error}); "
            "give a UTF-8 file"
        ) from None


def read_table(path: Path, columns: tuple[str, ...]) -> dict[str, list[str]]:
    """All columns of a table, as spreadsheets write it too. DataError where it lacks one of
    ``columns``.
    """
    text = _read(path)
    file = io.StringIO(text, newline="")
    try:
        rows = list(csv.DictReader(file, strict=True, delimiter=delimiter_of(text)))
    except csv.Error as error:
        raise DataError(f"{path} is not CSV ({error}); give a label.csv") from None
    if not rows:
        raise DataError(f"{path} has no rows; give a label.csv with one line an utterance")
    if lacks := [name for name in columns if name not in rows[0]]:
        raise DataError(f"{path} has no column {lacks[0]!r}; it needs {', '.join(columns)}")
    return {
        name: [(row[name] or "").strip() for row in rows] for name in rows[0] if name is not None
    }

"""The form ``mertools``: folders of MERTools and MERBench (github.com/zeroQiaoba/MERTools)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api import DataError, Sink, Source, as_text, count_of, number_of, unpickle_npz
from merbench_datasets.feature_files import FEATURES, feature_folders
from merbench_datasets.form_settings import Labelled
from merbench_datasets.label_scale import label_cells, label_task
from merbench_datasets.pickle_splits import named_rows
from merbench_datasets.unread_content import note_unread_files, note_unread_names

_SUFFIX = "_corpus"
_WHOLE = "whole"
_TEXTS = ("english", "chinese")
_UNKNOWN = -10.0
"""How MERTools writes a value that is not known."""
_HELD_OUT = 5
"""Every fifth train row is validated on where there is no validation corpus (MER2023 draws folds at
random at that place).
"""
Labels = dict[str, tuple[str, float]]


class MerTools(Labelled):
    """``label.npz`` (or ``label-6way.npz``) of objects ``train_corpus``, ``val_corpus``,
    ``test_corpus`` (``test1_corpus``, ...; ``whole_corpus`` for IEMOCAP): name -> {emo, val}, and
    ``transcription*.csv`` with name, english, chinese.

    ``emo`` becomes a task of classes, ``val`` a score (-10 = not known). IEMOCAP's whole corpus is
    divided by session. Nothing in the file is run.

    ``features/NAME`` holds what an extractor left, ``UTTERANCE.npy`` or ``UTTERANCE/FRAME.npy``:
    each becomes the stream ``MODALITY.NAME``.
    """

    class Config(Labelled.Config):
        text: str = ""
        """Folders in ``features`` that are of text, separated by commas.  [default: known by name]
        """
        audio: str = ""
        """Those of sound."""
        video: str = ""
        """Those of pictures."""

    looks_for = (
        "a folder with label.npz of train_corpus, val_corpus, test_corpus and transcriptions"
    )

    def recognise(self, source: Source) -> str:
        path = _labels_file(source.path)
        if path is None:
            file_names = [file.name for file in _label_files(source.path)]
            if file_names:
                return f"it has several files of labels ({', '.join(file_names)}); give one of them"
            return "it has no label.npz"
        names = [name for name in unpickle_npz(path) if name.endswith(_SUFFIX)]
        return "" if names else f"{path.name} holds no corpus"

    def convert(self, source: Source, sink: Sink) -> None:
        path = _labels_file(source.path)
        assert path is not None
        sink.source(path)
        content = unpickle_npz(path)
        corpora = {
            name.removesuffix(_SUFFIX): _labels(value, f"{path}: {name}")
            for name, value in content.items()
            if name.endswith(_SUFFIX)
        }
        _note_unread(sink, path, content)
        rows = [
            (part, name, *labels)
            for part, labels_of_name in corpora.items()
            for name, labels in labels_of_name.items()
        ]
        names = [name for _, name, *_ in rows]
        columns = named_rows(names)
        columns |= _texts(path.parent, names, sink)
        features = feature_folders(path.parent / FEATURES, names, self.config, sink)
        protocols = _divided(rows, columns, sink)
        tasks = self._tasks(rows, columns, sink, path)
        sink.table(columns)
        for name, task in tasks.items():
            sink.task(name, **task)
        texts = [name for name in ("text", "text_zh") if any(columns.get(name, ()))]
        for column in texts:
            stream = "text.transcript" if column == "text" else "text.chinese"
            sink.stream(stream, modality="text", kind="strings", column=column)
        if not texts and not features:
            raise DataError(
                f"{path.parent} has no transcription*.csv with texts of its rows (columns "
                f"name, and english or chinese) and no folder {FEATURES}; put one of them there"
            )
        ids = [f"{v}_{c}" for v, c in zip(columns["video_id"], columns["clip_id"], strict=True)]
        for folder in features:
            folder.write(sink, ids)
        offered = ["text.transcript" if "text" in texts else "text.chinese"] if texts else []
        offered_modalities = {"text"} if texts else set[str]()
        for folder in features:
            if folder.modality not in offered_modalities:
                offered.append(folder.stream)
                offered_modalities.add(folder.modality)
        for protocol, spec in protocols.items():
            sink.protocol(protocol, **spec, streams=offered)

    def _tasks(
        self,
        rows: Sequence[tuple[str, str, str, float]],
        columns: dict[str, list[str]],
        sink: Sink,
        path: Path,
    ) -> dict[str, dict[str, Any]]:
        """The tasks; their columns are added."""
        tasks: dict[str, dict[str, Any]] = {}
        emotions = [emotion for *_, emotion, _ in rows]
        words = sorted({emotion for emotion in emotions if emotion})
        if len(words) > 1:
            columns["emotion"] = emotions
            tasks["emotion"] = {"column": "emotion", "kind": "class", "words": words}
            sink.note(f"emotion: {len(words)} classes ({', '.join(words)})")
        values = np.array([value for *_, value in rows])
        if len(np.unique(values[np.isfinite(values)])) > 1:
            task = label_task(sink, values, self.config)
            columns["label"] = label_cells(sink, values, task)
            name = "sentiment" if task["kind"] == "score" else "label"
            tasks[name] = {"column": "label", **task}
        if not tasks:
            raise DataError(f"{path} has neither several emotions nor several values; fix it")
        return tasks


def _note_unread(sink: Sink, path: Path, content: Mapping[str, Any]) -> None:
    read = {file.name for file in (path, path.parent / FEATURES, *_text_files(path.parent))}
    note_unread_files(sink, path.parent, read)
    corpora = {name for name in content if name.endswith(_SUFFIX)}
    note_unread_names(sink, path.name, content, corpora)
    fields = {field for name in corpora for label in content[name].values() for field in label}
    note_unread_names(sink, f"the labels of {path.name}", fields, {"emo", "val"})


def _labels_file(path: Path) -> Path | None:
    if path.is_file():
        return path if path.suffix == ".npz" and path.stem.startswith("label") else None
    files = _label_files(path)
    return files[0] if len(files) == 1 else None


def _label_files(path: Path) -> list[Path]:
    return sorted(path.glob("label*.npz")) if path.is_dir() else []


def _labels(value: Any, origin: str) -> Labels:
    """Name -> (emotion in lower case, value or NaN)."""
    if not isinstance(value, Mapping) or not all(isinstance(v, Mapping) for v in value.values()):
        raise DataError(f"{origin} is no mapping of names to emo and val; fix the source")
    return {
        _name(name, origin): (
            _emotion(label.get("emo", ""), origin),
            _number(label.get("val", ""), origin),
        )
        for name, label in value.items()
    }


def _name(value: Any, origin: str) -> str:
    """Of an utterance and of its files of features: it leads to no other folder."""
    name = value if isinstance(value, str) else ""
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise DataError(f"{origin}: a name is none of an utterance and its files; fix the source")
    return name


def _emotion(value: Any, origin: str) -> str:
    try:
        return (as_text(value) if not isinstance(value, int | float) else f"{value:g}").lower()
    except (TypeError, OverflowError):
        raise DataError(f"{origin}: an emo is a {type(value).__name__}; fix the source") from None


def _number(value: Any, origin: str) -> float:
    if isinstance(value, str) and not value.strip():
        return float("nan")
    try:
        number = number_of(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError):
        value_text = repr(value[:40]) if isinstance(value, str) else f"of a {type(value).__name__}"
        raise DataError(f"{origin}: the val {value_text} is no number; fix the source") from None
    return float("nan") if number == _UNKNOWN else number


def _text_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("transcription*.csv"))


def _texts(folder: Path, names: Sequence[str], sink: Sink) -> dict[str, list[str]]:
    """``text`` in English and ``text_zh`` in Chinese, of the files of transcriptions."""
    text_of: dict[str, dict[str, str]] = {language: {} for language in _TEXTS}
    for path in _text_files(folder):
        sink.source(path)
        cells = sink.columns(path)
        note_unread_names(sink, path.name, cells, {"name", *_TEXTS})
        for language in _TEXTS:
            in_file: dict[str, str] = {}
            for name, text in zip(cells.get("name", ()), cells.get(language, ()), strict=False):
                differs = text.strip() and in_file.setdefault(name, text) != text
                if differs and name in names:
                    raise DataError(f"{path} has two texts of {name!r} ({language}); keep one")
            earlier = text_of[language]
            replaced = [
                name
                for name in names
                if name in in_file and in_file[name] != earlier.get(name, in_file[name])
            ]
            if replaced:
                sink.note(
                    f"{path.name} is taken for {count_of(len(replaced), 'text')} ({language}) that "
                    f"another transcription*.csv words otherwise, such as that of {replaced[0]}; "
                    "remove one of the files to choose"
                )
            earlier |= in_file
    columns = {"text": "english", "text_zh": "chinese"}
    columns_of_text = {
        column: [text_of[of].get(name, "") for name in names] for column, of in columns.items()
    }
    return {
        column: cells for column, cells in columns_of_text.items() if column == "text" or any(cells)
    }


def _divided(
    rows: Sequence[tuple[str, str, str, float]], columns: dict[str, list[str]], sink: Sink
) -> dict[str, dict[str, Any]]:
    """Protocols; their columns are added."""
    parts = [part for part, *_ in rows]
    if set(parts) == {_WHOLE}:
        columns["session"] = [name[:5] for _, name, *_ in rows]
        sessions = sorted(set(columns["session"]))
        sink.note(f"folds are its {len(sessions)} sessions ({', '.join(sessions)[:80]})")
        columns["fold"] = [str(sessions.index(session)) for session in columns["session"]]
        return {"folds": {"column": "fold"}}
    modes = {"train": "train", "val": "valid", "valid": "valid", "dev": "valid"}
    mode = [modes.get(part, "test") for part in parts]
    if "valid" not in mode:
        train = [row for row, part in enumerate(mode) if part == "train"]
        for row in sorted(train, key=lambda row: rows[row][1])[::_HELD_OUT]:
            mode[row] = "valid"
        sink.note(
            f"it has no validation rows: every {_HELD_OUT}th train row, in the order of their "
            "names, is validated on"
        )
    protocols = {}
    tests = sorted({part for part, row_mode in zip(parts, mode, strict=True) if row_mode == "test"})
    for test in tests:
        column = "mode" if test == tests[0] else f"mode_{test}"
        columns[column] = [
            row_mode if row_mode != "test" or part == test else "unused"
            for part, row_mode in zip(parts, mode, strict=True)
        ]
        protocols["standard" if test == tests[0] else test] = {"column": column}
    return protocols

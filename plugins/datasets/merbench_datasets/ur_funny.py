"""The form ``ur-funny``: the pickles of UR-FUNNY, version 2 (github.com/ROC-HCI/UR-FUNNY)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api import Array, DataError, Modality, Sink, Source, as_text, unpickle
from merbench_datasets.form_settings import Plain
from merbench_datasets.pickle_splits import MODES
from merbench_datasets.unread_content import note_unread_files, note_unread_names

_FOLDS, _LANGUAGE, _LABELS = "data_folds.pkl", "language_sdk.pkl", "humor_label_sdk.pkl"
_FEATURES: dict[str, tuple[str, Modality]] = {
    "covarep_features_sdk.pkl": ("audio.covarep", "audio"),
    "openface_features_sdk.pkl": ("video.openface", "video"),
}
_SENTENCE, _CONTEXT = "punchline_sentence", "context_sentences"
_TIMES, _VALUES = "punchline_intervals", "punchline_features"


class UrFunny(Plain):
    """A folder of ``data_folds``, ``language_sdk``, ``humor_label_sdk`` and, where they are there,
    ``covarep_features_sdk`` [words, 81] and ``openface_features_sdk`` [words, 371]: dicts by id.

    The punchline is the utterance; its context is a stream of text beside it. Features are one step
    a word. The files say nothing of videos: each id is a video of its own.
    """

    looks_for = f"a folder with {_FOLDS}, {_LANGUAGE} and {_LABELS}"

    def recognise(self, source: Source) -> str:
        lacks = [n for n in (_FOLDS, _LANGUAGE, _LABELS) if not (source.path / n).is_file()]
        return f"it has no {lacks[0]}" if lacks else ""

    def convert(self, source: Source, sink: Sink) -> None:
        folder = source.path
        folds, language, labels = (
            _mapping(folder / name, sink) for name in (_FOLDS, _LANGUAGE, _LABELS)
        )
        mode = _modes(folds, folder / _FOLDS)
        keys = sorted(mode, key=str)
        sentences = {key: _sentence(language, key, folder / _LANGUAGE) for key in keys}
        columns = {
            "video_id": [str(key) for key in keys],
            "clip_id": ["0"] * len(keys),
            "text": [" ".join(sentences[key]) for key in keys],
            "context": [_context(language[key]) for key in keys],
            "mode": [mode[key] for key in keys],
            "humor": [_humor(labels, key, folder / _LABELS) for key in keys],
        }
        sink.note("its files do not say of which video a row is: each row is a video of its own")
        fields = {field for key in keys for field in language[key]}
        note_unread_names(sink, _LANGUAGE, fields, {_SENTENCE, _CONTEXT, _TIMES})
        note_unread_files(sink, folder, {_FOLDS, _LANGUAGE, _LABELS, *_FEATURES})
        sink.table(columns)
        sink.task("humor", column="humor", kind="class", words=["serious", "humorous"])
        sink.stream("text.transcript", modality="text", kind="strings", column="text")
        if any(columns["context"]):
            sink.stream("text.context", modality="text", kind="strings", column="context")
        ids = [f"{key}_0" for key in keys]
        times = [_times(language, key, sentences) for key in keys]
        without = sum(of_row is None for of_row in times)
        if without and _TIMES in fields:
            sink.note(
                f"{without} of {len(keys)} rows have not one of {_TIMES} a word, "
                "so that no row's words have times"
            )
        sink.words("text.words", ids, lambda i: (sentences[keys[i]], times[i]))
        offered = ["text.words"]
        for name, (stream, modality) in _FEATURES.items():
            if not (folder / name).is_file():
                sink.note(f"{name} is not there, and {stream} is left out")
                continue
            values = _mapping(folder / name, sink)
            read_row = _reader(values, keys, folder / name)
            width = next(
                (row.shape[1] for i in range(len(keys)) if (row := read_row(i)) is not None), 0
            )
            if not width:
                raise DataError(f"{folder / name} has no {_VALUES} of its rows; leave it out")
            sink.features(stream, modality, width, ids, read_row, note=f"UR-FUNNY, {name}")
            offered.append(stream)
        sink.protocol("standard", column="mode", streams=offered)


def _mapping(path: Path, sink: Sink) -> Mapping[Any, Any]:
    sink.source(path)
    content = unpickle(path)
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path} holds no dict by id; give the file of UR-FUNNY, version 2")
    return content


def _modes(folds: Mapping[Any, Any], path: Path) -> dict[Any, str]:
    """Id -> train, valid or test."""
    modes: dict[Any, str] = {}
    for name, ids in folds.items():
        values = ids.read().tolist() if isinstance(ids, Array) else ids
        if name not in MODES or not isinstance(values, list | tuple):
            raise DataError(f"{path} holds more than lists of ids of train, dev and test")
        for key in values:
            if modes.setdefault(key, MODES[name]) != MODES[name]:
                raise DataError(
                    f"{path}: the id {key!r} is in {modes[key]} and in {MODES[name]}; "
                    "take it out of one"
                )
    if lacks := {"train", "valid", "test"} - set(modes.values()):
        raise DataError(f"{path} has no ids of {min(lacks)}; give the whole file")
    return modes


def _sentence(language: Mapping[Any, Any], key: Any, path: Path) -> list[str]:
    """The words of the punchline."""
    row = language.get(key)
    if not isinstance(row, dict) or _SENTENCE not in row:
        raise DataError(f"{path} has no {_SENTENCE} of {key!r}; give the file of version 2")
    return _words(row[_SENTENCE])


def _words(value: Any) -> list[str]:
    items = value if isinstance(value, list | tuple) else [value]
    return [word for item in items for word in as_text(item).split()]


def _context(row: Mapping[str, Any]) -> str:
    sentences = row.get(_CONTEXT, ())
    return " ".join(" ".join(_words(sentence)) for sentence in sentences or ())


def _humor(labels: Mapping[Any, Any], key: Any, path: Path) -> str:
    value = labels.get(key)
    if value not in (0, 1):
        raise DataError(f"{path}: the label of {key!r} is not 0 or 1; fix it, or leave the row out")
    return "humorous" if value else "serious"


def _times(
    language: Mapping[Any, Any], key: Any, sentences: Mapping[Any, Sequence[str]]
) -> np.ndarray | None:
    """[words, 2], where there is an interval for each word."""
    try:
        times = np.array(_plain(language[key][_TIMES]), dtype=np.float64).reshape(-1, 2)
    except (KeyError, TypeError, ValueError):
        return None
    return times if len(times) == len(sentences[key]) else None


def _reader(
    values: Mapping[Any, Any], keys: Sequence[Any], path: Path
) -> Callable[[int], np.ndarray | None]:
    def read(row: int) -> np.ndarray | None:
        entry = values.get(keys[row])
        if not isinstance(entry, dict) or _VALUES not in entry:
            return None
        try:
            steps = np.array(_plain(entry[_VALUES]), dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{path}: {_VALUES} of {keys[row]!r} are no numbers ({error})"
            ) from None
        return steps if steps.ndim == 2 and len(steps) else None

    return read


def _plain(value: Any) -> Any:
    """Arrays inside lists as numpy arrays."""
    if isinstance(value, Array):
        return (
            value.read()
            if not value.dtype.hasobject
            else [_plain(value[i]) for i in range(len(value))]
        )
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value

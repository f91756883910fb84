"""Reads a feature folder: ``dataset.toml`` + ``label.csv`` + any number of ``.npz`` or
``.safetensors``, joined by id, never by position.

``dataset.toml`` in full::

    name = "mosi"
    labels = "label.csv"                                       # the default; MMSA's form: video_id,
                                                               clip_id, text, label, ..., mode
    task.sentiment = { column = "label", kind = "score", low = -3.0, high = 3.0 }
    [task.mood]
    column = "annotation"                                      # a cell: the word or its number
    kind = "class"
    words = ["Negative", "Neutral", "Positive"]
    glosses = ["feeling bad", "feeling nothing", "feeling good"]   # any task: a sentence a word,
                                                               for label encoders that read one
    rank = "weighted_f1"                                       # any task: the metric of its boards

    [task.emotions]
    columns = ["happy", "sad"]                                 # present where > 0
    kind = "multilabel"
    words = ["happy", "sad"]                                   # in every task: empty cell = unknown

    [streams."text.transcript"]
    modality = "text"                                          # text, audio or video
    kind = "strings"                                           # a column of the label file
    column = "text"
    note = "..."                                               # any stream: where it came from

    [streams."text.words"]
    modality = "text"
    kind = "words"                                             # arrays id [N], offset [N+1], word
                                                               [T] into vocab, start and end [T] in
                                                               s
    file = "words.npz"

    [streams."audio.x"]
    modality = "audio"
    kind = "features"                                          # [N, D]; [N, L, D] with lengths [N];
                                                               or [T, D] with offsets [N+1]
    file = "audio.npz"                                         # with id [N]
    array = "x"
    length = "length"                                          # the default name of the lengths;
                                                               padding = "right" or "left"
    offset = "offset"                                          # the default name of the offsets
    fitted_on = { file = "audio.npz", array = "split", values = [0, 1] }   # rows on whose labels
    the network that made it was trained

    [streams."video.clip"]
    modality = "video"
    kind = "clip"                                              # {...}: columns of the label file
    pattern = "Raw/{video_id}/{clip_id}.mp4"

    [protocols.standard]
    column = "mode"                                            # train, valid or test
    streams = ["text.words", "audio.x"]                        # offered by default, one a modality

    [protocols.folds]
    file = "audio.npz"                                         # fold k tests, fold k + 1 validates,
                                                               the rest train; -1 = not used
    array = "fold"
    streams = ["text.words"]
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api.material.corpus import Corpus, Protocol, Split, Stream, Task
from merbench.api.material.labels import SENTIMENT, usual_glosses
from merbench.api.material.types import LabelSpace
from merbench.data.folder.kinds import Beside, strings
from merbench.data.folder.label_table import Table, read_table
from merbench.data.folder.toml_section import Section, read_toml
from merbench.data.hints import instead
from merbench.data.same_segment import times_of
from merbench.data.valid_steps import count_not_finite

FILE = "dataset.toml"
_MODES = ("train", "valid", "test")


def read_folder(path: Path) -> Corpus:
    """The data set in a feature folder. Raises DataError, one sentence naming the file and the
    mend, for anything that is wrong in it.
    """
    top = Section(path / FILE, "", read_toml(path / FILE))
    name, labels = top.text("name"), top.file("labels", "label.csv")
    beside = Beside(path, read_table(labels))
    table = beside.table
    tasks = {key: _task(section, table) for key, section in top.tables("task")}
    streams = {key: beside.stream(key, section) for key, section in top.tables("streams")}
    notes = [
        f"{count} values of stream {key} are not finite; "
        "each is replaced by the train mean of its dimension"
        for key, stream in streams.items()
        if stream.kind == "features"
        and (
            count := beside.not_finite[key]
            if key in beside.not_finite
            else count_not_finite(stream)
        )
    ]
    protocols = {}
    for key, section in top.tables("protocols"):
        splits, group = _splits(section, beside)
        protocols[key] = Protocol(splits, _offered(section, streams))
        notes += _shared_videos(key, table, group)
    top.done()
    return Corpus(
        name=name,
        ids=np.array(table.ids),
        videos=np.array(table.column("video_id")),
        texts=strings(table.cells.get("text", [""] * len(table))),
        tasks=tasks,
        streams=streams,
        protocols=protocols,
        notes=tuple(notes),
        times=times_of(table.cells),
    )


def _task(section: Section, table: Table) -> Task:
    kind = section.choice("kind", ("score", "class", "multilabel"))
    rank, glosses = section.text("rank", ""), section.texts("glosses", [])
    target: np.ndarray
    if kind == "score":
        space, target, known = _score(section, table)
    elif kind == "class":
        column, words = section.text("column"), section.texts("words")
        space = _named(kind, words)
        target, known = _classes(table, column, words)
    else:
        columns = section.texts("columns")
        words = section.texts("words", columns)
        if len(words) != len(columns):
            raise section.error(
                f"{len(words)} words for {len(columns)} columns; give one word a column"
            )
        space = _named(kind, words)
        pairs = [table.numbers(column) for column in columns]
        target = np.stack([values > 0 for values, _ in pairs], axis=1).astype(np.float32)
        known = np.stack([known for _, known in pairs], axis=1)
    section.done()
    if not known.any():
        raise section.error("every cell of the task is empty; fill them, or take the task out")
    if glosses:
        if len(glosses) != len(space.words):
            raise section.error(
                f"{len(glosses)} glosses for the {len(space.words)} words "
                f"{', '.join(space.words)}; "
                "give one gloss a word, in their order"
            )
        space = replace(space, glosses=tuple(glosses))
    return Task(space, target, None if known.all() else known, rank=rank)


def _score(section: Section, table: Table) -> tuple[LabelSpace, np.ndarray, np.ndarray]:
    """``(space, target [N], known [N])``: seven words at even distances from low to high."""
    low, high, column = section.number("low"), section.number("high"), section.text("column")
    if high - low <= 1e-6 * max(abs(low), abs(high), 1):
        raise section.error(
            f"low = {low:g} is not well below high = {high:g}; give the range of the labels"
        )
    anchors = tuple(np.linspace(low, high, len(SENTIMENT.words)).tolist())
    space = SENTIMENT if anchors == SENTIMENT.anchors else replace(SENTIMENT, anchors=anchors)
    values, known = table.numbers(column, low, high)
    return space, values.astype(np.float32), known


def _named(kind: Any, words: list[str]) -> LabelSpace:
    return LabelSpace(kind, tuple(words), usual_glosses(words))


def _classes(table: Table, column: str, words: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """``(number of the word [N] int64, known [N])``; a cell holds the word or its number from 0."""
    number = {f"{k}{tail}": k for k in range(len(words)) for tail in ("", ".0")} | {
        word: k for k, word in enumerate(words)
    }
    target, known = np.zeros(len(table), dtype=np.int64), np.ones(len(table), dtype=bool)
    for row, cell in enumerate(table.column(column)):
        if not cell.strip():
            known[row] = False
        elif cell.strip() in number:
            target[row] = number[cell.strip()]
        else:
            mend = f"put one of {', '.join(words)}, or its number from 0"
            raise table.error(
                row,
                f"column {column!r} holds {cell[:40]!r}; "
                f"{mend}, or leave the cell empty where it is unknown",
            )
    return target, known


def _splits(section: Section, beside: Beside) -> tuple[tuple[Split, ...], np.ndarray]:
    """``(splits, group [N])``: the group of a row is its split or fold, -1 = not used."""
    table = beside.table
    by_id = np.argsort(table.ids)  # so that the order of the file changes nothing

    def split(train: np.ndarray, valid: np.ndarray, test: np.ndarray, fold: int | None) -> Split:
        for mode, chosen in zip(_MODES, (train, valid, test), strict=True):
            if not chosen.any():
                of = "" if fold is None else f" in fold {fold}"
                raise section.error(f"no row is in {mode}{of}; every split needs at least one row")
        return Split(by_id[train[by_id]], by_id[valid[by_id]], by_id[test[by_id]], fold)

    if column := section.text("column", ""):
        cells = table.column(column)
        for row, cell in enumerate(cells):
            if cell not in _MODES:
                raise table.error(
                    row, f"column {column!r} holds {cell[:40]!r}; put train, valid or test"
                )
        group = np.array([_MODES.index(cell) for cell in cells])
        return (split(group == 0, group == 1, group == 2, None),), group
    if "file" not in section:
        raise section.error(
            "it does not say how rows are divided; "
            'write column = "mode", or file and array of fold numbers'
        )
    arrays, place = beside.arrays(section)
    name = section.text("array")
    group = arrays.per_row(name, "iu")[place].astype(np.int64)
    numbers = np.unique(group[group != -1])
    n = len(numbers)
    if not np.array_equal(numbers, np.arange(n)) or n < 3:
        rule = "must number at least 3 folds 0, 1, 2, ... without a gap, -1 = not used"
        raise section.error(f"{arrays.path}: array {name!r} {rule}; number them so")
    folds = []
    for k in range(n):
        test, valid = group == k, group == (k + 1) % n
        folds.append(split((group >= 0) & ~test & ~valid, valid, test, k))
    return tuple(folds), group


def _offered(section: Section, streams: dict[str, Stream]) -> tuple[str, ...]:
    names = section.texts("streams")
    section.done()
    by_modality: dict[str, str] = {}
    for name in names:
        if name not in streams:
            raise section.error(
                f"streams names {name!r}, which is not described here; {instead(name, streams)}"
            )
        other = by_modality.setdefault(streams[name].modality, name)
        if other != name:
            raise section.error(
                f"streams names {other!r} and {name!r}, both {streams[name].modality}; "
                "offer one a modality"
            )
    return tuple(names)


def _shared_videos(protocol: str, table: Table, group: np.ndarray) -> list[str]:
    _, video = np.unique(table.column("video_id"), return_inverse=True)
    used = group >= 0
    pairs = np.unique(np.stack([video[used], group[used]]), axis=1)
    shared = np.bincount(pairs[0], minlength=video.max() + 1) > 1
    if not shared.any():
        return []
    rows = int((shared[video] & used).sum())
    where = (
        f"protocol {protocol}: {rows} rows belong to {int(shared.sum())} video(s) that stand in "
        "more than one split"
    )
    return [f"{where}, so its test rows are not independent of its train rows"]

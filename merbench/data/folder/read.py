"""Reads a feature folder: ``dataset.toml`` + ``label.csv`` + any number of ``.npz`` or
``.safetensors``, joined by id, never by position.

``dataset.toml`` in full::

    name = "mosi"
    # Columns of who or what rows belong to beside their video; the default: those of speaker,
    # dialogue, session and show that are there.
    groups = ["speaker"]
    # The default; MMSA's form: video_id, clip_id, text, label, ..., mode.
    labels = "label.csv"
    # In every task an empty cell is unknown.
    task.sentiment = { column = "label", kind = "score", low = -3.0, high = 3.0 }

    [task.mood]
    column = "annotation"                 # a cell: the word or its number
    kind = "class"
    words = ["Negative", "Neutral", "Positive"]
    # Any task: a sentence a word, for label encoders that read one.
    glosses = ["feeling bad", "feeling nothing", "feeling good"]
    rank = "weighted_f1"                  # any task: the metric of its boards

    [task.emotions]
    columns = ["happy", "sad"]            # present where > 0
    kind = "multilabel"
    words = ["happy", "sad"]

    [streams."text.transcript"]
    modality = "text"                     # text, audio or video
    kind = "strings"                      # a column of the label file
    column = "text"
    note = "..."                          # any stream: where it came from

    [streams."text.words"]
    modality = "text"
    # Arrays id [N], offset [N+1], word [T] into vocab, start and end [T] in seconds.
    kind = "words"
    file = "words.npz"

    [streams."audio.x"]
    modality = "audio"
    # [N, D]; [N, L, D] with lengths [N]; or [T, D] with offsets [N+1].
    kind = "features"
    file = "audio.npz"                    # with id [N]
    array = "x"
    length = "length"                     # the default name of the lengths
    padding = "right"                     # the default, or left
    # Rows on whose labels the network that made it was trained.
    fitted_on = { file = "audio.npz", array = "split", values = [0, 1] }

    [streams."audio.y"]
    modality = "audio"
    kind = "features"
    file = "ragged.npz"
    array = "y"
    offset = "offset"                     # the default name of the offsets

    [streams."video.clip"]
    modality = "video"
    kind = "clip"
    pattern = "Raw/{video_id}/{clip_id}.mp4"    # in braces: columns of the label file

    [protocols.standard]
    column = "mode"                       # train, valid or test; or numbers of folds, as below
    streams = ["text.words", "audio.x"]   # offered by default, one a modality

    [protocols.folds]
    # Fold k tests, fold k + 1 validates, the rest train; -1 = not used.
    file = "audio.npz"
    array = "fold"
    streams = ["text.words"]

    [protocols.speakers]
    folds = 5                             # whole groups, of about as many rows
    # In any protocol: by what scores are resampled; the default: by video.
    group = "speaker"
    streams = ["text.words"]
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api.material.corpus import Corpus, Task
from merbench.api.material.label_prompts import SENTIMENT, usual_glosses
from merbench.api.material.types import LabelSpace
from merbench.data.duplicate_segments import times_of
from merbench.data.folder.label_table import Table, read_table
from merbench.data.folder.protocols import group_cells, read_protocol
from merbench.data.folder.streams import TableFiles, strings
from merbench.data.folder.toml_section import Section, read_toml
from merbench.data.streams.valid_steps import count_not_finite

FILE = "dataset.toml"
GROUPS = ("speaker", "dialogue", "session", "show")
"""Columns that are groups where ``groups`` names none."""
_WHOLE = re.compile(r"(-?\d+)(\.0)?")


def read_folder(path: Path) -> Corpus:
    """The data set in a feature folder. Raises DataError, one sentence naming the file and the
    fix, for anything that is wrong in it.
    """
    top = Section(path / FILE, "", read_toml(path / FILE))
    name, labels = top.text("name"), top.file("labels", "label.csv")
    files = TableFiles(path, read_table(labels))
    table = files.table
    tasks = {key: _task(section, table) for key, section in top.tables("task")}
    streams = {key: files.stream(key, section) for key, section in top.tables("streams")}
    notes = [
        f"{count} values of stream {key} are not finite; "
        "each is replaced by the train mean of its dimension"
        for key, stream in streams.items()
        if stream.kind == "features"
        and (
            count := files.not_finite[key] if key in files.not_finite else count_not_finite(stream)
        )
    ]
    protocols = {}
    for key, section in top.tables("protocols"):
        protocols[key], sentences = read_protocol(key, section, files, streams)
        notes += sentences
    columns = top.texts("groups", [name for name in GROUPS if name in table.cells])
    columns += [p.group for p in protocols.values() if p.group and p.group not in columns]
    groups = {column: np.array(group_cells(table, column)) for column in columns}
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
        groups=groups,
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
    """``(number of the word [N] int64, known [N])``; a cell holds the word or its number from 0:
    the word alone where one is itself a number.
    """
    number = {_label(word): k for k, word in enumerate(words)}
    is_numbered = not any(_WHOLE.fullmatch(word) for word in number)
    if is_numbered:
        number |= {str(k): k for k in range(len(words))}
    target, known = np.zeros(len(table), dtype=np.int64), np.ones(len(table), dtype=bool)
    for row, cell in enumerate(table.column(column)):
        if not cell.strip():
            known[row] = False
        elif _label(cell) in number:
            target[row] = number[_label(cell)]
        else:
            otherwise = ", or its number from 0" if is_numbered else ""
            fix = f"put one of {', '.join(words)}{otherwise}"
            raise table.error(
                row,
                f"column {column!r} holds {cell[:40]!r}; "
                f"{fix}, or leave the cell empty where it is unknown",
            )
    return target, known


def _label(cell: str) -> str:
    """Without the spaces around it; ``1.0`` is ``1``, for so pandas writes whole numbers of which
    some are not known.
    """
    whole = _WHOLE.fullmatch(cell.strip())
    return whole[1] if whole else cell.strip()

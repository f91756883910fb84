"""Columns of a file of predictions -> the array that metrics take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from merbench.api.did_you_mean import did_you_mean
from merbench.api.errors import DataError
from merbench.api.material.delimited import number_of
from merbench.api.material.types import LabelSpace
from merbench.outside.answers import parse
from merbench.outside.table import Table

SCORE_COLUMNS = ("score", "prediction")
WORD_COLUMNS = ("label", "prediction")
WORDS_COLUMNS = ("labels", "prediction")
ANSWERS = "answer"
"""The column of a language model's answers, as free text."""
SUM_SLACK = 0.01
"""Probabilities of classes may add up to 1 plus or minus this: files round."""


def predictions(table: Table, rows: np.ndarray, space: LabelSpace, task: str) -> np.ndarray:
    """[N] of a score, else [N, C]: probabilities, or 0 and 1 where words are given; rows of nan are
    answers that could not be parsed.

    ``rows``: of the table, in the order wanted. ``task``: its name, which a column may have too.
    """
    if ANSWERS in table.columns:
        return _answers(table, rows, space)
    columns = [_part(table, rows, part, task) for part in space.tasks]
    if not space.parts:
        return columns[0]
    return np.column_stack(columns)


def _answers(table: Table, rows: np.ndarray, space: LabelSpace) -> np.ndarray:
    if space.parts:
        raise DataError(
            f"{table.path} has a column {ANSWERS!r}, and answers are read for one task at a time; "
            "choose one with --task"
        )
    parsed = [parse(table.columns[ANSWERS][row], space) for row in rows]
    if all(values is None for values in parsed):
        raise DataError(
            f"{table.path}: no answer holds a {'number' if space.kind == 'score' else 'label'} of "
            f"the task ({', '.join(space.words)})"
        )
    none = np.full(space.logit_count, np.nan)
    array = np.stack([none if values is None else values for values in parsed])
    return array[:, 0] if space.kind == "score" else array


def _part(table: Table, rows: np.ndarray, space: LabelSpace, task: str) -> np.ndarray:
    if space.kind == "score":
        return _scores(table, rows, space, _column(table, (*SCORE_COLUMNS, task), space))
    having = [word for word in space.words if word in table.columns]
    if not having:
        names = WORD_COLUMNS if space.kind == "class" else WORDS_COLUMNS
        return _words(table, rows, space, _column(table, (*names, task), space))
    if lacking := [word for word in space.words if word not in table.columns]:
        raise DataError(
            f"{table.path} has a column {having[0]!r} and none {lacking[0]!r}; "
            f"give one for each of {', '.join(space.words)}"
        )
    return _probabilities(table, rows, space)


def _column(table: Table, names: Sequence[str], space: LabelSpace) -> str:
    """The only column that has one of ``names``."""
    having = [name for name in dict.fromkeys(names) if name in table.columns]
    if len(having) > 1:
        raise DataError(
            f"{table.path} has the columns {' and '.join(map(repr, having))}, each of which could "
            "be the prediction; keep one"
        )
    if not having:
        labels = "" if space.kind == "score" else f", or one for each of {', '.join(space.words)}"
        raise DataError(
            f"{table.path} has no column {names[0]!r}{labels}; it has {', '.join(table.columns)}"
        )
    return having[0]


def _scores(table: Table, rows: np.ndarray, space: LabelSpace, column: str) -> np.ndarray:
    """A model may overshoot the scale, by half its width at most: beyond, it is another scale."""
    assert space.anchors is not None
    low, high = space.anchors[0], space.anchors[-1]
    slack = (high - low) / 2
    scores = np.empty(len(rows))
    for index, row in enumerate(rows):
        scores[index] = _number(table, row, column)
        if not low - slack <= scores[index] <= high + slack:
            raise table.error(
                row,
                f"{column} is {scores[index]:g}, far from the labels' scale {low:g} to {high:g}; "
                "give predictions on that scale",
            )
    return scores


def _probabilities(table: Table, rows: np.ndarray, space: LabelSpace) -> np.ndarray:
    p_NC = np.empty((len(rows), len(space.words)))
    for index, row in enumerate(rows):
        for c, word in enumerate(space.words):
            p = p_NC[index, c] = _number(table, row, word)
            if not 0 <= p <= 1:
                raise table.error(
                    row, f"{word} is {p:g}, which is no probability; give numbers from 0 to 1"
                )
        total = p_NC[index].sum()
        if space.kind == "class" and abs(total - 1) > SUM_SLACK:
            raise table.error(
                row,
                f"the probabilities of the classes add up to {total:.4g}; make them add up to 1",
            )
    return p_NC


def _words(table: Table, rows: np.ndarray, space: LabelSpace, column: str) -> np.ndarray:
    """1 for each label that is given, 0 for the others."""
    p_NC = np.zeros((len(rows), len(space.words)))
    index_of_word = {word.casefold(): c for c, word in enumerate(space.words)}
    for number, row in enumerate(rows):
        listed = _listed(table.columns[column][row], several=space.kind == "multilabel")
        if space.kind == "class" and len(listed) != 1:
            raise table.error(row, f"it has no label; give one of {', '.join(space.words)}")
        for word in listed:
            if word.casefold() not in index_of_word:
                meant = did_you_mean(word.casefold(), space.words)
                raise table.error(row, f"{word[:60]!r} is no label of the task; {meant}")
            p_NC[number, index_of_word[word.casefold()]] = 1
    return p_NC


def _listed(cell: Any, several: bool) -> list[str]:
    """Labels in a cell: one word, or several in a list or with ``|``, ``;`` or commas between."""
    if cell is None:
        return []
    if isinstance(cell, list):
        words = [word if isinstance(word, str) else f"a {type(word).__name__}" for word in cell]
    elif several:
        words = str(cell).replace("|", ",").replace(";", ",").split(",")
    else:
        words = [str(cell)]
    return [word.strip() for word in words if word.strip()]


def _number(table: Table, row: int, column: str) -> float:
    """A finite number."""
    cell = table.columns[column][row]
    value = math.nan
    if isinstance(cell, str):
        try:
            value = number_of(cell)
        except ValueError:
            value = math.nan
    elif isinstance(cell, bool | int | float):
        try:
            value = float(cell)
        except OverflowError:
            value = math.nan
    if not math.isfinite(value):
        plain = isinstance(cell, str | int | float)
        cell_text = repr(cell)[:40] if plain else f"a {type(cell).__name__}"
        cell_text = "empty" if cell is None or cell == "" else cell_text
        raise table.error(row, f"{column} is {cell_text}; every row needs a finite number there")
    return value

"""Columns of words and probabilities -> the array that metrics take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merbench.api import DataError, LabelSpace
from merbench.api.material.label_prompts import SENTIMENT
from merbench.outside.table import Table
from merbench.outside.values import predictions

WORDS = ("happy", "sad", "anger")
CLASSES = LabelSpace("class", WORDS, WORDS)
LABELS = LabelSpace("multilabel", WORDS, WORDS)


def read(space, **columns):
    rows = len(next(iter(columns.values())))
    table = Table(Path("p.csv"), columns, [f"line {row + 2}" for row in range(rows)])
    return predictions(table, np.arange(rows)[::-1], space, "mood").tolist()


def test_words_become_ones():
    assert read(CLASSES, label=["sad", " Happy "]) == [[1, 0, 0], [0, 1, 0]]
    assert read(CLASSES, mood=["anger"]) == [[0, 0, 1]]
    assert read(LABELS, labels=["sad|anger", "", None]) == [[0, 0, 0], [0, 0, 0], [0, 1, 1]]
    assert read(LABELS, labels=[["happy"], "anger, sad"]) == [[0, 1, 1], [1, 0, 0]]


def test_probabilities_are_read_in_the_order_of_the_labels():
    columns = {"anger": ["0.7", 0.1], "happy": [0.2, 0.5], "sad": [0.1, "0.4"]}
    assert read(CLASSES, **columns) == [[0.5, 0.4, 0.1], [0.2, 0.1, 0.7]]
    assert read(LABELS, happy=[True], sad=[False], anger=[1]) == [[1, 0, 1]]


def test_two_tasks_at_once_have_a_score_and_labels():
    space = LabelSpace.joint(SENTIMENT, LABELS)
    assert read(space, score=[1.5], labels=["sad"]) == [[1.5, 0, 1, 0]]


NESTED: list = []
for _ in range(5000):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    ("space", "columns", "sentence"),
    [
        (CLASSES, {"label": ["hapy"]}, "p.csv, line 2: 'hapy' is no label of the task; did you mean 'happy'"),
        (CLASSES, {"label": [""]}, "it has no label; give one of happy, sad, anger"),
        (CLASSES, {"text": ["a"]}, "has no column 'label', or one for each of happy, sad, anger"),
        (CLASSES, {"label": ["sad"], "prediction": ["sad"]}, "'label' and 'prediction'"),
        (CLASSES, {"happy": [1], "sad": [0]}, "has a column 'happy' and none 'anger'"),
        (CLASSES, {"happy": [0.5], "sad": [0.2], "anger": [0.2]}, "add up to 0.9"),
        (CLASSES, {"happy": [2.5], "sad": [-1], "anger": [-0.5]}, "happy is 2.5, which is no probability"),
        (LABELS, {"labels": ["sad,glad"]}, "'glad' is no label"),
        (LABELS, {"happy": [0.5], "sad": ["x"], "anger": [0.2]}, "sad is 'x'; every row needs a finite number"),
        (LABELS, {"happy": [0.5], "sad": [None], "anger": [0.2]}, "sad is empty"),
        (SENTIMENT, {"score": [[1]]}, "score is a list; every row needs"),
        (SENTIMENT, {"score": [NESTED]}, "score is a list; every row needs"),
        (LABELS, {"labels": [[NESTED]]}, "'a list' is no label"),
        (SENTIMENT, {"score": [10**400]}, "every row needs a finite number"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(space, columns, sentence):
    with pytest.raises(DataError, match=sentence):
        read(space, **columns)

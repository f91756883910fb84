"""A data set that a plugin makes is held to what a ``Corpus`` is, clause by clause."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from merbench.api import Component, Protocol, RequestError, Split
from merbench.data.soundness import faults
from merbench.engine.plan.datasets import open_dataset
from merbench.host.catalog import Catalog, Plugin
from merbench.testing import tiny

ROWS = np.arange(24)


def with_task(kind, **changes):
    corpus = tiny.corpus(kind)
    return replace(corpus, tasks={"task": replace(corpus.tasks["task"], **changes)})


def with_stream(name="audio.tiny", **changes):
    corpus = tiny.corpus()
    changed = replace(corpus.streams[name], **changes)
    return replace(corpus, streams={**corpus.streams, name: changed})


def words_in_place_of(word):
    """The words of the made data set, the first of them ``word``."""
    stream = tiny.corpus().streams["text.words"]
    return with_stream("text.words", values=np.array([word, *stream.values[1:]]))


def with_split(train, valid, test, streams=("audio.tiny",)):
    return replace(
        tiny.corpus(), protocols={"standard": Protocol((Split(train, valid, test),), streams)}
    )


@pytest.mark.parametrize("kind", ["score", "class", "multilabel", "joint"])
def test_a_sound_one_has_no_fault(kind):
    assert list(faults(tiny.corpus(kind))) == []
    unknown = np.ones(tiny.corpus(kind).tasks["task"].target.shape, dtype=bool)
    unknown[3] = False
    target = np.where(unknown, tiny.corpus(kind).tasks["task"].target, -7)
    assert list(faults(with_task(kind, target=target, known=unknown))) == [], "unknown: anything"


@pytest.mark.parametrize(
    ("corpus", "clause"),
    [
        (replace(tiny.corpus(), ids=np.array(["a"] * 24)), "its ids are not unique"),
        (replace(tiny.corpus(), videos=np.array(["a"])), "it has 24 ids and 1 videos"),
        (replace(tiny.corpus(), groups={"speaker": ROWS[:5]}), "it has 24 ids and 5 speaker"),
        (with_task("score", target=np.zeros(23)), r"targets of shape \[23\], not \[24\]"),
        (with_task("score", target=np.full(24, np.nan)), "a known target is nan, not a finite"),
        (with_task("score", known=np.ones((24, 1), bool)), r"known of shape \[24, 1\]"),
        (with_task("class", target=ROWS), "a known target is 6, not a number from 0 to 5"),
        (with_task("class", target=np.zeros(24)), "targets are float64, not whole numbers"),
        (with_task("multilabel", target=np.full((24, 6), 0.5)), "is 0.5, not 0 or 1"),
        (with_task("joint", target=np.full((24, 7), 2.0)), "a known target is 2.0, not 0 or 1"),
        (with_task("joint", target=np.zeros((24, 6))), r"not \[24, 7\]"),
        (with_stream(length=np.full(24, 99)), "stream audio.tiny: it points beyond its values"),
        (with_stream(start=ROWS - 1), "it points beyond its values"),
        (with_stream(start=ROWS[:9]), "start and length of 9 and 24 rows, not 24"),
        (with_stream(fitted_on=np.ones(3, bool)), r"fitted_on of shape \[3\], not \[24\]"),
        (words_in_place_of(-1), "stream text.words: a word is -1, not a number below"),
        (words_in_place_of(10**6), "a word is 1000000, not a number below"),
        (with_stream("text.words", times=np.zeros((1, 2))), r"times of shape \[1, 2\], not \["),
        (with_split(ROWS[:9], ROWS[9:16], ROWS[15:]), "protocol standard: a row stands in two"),
        (with_split(ROWS[:9], ROWS[9:16], ROWS[16:] + 1), "its rows are not from 0 to 23"),
        (with_split(ROWS[:9], ROWS[9:16], ROWS[16:], ("a",)), "offers a stream a, which is not"),
    ],
)
def test_what_is_wrong_is_told_where_it_is_opened(corpus, clause):
    component = Component(kind="dataset", name="mine", summary="", target="mine:It")
    catalog = Catalog([Plugin("plug", "dist", "1", (component,))])
    catalog.load = lambda component: lambda config: type("", (), {"load": lambda self: corpus})()
    with pytest.raises(
        RequestError, match=rf"dataset mine \(mine:It\): .*{clause}.*; fix its load"
    ):
        open_dataset(catalog, "mine", [])

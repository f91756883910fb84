"""Reduced and joined data sets keep what says which rows belong together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from merbench.data.dataset_overlap import without
from merbench.data.joined_train_rows import joined
from merbench.testing import tiny


def grouped():
    """The tiny corpus, whose protocol resamples by speaker."""
    corpus = tiny.corpus()
    (name,) = corpus.protocols
    protocol = replace(corpus.protocols[name], group="speaker")
    speakers = np.array([f"s{row % 3}" for row in range(len(corpus))])
    return replace(corpus, protocols={name: protocol}, groups={"speaker": speakers}), name


def test_rows_left_out_change_nothing_but_the_splits():
    corpus, name = grouped()
    (before,) = corpus.protocols[name].splits
    reduced = without(corpus, name, before.train[:2])
    (after,) = reduced.protocols[name].splits
    np.testing.assert_array_equal(after.train, before.train[2:])
    np.testing.assert_array_equal(reduced.units(name), corpus.units(name))


def test_rows_of_another_data_set_are_of_groups_of_their_own():
    corpus, name = grouped()
    other = replace(corpus, name="other", groups={})
    streams = {
        stream.modality: stream
        for stream in corpus.streams.values()
        if stream.name in corpus.protocols[name].streams
    }
    (task,) = corpus.tasks
    both = joined(corpus, task, name, streams, other, np.array([0, 1]), streams)
    assert both.units(name)[: len(corpus)].tolist() == corpus.units(name).tolist()
    assert both.units(name)[len(corpus) :].tolist() == [f"other:{v}" for v in corpus.videos[:2]]

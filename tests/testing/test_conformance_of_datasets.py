"""Data sets that are made: one that is the same each time passes its check, whatever is not known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from merbench.api import Config, Corpus, Stream, Task
from merbench.testing import tiny
from tests.testing.test_conformance import verdicts


class Sound:
    """The ones below differ from it in one thing each."""

    class Config(Config):
        pass

    def __init__(self, config):
        self.corpus = tiny.corpus()

    def load(self) -> Corpus:
        return self.corpus

    def with_targets(self, task: Task) -> Corpus:
        return dataclasses.replace(self.corpus, tasks={"task": task})


class NotAllKnown(Sound):
    """NaN where nobody knows the score, and where a feature was not measured."""

    def load(self):
        task, audio = self.corpus.tasks["task"], self.corpus.streams["audio.tiny"]
        target, known = task.target.copy(), np.arange(len(task.target)) != 3
        target[~known] = np.nan
        values = np.where(audio.values > 1.5, np.nan, audio.values)
        assert np.isnan(values).any()
        streams = {**self.corpus.streams, audio.name: dataclasses.replace(audio, values=values)}
        task = dataclasses.replace(task, target=target, known=known)
        return dataclasses.replace(self.with_targets(task), streams=streams)


class Drawn(Sound):
    """Other targets each time."""

    def load(self):
        task = self.corpus.tasks["task"]
        target = np.random.default_rng().uniform(-3, 3, len(task.target))
        return self.with_targets(dataclasses.replace(task, target=target))


class DrawnTexts(Sound):
    def load(self):
        texts = np.random.default_rng().permutation(self.corpus.texts)
        stream = Stream.of_rows("text.transcript", "text", "strings", texts)
        return dataclasses.replace(
            self.corpus, streams={**self.corpus.streams, stream.name: stream}
        )


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        (Sound, ""),
        (NotAllKnown, ""),
        (Drawn, "loading twice gives other ids, targets"),
        (DrawnTexts, "loading twice gives other ids, targets"),
    ],
)
def test_a_data_set_that_is_made_is_the_same_each_time(factory, reason):
    verdict = verdicts(factory, kind="dataset")["loads a sound corpus"]
    assert verdict.reason.startswith(reason) and bool(verdict.reason) == bool(reason)

"""Two small data sets, and what transfer between them needs."""

from __future__ import annotations

import dataclasses

import numpy as np

from merbench.analyses.transfer import pair
from merbench.engine.plan.plan import Request
from merbench.runs.run import run
from merbench.testing import tiny
from tests.tiny_runs import MACHINE

SHORT = {"train.epochs": 2, "train.batch_size": 4}


def other(seed=5, **changes):
    """A second data set: other rows, its words numbered in another order, one of them new to the
    first.
    """
    corpus = tiny.corpus(size=36, seed=seed)
    streams = dict(corpus.streams)
    words = streams["text.words"]
    vocab = (*reversed(words.vocab), "joy")
    values = (len(words.vocab) - 1 - words.values).astype(np.int32)
    values[::7] = len(vocab) - 1
    streams["text.words"] = dataclasses.replace(words, values=values, vocab=vocab)
    videos = np.array([f"other-{v}" for v in corpus.videos])
    texts = np.array([f"{text} from somewhere else row {i}" for i, text in enumerate(corpus.texts)])
    return dataclasses.replace(
        corpus, **{"name": "other", "streams": streams, "videos": videos, "texts": texts, **changes}
    )


def renamed(corpus, name, **changes):
    """The same data as if it were another: nothing of it seems to be shared."""
    apart = {
        "videos": np.array([f"x{v}" for v in corpus.videos]),
        "texts": np.array([""] * len(corpus)),
    }
    return dataclasses.replace(corpus, name=name, **apart, **changes)


def narrow(corpus):
    stream = corpus.streams["audio.tiny"]
    return dataclasses.replace(stream, values=stream.values[:, :4])


def setting(catalog, model="late-fusion-dnn", target=None, **request):
    request = Request(model, settings={**SHORT, **request.pop("settings", {})}, **request)
    source, target = tiny.corpus(), target or other()
    return pair(request, source, target, catalog, None), request


def runner(store, seeds=(0, 1)):
    return lambda plan, corpus, some=seeds: run(plan, corpus, list(some), store, MACHINE)

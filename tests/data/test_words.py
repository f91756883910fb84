from __future__ import annotations

import numpy as np
import pytest

from merbench.api import RequestError, Stream, words_of
from merbench.data.words import as_words


def test_as_words():
    texts = np.array(["It DIDN’T work", "", "work, work!", "  it"])
    stream = Stream.of_rows("text.t", "text", "strings", texts, note="kept")
    words = as_words(stream)
    assert (
        words.kind == "words"
        and words.vocab == tuple(sorted(words.vocab))
        and words.values.dtype == np.int32
        and words.note == "kept"
    )
    cut = [
        [words.vocab[i] for i in words.values[s : s + n]]
        for s, n in zip(words.start, words.length, strict=True)
    ]
    assert cut == [words_of(t) for t in texts.tolist()] and words.length[1] == 0
    assert as_words(words) is words
    assert as_words(stream) is words, "a stream is cut once, whoever asks"
    with pytest.raises(RequestError, match="holds no words"):
        as_words(Stream.of_rows("audio.x", "audio", "features", np.zeros((2, 3))))

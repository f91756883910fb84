"""Words outside their rows: found as a loop over words finds them, and told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merbench.api import SENTIMENT, Corpus, Protocol, Split, Stream, Task
from merbench.data.audit.audit import audit
from merbench.data.word_times import ROUNDED, words_elsewhere

ROWS = 20
SECOND = st.sampled_from((0.0, 0.99, 1.0, 1.5, 2.0, 7.0, np.nan, np.inf, -np.inf))


def corpus(words, times_N2):
    """``words``: of each row the start and end of its words; they stand in the file from the last
    row to the first.
    """
    length = np.array([len(row) for row in words], dtype=np.int64)
    start = np.cumsum(length[::-1])[::-1] - length
    times_T2 = np.array([times for row in words[::-1] for times in row]).reshape(-1, 2)
    values = np.zeros(len(times_T2), int)
    stream = Stream("text.w", "text", "words", values, start, length, vocab=("so",), times=times_T2)
    n = len(words)
    return Corpus(
        name="timed",
        ids=np.array([f"a_{k}" for k in range(n)]),
        videos=np.array(["a"] * n),
        texts=np.array([""] * n),
        tasks={"sentiment": Task(SENTIMENT, np.arange(n) / 10)},
        streams={"text.w": stream},
        protocols={
            "standard": Protocol(
                (Split(np.arange(n // 2), np.arange(n // 2, n - 5), np.arange(n - 5, n)),), ()
            )
        },
        times=times_N2,
    )


@given(
    st.lists(st.tuples(SECOND, SECOND, st.lists(st.tuples(SECOND, SECOND), max_size=3)), min_size=1)
)
def test_rows_are_those_of_a_loop(rows):
    times_N2 = np.array([row[:2] for row in rows]).reshape(-1, 2)
    outside = [
        any(
            (e < start - ROUNDED or s > end + ROUNDED) and np.isfinite([s, e, start, end]).all()
            for s, e in words
        )
        for start, end, words in rows
    ]
    sentences = list(words_elsewhere(corpus([words for *_, words in rows], times_N2)))
    assert [s.split()[0] for _, s in sentences] == [str(sum(outside))] * any(outside)


@pytest.mark.parametrize(
    ("shift", "told"), [(0.0, ""), (1.7, "20 of 20 rows"), (np.nan, ""), (np.inf, "")]
)
def test_the_audit_tells_that_times_are_of_two_sources(shift, told):
    times_N2 = np.arange(float(ROWS))[:, None] * 2 + np.array([0.0, 1.0])
    words = [[(t, t + 0.5), (t + 0.5, t + 1.0)] for t in times_N2[:, 0] + shift]
    findings = [f for f in audit(corpus(words, times_N2)).findings if "two sources" in f.sentence]
    assert len(findings) == bool(told)
    for finding in findings:
        assert (finding.level, finding.about) == ("warning", "text.w")
        assert finding.sentence.startswith(f"{told} have words before")

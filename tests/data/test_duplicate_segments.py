"""Segments that are held twice: found as a loop over all pairs finds them, and reported."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from merbench.api import SENTIMENT, Corpus, Protocol, Split, Task
from merbench.data.audit.audit import audit
from merbench.data.duplicate_segments import LEAST_OVERLAP, labelled_twice, same_segments, times_of

SECOND = st.sampled_from((0.0, 0.05, 1.0, 1.02, 2.0, 9.0, 10.0, np.nan))


@given(st.lists(st.tuples(st.sampled_from("ab"), SECOND, SECOND), max_size=12))
def test_pairs_are_those_of_a_loop(rows):
    videos = [video for video, *_ in rows]
    times_N2 = np.array([times for _, *times in rows]).reshape(-1, 2)
    wanted = set()
    for i, (a, b) in enumerate(times_N2):
        for j, (c, d) in enumerate(times_N2[:i]):
            both, either = min(b, d) - max(a, c), max(b, d) - min(a, c)
            if a < b and c < d and videos[i] == videos[j] and both >= LEAST_OVERLAP * either:
                wanted.add((j, i))
    actual = [tuple(pair) for pair in same_segments(videos, times_N2).tolist()]
    assert len(actual) == len(set(actual)) and set(actual) == wanted


def test_columns_of_times_are_seconds():
    assert times_of({"start": ["1"]}) is None
    times_N2 = times_of({"start": ["1", "", "6_368"], "end": ["2.5", "x", "7"]})
    np.testing.assert_array_equal(times_N2, [[1, 2.5], [np.nan, np.nan], [np.nan, 7]])


def test_times_of_the_row_alone_are_no_second_label():
    videos = np.repeat(["a", "b"], 20)
    times_N2 = np.tile([0.0, 2.0], (40, 1))
    assert len(same_segments(videos, times_N2)) and not len(labelled_twice(videos, times_N2))
    times_N2 = np.stack([np.arange(40.0), np.arange(40.0) + 0.9], axis=1)
    times_N2[1] = times_N2[0]
    assert labelled_twice(videos, times_N2).tolist() == [[0, 1]]


def test_the_audit_names_segments_that_are_labelled_twice():
    copies, times_N2 = 20, np.arange(20.0)[:, None] + np.array([0.0, 0.9])
    task = Task(SENTIMENT, np.arange(copies) / 10)
    split = Split(np.arange(10), np.arange(10, 15), np.arange(15, 20))
    corpus = Corpus(
        name="twice",
        ids=np.array([f"a_{k}" for k in range(copies)]),
        videos=np.array(["a"] * copies),
        texts=np.array([""] * copies),
        tasks={"sentiment": task},
        streams={},
        protocols={"standard": Protocol((split,), ())},
        times=times_N2,
    )
    assert "twice" not in str(audit(corpus).findings)
    times_N2[1] = times_N2[0]
    [sentence] = [f.sentence for f in audit(corpus).findings if "twice" in f.sentence]
    assert sentence.startswith("1 segment is labelled twice (a_0 = a_1), 1 with other labels")

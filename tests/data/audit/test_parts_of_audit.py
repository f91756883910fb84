"""Parts of the audit against plain loops: values in several blocks, pairs, labels of the probe."""

from dataclasses import replace

import numpy as np
import pytest

from merbench.api import SENTIMENT, LabelSpace, Stream, Task
from merbench.data.audit import leaks
from merbench.data.audit.duplicate_rows import ids_alike, rows_labelled_twice
from merbench.data.audit.feature_values import scan
from merbench.data.audit.leaks import bag, probe_streams, targets
from merbench.data.audit.split_overlap import groups_of
from merbench.data.streams import valid_steps
from tests.data.made_streams import corpus_of


def groups(corpus):
    return {name: groups_of(p, len(corpus)) for name, p in corpus.protocols.items()}


@pytest.mark.parametrize("block", [1, 40, 2**21])
def test_a_scan_is_a_loop_over_rows_whatever_the_blocks(monkeypatch, block):
    monkeypatch.setattr(valid_steps, "BLOCK", block)
    rng = np.random.default_rng(2)
    length = rng.integers(0, 5, size=60)
    values_TD = rng.integers(1, 5, size=(int(length.sum()), 6)).astype(np.float32)
    values_TD[:, 1], values_TD[:, 2], values_TD[:, 3] = 0, 7, np.nan
    values_TD[:, 4] = np.arange(len(values_TD))  # rises, so that each block has a larger one
    values_TD[:, 5] = -values_TD[:, 4]
    start = np.cumsum(length) - length
    for row in (10, 40):
        values_TD[start[row] : start[row] + length[row], :] = 0
    values_TD[start[length > 1][3]] = 0
    values_TD[(start + length - 1)[length > 2][4]] = 0
    last = np.flatnonzero(length == length[20])[-1]
    assert last > 40 and length[20]
    values_TD[start[last] : start[last] + length[last]] = values_TD[start[20] :][: length[20]]
    found = scan(Stream("x", "audio", "features", values_TD, start, length)).values
    rows = [values_TD[s : s + n] for s, n in zip(start, length, strict=True)]
    zero = [bool(len(row)) and not row.any() for row in rows]
    several = [row for row, is_zero in zip(rows, zero, strict=True) if len(row) > 1 and not is_zero]
    expected_constant = [
        d for d in range(6) if len(set(values_TD[np.isfinite(values_TD[:, d]), d].tolist())) < 2
    ]
    assert found.constant == expected_constant
    assert found.dead == [d for d in expected_constant if not np.nan_to_num(values_TD[:, d]).any()]
    assert found.zero_rows == sum(zero) == 2
    assert found.zero_first == pytest.approx(np.mean([not row[0].any() for row in several]))
    assert found.zero_last == pytest.approx(np.mean([not row[-1].any() for row in several]))
    assert found.zero_first and found.zero_last
    pair = (found.repeated.tolist(), found.repeats.tolist())
    assert pair == ([last], [20])


def twice(task):
    """40 rows, of which 0 and 1 are of the same seconds, and 2 and 3."""
    rows = np.arange(40)
    times_N2 = np.stack([rows, rows + 0.9], axis=1).astype(float)
    times_N2[1], times_N2[3] = times_N2[0], times_N2[2]
    corpus = corpus_of(rows % 3 * 1.0, np.zeros(40, dtype=int))
    return replace(corpus, times=times_N2, tasks={"t": task})


def sentence(task):
    corpus = twice(task)
    [finding] = rows_labelled_twice(corpus, groups(corpus))
    return finding.sentence


def test_labels_of_one_segment_differ_where_both_are_known():
    target = np.zeros(40, np.float32)
    target[[1, 3]] = 2.0
    known = np.ones(40, dtype=bool)
    assert ", 2 with other labels of t" in sentence(Task(SENTIMENT, target))
    known[3] = False
    assert ", 1 with other labels of t" in sentence(Task(SENTIMENT, target, known))
    known[0] = False
    assert "other labels" not in sentence(Task(SENTIMENT, target, known))


def test_several_labels_of_one_segment_differ_where_one_does():
    space = LabelSpace("multilabel", ("sad", "happy"), ("", ""))
    target, known = np.zeros((40, 2), np.float32), np.ones((40, 2), dtype=bool)
    target[1, 1] = target[3, 0] = 1
    known[3, 0] = False
    assert ", 1 with other labels of t" in sentence(Task(space, target, known))


def test_segments_of_two_splits_are_counted():
    corpus = twice(Task(SENTIMENT, np.zeros(40, np.float32)))
    split = corpus.protocols["standard"].splits[0]
    moved = replace(split, train=split.train[1:], test=np.append(split.test, 0))
    protocol = replace(corpus.protocols["standard"], splits=(moved,))
    corpus = replace(corpus, protocols={"standard": protocol})
    [finding] = rows_labelled_twice(corpus, groups(corpus))
    assert "2 segments are labelled twice" in finding.sentence
    assert ", 1 in different splits of standard" in finding.sentence


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("a_1", "A_01", True),
        ("a_1", "a _1", True),
        ("a_0", "a_00", True),
        ("a_10", "a_1", False),
        ("a_0", "a_", True),
        ("0a_1", "a_1", True),
        ("a_1", "b_1", False),
    ],
)
def test_ids_are_alike_but_for_case_blanks_and_leading_zeros(one, other, alike):
    corpus = corpus_of(np.zeros(10), np.zeros(10, dtype=int))
    ids = corpus.ids.astype("U10")
    ids[[2, 9]] = one, other
    findings = list(ids_alike(replace(corpus, ids=ids), groups(corpus)))
    assert len(findings) == alike
    assert all("in different splits of standard" in finding.sentence for finding in findings)
    ids[3], ids[9] = other, "c_9"
    findings = list(ids_alike(replace(corpus, ids=ids), groups(corpus)))
    assert len(findings) == alike and "different splits" not in str(findings)


def test_the_targets_of_the_probe_are_scores_their_sides_and_labels():
    half = np.array([True, True, False, True])
    score = Task(
        replace(SENTIMENT, anchors=(0.0, 1, 2, 3, 4, 5, 6)), np.array([0.0, 3, 6, 6]), half
    )
    kinds = Task(LabelSpace("class", ("a", "b"), ("", "")), np.array([0, 1, 1, 0]), half)
    known = np.array([[True, False], [True, True], [True, True], [False, True]])
    marks = np.array([[1.0, 1], [0, 1], [1, 0], [1, 1]])
    several = Task(LabelSpace("multilabel", ("x", "y"), ("", "")), marks, known)
    found = targets({"s": score, "k": kinds, "m": several})
    nan = np.nan
    expected = {
        "s": [0, 3, nan, 6],
        "s >= 3": [0, 1, nan, 1],
        "k a": [1, 0, nan, 1],
        "k b": [0, 1, nan, 0],
        "m x": [1, 0, 1, nan],
        "m y": [nan, 1, 0, 1],
    }
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_a_label_of_which_less_than_a_tenth_are_others_is_not_probed():
    assert not leaks._varies(np.zeros(20))
    assert leaks._varies(np.repeat([0.0, 1.0], [18, 2]))
    assert leaks._varies(np.repeat([0.0, 1.0], [2, 18]))
    assert not leaks._varies(np.repeat([0.0, 1.0], [19, 1]))
    assert leaks._varies(np.repeat([0.0, 1.0, 2.0], [38, 1, 1]))


def test_the_more_is_tested_the_less_p_must_be(monkeypatch):
    """Streams times targets: a score has two targets, itself and its side of the middle."""
    alphas = []
    judge = leaks._Judge.__init__

    def noted(self, used_N, videos_N, alpha):
        alphas.append(alpha)
        judge(self, used_N, videos_N, alpha)

    monkeypatch.setattr(leaks._Judge, "__init__", noted)
    x = np.zeros((6, 3))
    for count in (1, 5, 10):
        streams = {f"s{k}": x for k in range(count)}
        corpus = corpus_of(np.arange(6.0) - 3, np.arange(6), **streams)
        probe_streams(corpus, streams)
    assert alphas == pytest.approx([leaks.ALPHA, leaks.ALPHA, leaks.ALPHA / 2])


def test_a_bag_marks_the_most_frequent_words(monkeypatch):
    monkeypatch.setattr(leaks, "WIDEST", 2)
    texts = np.array(["good good bad", "", "bad", "never bad good"])
    found = bag(Stream.of_rows("t", "text", "strings", texts))
    assert sorted(found.T.tolist()) == sorted([[1, 0, 0, 1], [1, 0, 1, 1]])

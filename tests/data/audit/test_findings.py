"""What the audit says of what was counted: when, of which rows and splits, and how much it weighs."""

from dataclasses import replace

import numpy as np
import pytest

from merbench.api import SENTIMENT, LabelSpace, Protocol, Split, Stream, Task
from merbench.data.audit.duplicate_rows import texts_alike
from merbench.data.audit.feature_values import Values
from merbench.data.audit.labels import label_gaps, labels_of_splits
from merbench.data.audit.leaks import Probed
from merbench.data.audit.near_duplicate_texts import twins
from merbench.data.audit.split_overlap import groups_of
from merbench.data.audit.streams import leak_findings, stream_facts, value_findings
from tests.data.made_streams import corpus_of

NONE = np.zeros(0, dtype=np.int64)
QUIET = Values([], [], 0, 0, 0.0, 0.0, NONE, NONE)


def made(**more):
    """10 rows: 6 train, 2 validate, 2 test; three folds of rows 0 to 8."""
    corpus = corpus_of(np.arange(10.0) % 3, np.arange(10), x=np.zeros((10, 4)))
    fold_N = np.arange(9) % 3
    folds = tuple(
        Split(*(np.flatnonzero((fold_N - k) % 3 == part) for part in (2, 1, 0)), k)
        for k in range(3)
    )
    protocols = corpus.protocols | {"folds": Protocol(folds, ("x",))}
    return replace(corpus, protocols=protocols, **more)


def groups(corpus):
    return {name: groups_of(p, len(corpus)) for name, p in corpus.protocols.items()}


def told(**values):
    corpus = made()
    found = value_findings(corpus, corpus.streams["x"], replace(QUIET, **values), groups(corpus))
    return [(f.level, f.about, f.sentence) for f in found]


@pytest.mark.parametrize(
    ("values", "level", "about", "parts"),
    [
        ({"not_finite": 3}, "note", "x", ["3 values are NaN or infinite"]),
        ({"dead": [2], "constant": [2]}, "note", "x", ["1 dimension of 4 is 0 in every step: 2"]),
        ({"constant": [0, 3]}, "note", "x", ["2 dimensions of 4 never change: 0, 3"]),
        ({"zero_rows": 2}, "warning", "x", ["2 rows of zeros alone are read as present"]),
        ({"zero_first": 0.5}, "warning", "x", ["50% of the rows begin", "padded on the left"]),
        ({"zero_last": 0.7}, "warning", "x", ["70% of the rows end", "padded on the right"]),
    ],
)
def test_each_thing_about_values_is_told_alone(values, level, about, parts):
    [(its_level, its_about, sentence)] = told(**values)
    assert (its_level, its_about) == (level, about) and all(part in sentence for part in parts)


def test_few_rows_that_begin_with_zeros_are_not_told():
    assert told(zero_first=0.49, zero_last=0.49) == []


def test_rows_with_values_of_another_split_are_told_by_protocol():
    """9 tests, 0 trains and is of fold 0; 3 is of fold 0 too and trains."""
    found = told(repeated=np.array([9, 3]), repeats=np.array([0, 0]))
    assert [sentence for *_, sentence in found] == [
        "1 row has the very values of a row of another split of standard: v009_9 = v000_0"
    ]
    found = told(repeated=np.array([1]), repeats=np.array([0]))
    assert [sentence.partition(":")[0] for *_, sentence in found] == [
        "1 row has the very values of a row of another split of folds"
    ]


def test_the_facts_of_a_stream_are_counts():
    corpus = made()
    length = np.array([0, 1, 2, 3, 0, 2, 0, 2, 4, 0])
    stream = Stream("x", "audio", "features", np.zeros((14, 4)), np.cumsum(length) - length, length)
    facts = stream_facts(stream, groups(corpus), None, None)
    assert facts.steps == (1, 2.0, 4) and facts.missing == 4 and facts.width == 4
    assert facts.missing_in == {
        "standard train": 2,
        "standard valid": 1,
        "standard test": 1,
        "folds fold 0": 2,
        "folds fold 1": 1,
        "folds fold 2": 0,
    }
    nothing = replace(stream, length=np.zeros(10, dtype=int))
    assert stream_facts(nothing, groups(corpus), None, None).steps == (0, 0.0, 0)


def leaks(probe=None, fitted=()):
    corpus = made()
    marks = np.isin(np.arange(10), fitted) if fitted else None
    stream = replace(corpus.streams["x"], fitted_on=marks)
    return [(f.level, f.sentence) for f in leak_findings(corpus, stream, probe)]


SEEN = Probed("x", "s", 0.5, 2e-5, ("v000", "v001"), 0.71, 0.12)


def test_a_declared_leak_names_the_protocols_that_evaluate_its_rows():
    [(level, sentence)] = leaks(fitted=(0, 1, 6, 9))
    assert level == "leak" and "the labels of 4 rows of 4 videos" in sentence
    assert "runs on standard (2 evaluated rows), folds (3 evaluated rows) are" in sentence
    [(_, sentence)] = leaks(fitted=(0, 9))
    assert "standard (1 evaluated row)" in sentence and "folds (1 evaluated row)" in sentence
    [(_, sentence)] = leaks(SEEN, fitted=(0,))
    assert "runs on folds (1 evaluated row) are refused" in sentence
    assert sentence.endswith("a probe sees it (p = 2e-05)")
    protocols = {"standard": made().protocols["standard"]}
    corpus = replace(made(), protocols=protocols)
    stream = replace(corpus.streams["x"], fitted_on=np.arange(10) < 6)
    [finding] = leak_findings(corpus, stream, None)
    assert "no protocol evaluates these rows" in finding.sentence


def test_a_leak_that_is_not_declared_is_a_suspicion_and_so_is_a_probe_too_good():
    [(level, sentence)] = leaks(SEEN)
    assert level == "suspicion"
    assert (
        "knows 2 videos far better than the others (r = 0.71 against 0.12, p = 2e-05)" in sentence
    )
    [(_, sentence)] = leaks(replace(SEEN, p=1e-12))
    assert "p = under 1e-9" in sentence
    [(level, sentence)] = leaks(Probed("x", "s", 0.94, 0.5))
    assert level == "suspicion" and "reaches r = 0.94" in sentence
    assert leaks(Probed("x", "s", 0.9, 0.5)) == leaks() == []


def test_texts_that_evaluated_rows_share_are_told_and_those_of_train_rows_are_not_counted():
    same = "this is a text of seven words"
    near = "quite another text that was said by somebody else today"
    texts = [same, same, near, "x", "x", "x", same, near + "s", "x", "x"]
    corpus = made(texts=np.array(texts))
    found = [f.sentence for f in texts_alike(corpus, groups(corpus), twins(texts))]
    assert found[0] == (
        "1 valid or test row of protocol standard has the same text as a row of another split: "
        "v006_6 ~ v000_0"
    )
    assert found[1].startswith("1 valid or test row of protocol standard has nearly the same text")
    assert "v007_7 ~ v002_2 (0.9" in found[1]
    # Folds test every row: 0 and 6 are of fold 0, 1 and 7 of fold 1, 2 of fold 2.
    assert found[2].startswith("3 rows of protocol folds have the same text as")
    assert found[3].startswith("2 rows of protocol folds have nearly the same text")


def gaps(task):
    corpus = made(tasks={"t": task})
    own = {"standard": groups(corpus)["standard"]}
    return [f.sentence for f in label_gaps(tuple(labels_of_splits(corpus, own)))]


def test_splits_in_which_labels_say_nothing_are_told():
    target = np.arange(10.0) % 3
    target[[6, 7]] = 2
    known = np.arange(10) < 8
    assert gaps(Task(SENTIMENT, target, known)) == [
        "every label of standard valid is 2; nothing can be scored there",
        "no row of standard test has a label of t",
    ]
    words = LabelSpace("class", ("a", "b", "c"), ("", "", ""))
    kinds = np.array([0, 1, 2, 0, 1, 2, 1, 1, 0, 2])
    assert gaps(Task(words, kinds)) == [
        "every label of standard valid is b; whatever says so scores 100 % there",
        "standard valid has no row of a, c",
        "standard test has no row of b",
    ]
    marks = LabelSpace("multilabel", ("x", "y"), ("", ""))
    both = np.ones((10, 2))
    both[8:, 1] = 0
    assert gaps(Task(marks, both)) == [
        "every label of standard test is x; whatever says so scores 100 % there",
        "standard test has no row of y",
    ]

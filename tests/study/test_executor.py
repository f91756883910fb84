"""Faults of an executor, told with its name."""

from __future__ import annotations

import pytest

from merbench.api import RequestError, RunError
from merbench.study.executor import NamedExecutor


def _raises(work, tasks):
    yield None
    raise KeyError("partition")


@pytest.mark.parametrize(
    ("executor", "told"),
    [
        (_raises, r"executor mine broke off \(KeyError: 'partition'\).*continues from there"),
        (lambda work, tasks: [tasks[0]], "it yielded int in place of"),
        (lambda work, tasks: None, "executor mine broke off"),
        (lambda work: [], "executor mine broke off"),
    ],
)
def test_what_an_executor_raises_or_yields_amiss_is_told_with_its_name(executor, told):
    with pytest.raises(RunError, match=told):
        list(NamedExecutor("mine", executor)(print, [1, 2]))


def test_what_it_yields_and_its_own_sentences_pass():
    def unable(work, tasks):
        raise RequestError("there is no queue here")

    ends = [None, (1, None), (2, "killed")]
    assert list(NamedExecutor("mine", lambda work, tasks: iter(ends))(print, [1, 2])) == ends
    with pytest.raises(RequestError, match="no queue"):
        list(NamedExecutor("mine", unable)(print, [1]))

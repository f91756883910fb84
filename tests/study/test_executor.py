"""Faults of an executor, told with its name."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from merbench.api import RequestError, RunError
from merbench.study.executor import NamedExecutor, executor_of


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


def test_an_executor_that_cannot_be_made_is_told_with_its_name(tmp_path):
    def unable(config, jobs, folder):
        raise KeyError("queue")

    catalog = SimpleNamespace(component=lambda kind, name: name, load=lambda component: unable)
    with pytest.raises(RequestError, match=r"^executor mine cannot be made: KeyError: 'queue'$"):
        executor_of(catalog, "mine", {}, 1, tmp_path)


def test_what_it_yields_and_its_own_sentences_pass():
    def unable(work, tasks):
        raise RequestError("there is no queue here")

    ends = [None, (1, None), (2, "killed")]
    assert list(NamedExecutor("mine", lambda work, tasks: iter(ends))(print, [1, 2])) == ends
    with pytest.raises(RequestError, match="no queue"):
        list(NamedExecutor("mine", unable)(print, [1]))

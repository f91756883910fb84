"""A search that went on in two stores, or began in both: the trials of both are there afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from merbench.results.store.store import Store
from merbench.tuning.merge import MergedSearch, merge_searches
from merbench.tuning.retries import END, LOST, PLANNED, PROPOSED, RETRY_OF, Ledger
from merbench.tuning.shared_search import SearchConfig, join
from tests.kills import resumes
from tests.tuning.test_merge import journals


@pytest.fixture
def study(ask, tmp_path):
    """The search in the store of a name, after these trials."""
    request, plan = ask()

    def study(name: str, *trials, source: str = "code"):
        study = join(request, plan, Store(tmp_path / name), SearchConfig()).study
        study.set_user_attr("source", source)
        for trial in trials:
            study.add_trial(trial)
        return study

    return study


def trial(x: float, value: float | None = None, state: str = "COMPLETE", **marks):
    return create_trial(
        state=TrialState[state],
        value=value,
        params={"x": x},
        distributions={"x": FloatDistribution(0, 9)},
        user_attrs=marks,
        system_attrs={"of": "a sampler"},
        intermediate_values={0: 0.25} if state == "PRUNED" else None,
    )


THERE = (
    trial(1, 0.5, **{PLANNED: 0}),
    trial(2, None, "FAIL", **{END: LOST, PROPOSED: True}),
    trial(2, 0.4, **{RETRY_OF: 1}),
    trial(3, None, "PRUNED", **{PROPOSED: False}),
    trial(5, None, "FAIL", **{END: "out of memory"}),
    trial(6, None, "RUNNING"),
)
HERE = (trial(1, 0.75, **{PLANNED: 0}), trial(4, 0.1), trial(7, None, "RUNNING"))


def drawn(study) -> list[float]:
    return [t.params["x"] for t in study.get_trials()]


def merged(source: Path, into: Path) -> MergedSearch:
    (search,) = merge_searches(source, into)
    return search


def test_the_trials_of_the_other_follow_and_those_here_keep_their_numbers(study, tmp_path):
    study("there", *THERE)
    before = study("here", *HERE).get_trials()
    before_there = journals(tmp_path / "there")
    search = merged(tmp_path / "there", tmp_path / "here")
    assert search.how == "copied" and "3 finished trials of the other one" in search.why
    after = study("here").get_trials()
    assert after[:3] == before and drawn(study("here")) == [1, 4, 7, 2, 3, 5]
    retried, pruned, failed = after[3:]
    assert retried.value == 0.4 and retried.user_attrs == {PROPOSED: True}
    assert pruned.state == TrialState.PRUNED and pruned.intermediate_values == {0: 0.25}
    assert failed.user_attrs == {END: "out of memory"} and failed.system_attrs == {}
    assert [t.number for t in Ledger(after, 2).finished] == [0, 1]
    assert [t.number for t in Ledger(after, 6).finished] == [0, 1, 3, 4, 5]
    assert journals(tmp_path / "there") == before_there

    content = journals(tmp_path / "here")
    assert merged(tmp_path / "there", tmp_path / "here").how == "there"
    assert journals(tmp_path / "here") == content
    merged(tmp_path / "here", tmp_path / "there")
    assert drawn(study("there")) == [1, 2, 2, 3, 5, 6, 4]


def test_what_waits_here_is_not_added_from_there(study, tmp_path):
    study("there", *THERE)
    study("here").enqueue_trial({"x": 3.0})
    merged(tmp_path / "there", tmp_path / "here")
    waiting, *others = study("here").get_trials()
    assert waiting.params == {} and [t.params["x"] for t in others] == [1, 2, 5]


def test_other_code_is_a_conflict_that_says_what_to_do(study, tmp_path):
    study("there", *THERE)
    study("here", *HERE, source="other code")
    before = journals(tmp_path / "here")
    search = merged(tmp_path / "there", tmp_path / "here")
    (name,) = before
    assert search.how == "conflict" and search.why == (
        "both stores went on with it, each with another version of the components' source, and the "
        f"one here is kept; to take the other, move {tmp_path / 'here/tuning' / name} away and "
        "merge again"
    )
    assert journals(tmp_path / "here") == before


def test_killed_anywhere_it_goes_on(study, tmp_path):
    study("there", *THERE)
    study("here", *HERE)
    resumes(
        tmp_path / "here",
        lambda: merged(tmp_path / "there", tmp_path / "here"),
        result=lambda root: (drawn(study("here")), sorted(p.name for p in root.rglob("*"))),
    )

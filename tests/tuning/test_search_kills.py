"""A search that is killed at any moment goes on to as many trials, each once."""

from __future__ import annotations

from merbench.results.store.store import Store
from merbench.tuning.merge import merge_searches
from merbench.tuning.search import tune
from merbench.tuning.shared_search import SearchConfig, join
from tests.kills import resumes
from tests.tiny_runs import MACHINE
from tests.tuning.test_kills import SOON, whole

QUICK = {"train.epochs": 1, "train.batch_size": 8}


def test_a_search_is_brought_from_another_store(ask, tmp_path):
    request, plan = ask(settings=QUICK)
    there, here = tmp_path / "there", tmp_path / "here"
    here.mkdir()

    def trials(wanted):
        tune(request, plan, Store(there), MACHINE, SearchConfig(wanted, sampler="random"))

    def call():
        Store(here).require_writable()
        assert not [search for search in merge_searches(there, here) if search.how == "refused"]

    trials(1)
    resumes(here, call)
    trials(2)
    resumes(here, call)


def test_a_search(ask, store):
    request, plan = ask(settings=QUICK)
    search = SearchConfig(3, sampler="random", pruner="none")
    root = store.root
    root.mkdir()

    def outcome(folder):
        whole(join(request, plan, Store(root), search), 3)
        return sorted(path.name for path in folder.rglob("*"))

    resumes(root, lambda: tune(request, plan, Store(root), MACHINE, search, **SOON), result=outcome)

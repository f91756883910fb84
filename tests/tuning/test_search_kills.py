"""A search that is killed at any moment goes on to as many trials, each once."""

from __future__ import annotations

from merbench.results.store.store import Store
from merbench.tuning.search import tune
from merbench.tuning.shared_search import SearchConfig, join
from tests.kills import resumes
from tests.tiny_runs import MACHINE
from tests.tuning.test_kills import SOON, whole


def test_a_search(ask, store):
    request, plan = ask(settings={"train.epochs": 1, "train.batch_size": 8})
    search = SearchConfig(3, sampler="random", pruner="none")
    root = store.root
    root.mkdir()

    def outcome(folder):
        whole(join(request, plan, Store(root), search), 3)
        return sorted(path.name for path in folder.rglob("*"))

    resumes(root, lambda: tune(request, plan, Store(root), MACHINE, search, **SOON), result=outcome)

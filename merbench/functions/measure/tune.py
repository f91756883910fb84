"""``merbench.tune``: search a model's settings on train and valid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from merbench.api.errors import RequestError
from merbench.api.events import ignore
from merbench.api.what_fits import what_fits
from merbench.bench.options import RunKeywords
from merbench.bench.python_function import python_function
from merbench.bench.python_session import open_bench

if TYPE_CHECKING:
    from merbench.tuning.shared_search import SearchResult


class TuneKeywords(RunKeywords, total=False):
    """Beside those of ``run``; the defaults are those of ``merbench tune``."""

    trials: int
    budget_seconds: float | None
    sampler: Literal["tpe", "random", "gp", "cmaes"]
    pruner: Literal["median", "hyperband", "none"]
    seeds_per_trial: int
    storage: str | None


OF_RUNS = frozenset({"seeds", "force", "weights", "jobs", "log"})
"""Keywords of ``run`` that a search has no use for."""


class _Search(TypedDict, total=False):
    trials: int
    budget_seconds: float | None
    sampler: str
    pruner: str
    seeds_per_trial: int
    storage: str | None


@python_function
def tune(
    model: str = "merclip", dataset: str | None = None, **keywords: Unpack[TuneKeywords]
) -> SearchResult:
    """Search the settings of ``model`` on its train and valid rows, from the default settings on;
    an equal call continues where this ended.

    Run what was found with ``run(model, dataset, settings=result.settings)``. RequestError for what
    does not fit, RunError where every trial failed.
    """
    from pydantic import ValidationError

    from merbench.api.did_you_mean import nearest
    from merbench.host.catalog import unknown

    if useless := sorted(OF_RUNS & set(keywords)):
        raise RequestError(
            f"tune({useless[0]}=) has no effect on a search, whose trials have seeds of their "
            "own and are not stored as runs; give it to run() with what was found"
        )
    for name in keywords:
        if name not in TuneKeywords.__optional_keys__ and nearest(name, _Search.__annotations__):
            known = list(_Search.__annotations__)
            raise RequestError(unknown("keyword", name, known, "keywords of tune()"))
    from merbench.study.file import Tuning
    from merbench.terminal.tune_progress import TuneProgress
    from merbench.tuning.search import tune as search
    from merbench.tuning.search_space import require_ranges
    from merbench.tuning.shared_search import SearchConfig
    from merbench.tuning.trial import check_buildable

    run_keywords: dict[str, Any] = dict(keywords)
    search_keywords = {
        name: run_keywords.pop(name)
        for name in list(run_keywords)
        if name in _Search.__annotations__
    }
    try:
        Tuning(**search_keywords)
    except ValidationError as error:
        first_error = error.errors()[0]
        name = str(first_error["loc"][0])
        raise RequestError(
            f"tune({name}={search_keywords[name]!r}): {what_fits(first_error)}"
        ) from None
    config = SearchConfig(**search_keywords)
    bench, options = open_bench("tune", model, dataset, run_keywords)
    plan = bench.plan(options.request)
    require_ranges(plan, options.request)
    check_buildable(plan, bench.machine)
    silent = not run_keywords.get("progress", True)
    with TuneProgress(
        config.trials, model, silent, also=run_keywords.get("watch") or ignore
    ) as watch:
        return search(options.request, plan, bench.store, bench.machine, config, watch)

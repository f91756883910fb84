"""``merbench.transfer``: trained on one data set, scored on another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Unpack

from merbench.api.errors import RequestError
from merbench.bench.bench import label, require_use_of_thresholds
from merbench.bench.options import RunKeywords
from merbench.bench.python_function import python_function
from merbench.bench.python_session import open_bench
from merbench.functions.scores_and_differences import lines_frame

if TYPE_CHECKING:
    import pandas as pd

    from merbench.analyses.transfer import Further, Pair
    from merbench.api.material.corpus import Corpus
    from merbench.api.material.word_vectors import Lexicon
    from merbench.bench.bench import Bench
    from merbench.engine.plan.plan import Plan, Request
    from merbench.report.scores.paired_differences import Difference, Line
    from merbench.results.metrics import TaskMetrics
    from merbench.results.records.record import Record


@dataclass(frozen=True)
class Transferred:
    """``lines``: for each pair of data sets the model trained on the target alone, then on the
    source, and each further way. ``differences``: line -> metric -> the paired difference from the
    target alone. ``notes``: what was left out. ``failed``: at least one run failed.
    """

    metrics: TaskMetrics
    lines: list[Line]
    differences: Mapping[str, Mapping[str, Difference]]
    notes: list[str]
    caveat: str
    failed: bool

    def to_pandas(self) -> pd.DataFrame:
        """One row a way to train, with its difference from the target alone."""
        return lines_frame(self.lines, self.differences, "trained on")


@dataclass(frozen=True)
class Ways:
    """How a model is trained beside the source alone: ``finetune``: then with the target, with the
    ``settings`` of that training; ``together``: with both at once; both: both, then the target.
    """

    finetune: bool = False
    together: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)


@python_function
def transfer(
    sources: Sequence[str],
    targets: Sequence[str],
    model: str = "merclip",
    *,
    finetune: bool = False,
    together: bool = False,
    finetune_settings: Mapping[str, Any] | None = None,
    **keywords: Unpack[RunKeywords],
) -> Transferred:
    """Train ``model`` on each of ``sources`` and score it on the test rows of each of ``targets``,
    as it is and after more training there. What the store lacks is trained first.

    RequestError where two data sets share no modality or no task. Example::

        merbench.transfer(["mosei"], ["mosi"], "text-only", finetune=True).to_pandas()
    """
    from merbench.engine.plan.datasets import with_settings

    pairs = pairs_of(sources, targets)
    bench, _ = open_bench("transfer", model, pairs[0][1], dict(keywords))
    with_settings(None, keywords.get("settings", {}))  # of which data set could they be?
    return transferred(bench, pairs, Ways(finetune, together, dict(finetune_settings or {})))


def pairs_of(sources: Sequence[str], targets: Sequence[str]) -> list[tuple[str, str]]:
    """(source, target) of every pair that is asked for."""
    pairs = [(a, b) for a in sources for b in targets if a != b]
    if not pairs:
        raise RequestError(
            f"from {', '.join(sources) or 'nothing'} to {', '.join(targets) or 'nothing'}: "
            "name two different data sets"
        )
    return pairs


def transferred(bench: Bench, pairs: Sequence[tuple[str, str]], ways: Ways) -> Transferred:
    """What the function and the command share. ``bench``: that of the first target."""
    from merbench.analyses.transfer import lines, pair
    from merbench.data.word_vector_files import open_lexicon
    from merbench.report.scores.paired_differences import compare

    corpora = {bench.corpus.name: bench.corpus}
    for name in dict.fromkeys(name for names in pairs for name in names):
        if name not in corpora:
            corpora[name] = bench.dataset(name)
    # Not the bench's, which is that of one data set.
    lexicon = open_lexicon(bench.options.vectors, bench.homes)
    request = bench.options.request
    planned = [pair(request, corpora[a], corpora[b], bench.catalog, lexicon) for a, b in pairs]
    require_use_of_thresholds(planned[0].use, request)
    notes = [note for of_pair in planned for note in of_pair.notes]
    for note in notes:
        bench.say(f"note: {note}")
    runs = _Runs(bench, lexicon, ways.settings)
    further: dict[str, Further] = {}
    finetune = ways.finetune or bool(ways.settings)
    if finetune:
        further["finetuned"] = runs.source_then_target
    if ways.together:
        further["together"] = runs.together
    if ways.together and finetune:
        further["together, finetuned"] = runs.together_then_target
    with bench.one_call(runs.planned(planned, finetune, ways.together)):
        compared = lines(planned, runs.run, bench.store, bench.machine, further)
    plan = planned[0].use
    differences = compare(compared, plan.metrics)
    return Transferred(plan.metrics, compared, differences, notes, plan.recipe.caveat, bench.failed)


class _Runs:
    """The runs of each way to train."""

    def __init__(self, bench: Bench, lexicon: Lexicon | None, settings: Mapping[str, Any]) -> None:
        """``settings``: of the training that is added on the target alone."""
        self.bench, self.lexicon, self.settings = bench, lexicon, settings

    def run(
        self, plan: Plan, corpus: Corpus, seeds: Sequence[int] | None = None, variant: str = ""
    ) -> list[Record]:
        """``seeds``: fewer than were asked for."""
        name = " · ".join(filter(None, (label(plan), plan.spec.dataset, variant)))
        return self.bench.run(plan, seeds or self.bench.options.seeds, corpus=corpus, name=name)

    def planned(self, pairs: Sequence[Pair], finetune: bool, jointly: bool) -> Iterator[Plan]:
        """Of all that the ways make runs of; a way that the model cannot go has none."""
        from merbench.analyses.transfer import seen_before
        from merbench.engine.plan.start_weights import Start
        from merbench.results.spec import series

        for pair in pairs:
            first_plans = [pair.learn, *(self._joint_plans(pair) if jointly else ())]
            yield from (pair.use, *first_plans)
            request = replace(self._further(), modalities=tuple(pair.use.streams))
            for first in first_plans if finetune else ():
                name = series(first.spec, first.contents)
                start = Start(name, seen=seen_before(request))
                with suppress(RequestError):
                    yield self._plan(replace(request, start=start), pair.target)

    def _joint_plans(self, pair: Pair) -> list[Plan]:
        from merbench.analyses.transfer import together

        plans: list[Plan] = []

        def note(plan: Plan, corpus: Corpus) -> list[Record]:
            plans.append(plan)
            return []

        with suppress(RequestError):
            together(pair, self.bench.options.request, self._plan, note)
        return plans

    def _further(self) -> Request:
        """What is asked of the training that is added on the target alone."""
        request = self.bench.options.request
        return replace(request, settings={**request.settings, **self.settings})

    def source_then_target(self, pair: Pair) -> list[Record]:
        return self._finetuned(pair, self.run(pair.learn, pair.source), "finetuned")

    def together(self, pair: Pair) -> list[Record]:
        from merbench.analyses.transfer import together

        return together(pair, self.bench.options.request, self._plan, self.run)

    def together_then_target(self, pair: Pair) -> list[Record]:
        return self._finetuned(pair, self.together(pair), "together, finetuned")

    def _finetuned(self, pair: Pair, start_runs: list[Record], variant: str) -> list[Record]:
        from merbench.analyses.transfer import finetuned

        return finetuned(
            pair,
            start_runs,
            self._further(),
            lambda changed: self._plan(changed, pair.target),
            lambda plan, corpus, seeds: self.run(plan, corpus, seeds, variant),
            self.bench.store,
        )

    def _plan(self, request: Request, corpus: Corpus) -> Plan:
        from merbench.engine.resolve import resolve

        return resolve(request, self.bench.catalog, corpus, self.lexicon)

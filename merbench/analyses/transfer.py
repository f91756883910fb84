"""Transfer: trained on one data set, scored on another's test rows, as it is or after more training
on the other's train rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from merbench.analyses.trained import Readings, trained
from merbench.api import Corpus, Lexicon, Modality, RequestError, Stream
from merbench.data.dataset_overlap import LEAST_WORDS, shared_in_training, without
from merbench.data.joined_train_rows import joined
from merbench.engine.plan.plan import Plan, Request
from merbench.engine.plan.start_weights import Seen
from merbench.engine.resolve import resolve
from merbench.host.catalog import Catalog
from merbench.report.scores.paired_differences import Line
from merbench.report.scores.rows.pooled_seeds import Scored, by_seed, whole_seeds
from merbench.results.records.record import Record
from merbench.results.store.store import Store
from merbench.runs.init_from import start_from
from merbench.runs.machine import Machine

Run = Callable[[Plan, Corpus], list[Record]]
"""Makes the runs of a plan, or takes them from the store."""


@dataclass(frozen=True)
class Pair:
    """One way of transfer, ready to run. ``notes``: what was left out, in sentences."""

    source: Corpus
    target: Corpus
    learn: Plan
    use: Plan
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.source.name} → {self.target.name}"


def pair(
    request: Request, source: Corpus, target: Corpus, catalog: Catalog, lexicon: Lexicon | None
) -> Pair:
    """Plans on both data sets that read the modalities which both offer in one form; RequestError
    where nothing is shared.

    Utterances of the source that stand among the target's validation or test rows are left out of
    its training and validation.
    """
    notes: list[str] = []
    request = replace(request, modalities=_common(request, source, target, catalog, lexicon, notes))
    use = resolve(request, catalog, target, lexicon)
    learn = resolve(request, catalog, source, lexicon)
    if learn.task.space != use.task.space:
        raise RequestError(
            f"{source.name} and {target.name} do not share the task {use.spec.task}: "
            f"its labels are {_labels(learn)} in one and "
            f"{_labels(use)} in the other; choose another --task"
        )
    if len(learn.protocol.splits) > 1:
        raise RequestError(
            f"protocol {learn.spec.protocol} of {source.name} has folds, and one model is wanted; "
            "choose another --protocol"
        )
    by_video, by_text = shared_in_training(source, learn.spec.protocol, target, use.spec.protocol)
    learned_rows = np.unique(
        np.concatenate([rows for s in learn.protocol.splits for rows in (s.train, s.valid)])
    )
    counts = f"{len(by_video)} by video, {len(by_text)} by a text of {LEAST_WORDS} words or more"
    if len(by_video) + len(by_text):
        notes.append(
            f"{source.name} and {target.name} share utterances: {counts}; "
            f"these {len(by_video) + len(by_text)} of the {len(learned_rows)} train and "
            f"valid rows of {source.name} stand among the valid and test rows of {target.name} and "
            "are left out"
        )
        source = without(source, learn.spec.protocol, np.concatenate((by_video, by_text)))
        learn = resolve(request, catalog, source, lexicon)
        # Its records say so: their content hash is not that of the whole data set.
        track = learn.track.model_copy(update={"without": f"{target.name} {use.spec.protocol}"})
        learn = replace(learn, track=track, notes=(*learn.notes, notes[-1]))
    else:
        notes.append(
            f"{source.name} and {target.name} share no utterance that would leak ({counts})"
        )
    return Pair(source, target, learn, use, tuple(notes))


def _common(
    request: Request,
    source: Corpus,
    target: Corpus,
    catalog: Catalog,
    lexicon: Lexicon | None,
    notes: list[str],
) -> tuple[Modality, ...]:
    """Modalities whose streams, as the model reads them, are of one kind and width in both."""
    source_streams, target_streams = (
        resolve(request, catalog, corpus, lexicon).streams for corpus in (source, target)
    )
    common = []
    for m in dict.fromkeys((*target_streams, *source_streams)):
        if (
            m in source_streams
            and m in target_streams
            and _form(source_streams[m]) == _form(target_streams[m])
        ):
            common.append(m)
            continue
        offers = [
            f"{corpus.name} {_say(streams.get(m))}"
            for corpus, streams in ((source, source_streams), (target, target_streams))
        ]
        notes.append(f"{m} is left out: {', '.join(offers)}")
    if not common and (source_streams or target_streams):
        reason = "; ".join(notes)
        raise RequestError(
            f"nothing can be carried over from {source.name} to {target.name}: {reason}; "
            "choose other streams with --stream"
        )
    return tuple(common)


def _form(stream: Stream) -> tuple[str, int | None]:
    return stream.kind, stream.spec.width


def _say(stream: Stream | None) -> str:
    if stream is None:
        return "offers none"
    return (
        f"offers {stream.name} "
        f"({stream.kind}{f' of width {stream.spec.width}' if stream.spec.width else ''})"
    )


def _labels(plan: Plan) -> str:
    return ", ".join(plan.task.space.words)


def as_it_is(corpora: Pair, run: Run, store: Store, machine: Machine) -> dict[int, Scored]:
    """The source's runs on the target's test rows; features are scaled as the source's train rows
    say.
    """
    rows = np.concatenate([s.test for s in corpora.use.protocol.splits])
    rows = corpora.use.task.known_rows(rows)
    reading = Readings(corpora.use.metrics)
    for trained_run in trained(
        corpora.learn, corpora.source, run(corpora.learn, corpora.source), store, machine
    ):
        data = trained_run.fold.of(
            corpora.use.streams,
            corpora.use.task,
            rows,
            trained_run.problem.encoders,
            machine.device,
            corpora.target.turns_N2,
        )
        reading.add(
            trained_run.record,
            corpora.target,
            corpora.use.task,
            rows,
            trained_run.predict(data, corpora.use.task.space),
        )
    return reading.scored()


def finetuned(
    corpora: Pair,
    start_runs: Sequence[Record],
    request: Request,
    plan: Callable[[Request], Plan],
    run: Callable[[Plan, Corpus, Sequence[int]], list[Record]],
    store: Store,
) -> list[Record]:
    """Runs on the target that start from the weights of ``start_runs``, each seed from its own: a
    seed that failed there has none. ``request``: what is asked of them.
    """
    seeds = list(whole_seeds(start_runs))
    if not seeds:
        return []
    first = next(r for r in start_runs if r.seed == seeds[0])
    start = start_from(store, first, seeds, seen_before(request))
    changed = replace(request, modalities=tuple(corpora.use.streams), start=start)
    return run(plan(changed), corpora.target, seeds)


def seen_before(request: Request) -> Sequence[Seen]:
    """What weights have seen that all of these runs start from: what is trained on top of them has
    seen it too.
    """
    return request.start.seen if request.start else ()


def together(
    corpora: Pair, request: Request, plan: Callable[[Request, Corpus], Plan], run: Run
) -> list[Record]:
    """Runs trained on the train rows of both; epochs are chosen on the target's validation rows."""
    rows = corpora.learn.protocol.splits[0].train
    joined_corpus = joined(
        corpora.target,
        corpora.use.spec.task,
        corpora.use.spec.protocol,
        corpora.use.streams,
        corpora.source,
        rows,
        corpora.learn.streams,
    )
    return run(
        plan(replace(request, streams={}, modalities=tuple(corpora.use.streams)), joined_corpus),
        joined_corpus,
    )


Further = Callable[[Pair], list[Record]]


def lines(
    pairs: Sequence[Pair], run: Run, store: Store, machine: Machine, further: Mapping[str, Further]
) -> list[Line]:
    """For each target the same model trained on it alone, with the modalities that a pair shares;
    then each pair, compared with that.

    ``further``: name -> runs that also train on the target; RequestError where a model cannot,
    which becomes the line's reason.
    """
    lines_by_name: dict[str, Line] = {}
    for corpora in pairs:
        alone = f"{corpora.target.name} alone ({' + '.join(corpora.use.streams) or 'no input'})"
        if alone not in lines_by_name:
            lines_by_name[alone] = Line(
                alone, by_seed(run(corpora.use, corpora.target), store, corpora.use.metrics)
            )
        lines_by_name[corpora.name] = Line(
            corpora.name, as_it_is(corpora, run, store, machine), against=alone
        )
        for way, make in further.items():
            name = f"{corpora.name}, {way}"
            try:
                lines_by_name[name] = Line(
                    name, by_seed(make(corpora), store, corpora.use.metrics), against=alone
                )
            except RequestError as error:
                lines_by_name[name] = Line(name, reason=str(error))
    return list(lines_by_name.values())

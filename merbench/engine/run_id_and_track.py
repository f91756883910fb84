"""What a run is known by: its spec and the contents behind it (the run id), and its track."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merbench.api import Corpus, Lexicon, Modality, Stream
from merbench.data.dataset_hash import revision
from merbench.engine.plan import text_tower
from merbench.engine.plan.plan import Part, Request, Setup
from merbench.engine.plan.stages import as_data
from merbench.engine.plan.task_and_protocol import Goal
from merbench.engine.rows import hidden_labels, missing
from merbench.host.catalog import Catalog
from merbench.results.metrics import thresholds
from merbench.results.records.record import INITIAL, Track
from merbench.results.spec import PartSpec, RunSpec


@dataclass(frozen=True)
class Material:
    """Pretrained material by name -> SHA-256. ``vectors``: all files of word vectors that are
    offered; ``tower``: of ``--text-tower``, whether it is read or not; ``weights``: of the parts.
    """

    lexicon: Lexicon | None
    vectors: Mapping[str, str]
    reads_vectors: bool
    tower: Mapping[str, str]
    weights: Mapping[str, str]


def material_of(
    request: Request, catalog: Catalog, parts: Mapping[str, Part], lexicon: Lexicon | None
) -> Material:
    """What the parts of a run start from, and what they are offered to start from."""
    weights: dict[str, str] = {}
    for part in parts.values():
        weights |= part.pretrained
    tower = request.text_tower
    return Material(
        lexicon=lexicon,
        vectors={f"vectors:{f.name}": f.sha256 for f in lexicon.files} if lexicon else {},
        reads_vectors=any("vectors" in part.component.pretrained for part in parts.values()),
        tower=text_tower.tower_weights(tower, catalog) if tower else {},
        weights=weights,
    )


def spec_of(
    request: Request, corpus: Corpus, goal: Goal, setup: Setup, leaks: Sequence[str]
) -> RunSpec:
    """Everything that was asked for, with every default filled in."""
    return RunSpec(
        model=setup.recipe.name,
        ablation="+".join(sorted(request.ablations)),
        dataset=corpus.name,
        task=goal.task_name,
        protocol=goal.protocol_name,
        streams={m: s.name for m, s in setup.streams.items()},
        parts={
            slot: PartSpec(name=p.component.name, config=p.config.identity())
            for slot, p in setup.parts.items()
        },
        stages=[as_data(stage) for stage in setup.stages],
        train=setup.train,
        views={name: list(transforms) for name, transforms in setup.views.items()},
        labels=hidden_labels.canonical(request.labels),
        missing=missing.canonical(request.missing),
        thresholds=_thresholds(request, goal),
        allow_leak=bool(leaks),
        init_from=request.start.series if request.start else "",
    )


def _thresholds(request: Request, goal: Goal) -> str:
    """The usual ones where no label is decided: a study has one policy for all of its tracks, and
    what has no effect makes no other run.
    """
    has_labels = any(part.kind == "multilabel" for part in goal.task.space.tasks)
    return thresholds.canonical(request.thresholds) if has_labels else Request.thresholds


def track_of(
    request: Request,
    corpus: Corpus,
    goal: Goal,
    offered: Mapping[Modality, Stream],
    material: Material,
    leaks: Sequence[str],
) -> Track:
    """What a run was allowed to see: runs are ranked against each other within one track."""
    initial = {INITIAL: request.start.series} if request.start else {}
    return Track(
        dataset=corpus.name,
        revision=revision(corpus, goal.task_name, goal.protocol_name, []),
        task=goal.task_name,
        protocol=goal.protocol_name,
        streams=[s.name for s in offered.values()],
        pretrained={**material.vectors, **material.tower, **material.weights, **initial},
        leaks=list(leaks),
        labels=hidden_labels.canonical(request.labels),
        missing=missing.canonical(request.missing),
    )


def contents_of(
    corpus: Corpus, goal: Goal, streams: Mapping[Modality, Stream], material: Material
) -> dict[str, str]:
    """Content hashes of what the run reads: its data and its pretrained material."""
    names = [stream.name for stream in streams.values()]
    data = revision(corpus, goal.task_name, goal.protocol_name, names)
    vectors = material.vectors if material.reads_vectors else {}
    return {"data": data, **vectors, **material.weights}

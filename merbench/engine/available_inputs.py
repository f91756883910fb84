"""What a data set offers a method, and what the method reads of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence, Set

from merbench.api import (
    Ablation,
    Component,
    Corpus,
    Modality,
    Recipe,
    RequestError,
    Stream,
)
from merbench.data.words import as_words
from merbench.engine.plan.plan import Request
from merbench.engine.plan.settings import laid_over
from merbench.engine.rows.splits import modalities_of
from merbench.host.catalog import unknown


def ablation(recipe: Recipe, name: str) -> Ablation:
    declared = {a.name: a for a in recipe.ablations}
    if name not in declared:
        where_declared = f"declared by model {recipe.name}"
        raise RequestError(unknown("ablation", name, list(declared), where_declared))
    return declared[name]


def offered_streams(
    corpus: Corpus, defaults: Sequence[str], overrides: Mapping[Modality, str]
) -> dict[Modality, Stream]:
    """One a modality: the default, or the one that the user chose."""
    offered = {corpus.streams[name].modality: corpus.streams[name] for name in defaults}
    for modality, name in overrides.items():
        if name not in corpus.streams:
            option = f"--stream of dataset {corpus.name}"
            raise RequestError(unknown("stream", name, list(corpus.streams), option))
        stream = corpus.streams[name]
        if stream.modality != modality:
            raise RequestError(
                f"--stream {modality}={name}: that stream's modality is {stream.modality}"
            )
        offered[modality] = stream
    return {m: offered[m] for m in modalities_of(list(offered))}


def in_case(recipe: Recipe, dataset: str, kinds: Set[str]) -> Recipe:
    """The recipe as it is for these data: a case depends on what is offered, so that leaving a
    modality out changes nothing else.
    """
    encoders, settings = dict(recipe.encoders), dict(recipe.settings)
    for case in recipe.cases:
        if case.holds(dataset, kinds):
            encoders |= case.encoders
            settings |= {
                name: laid_over(settings.get(name), value) for name, value in case.settings.items()
            }
    return dataclasses.replace(recipe, encoders=encoders, settings=settings)


def encoder_for(recipe: Recipe, stream: Stream) -> str | None:
    """The name of the encoder that reads this stream; None where the recipe has none."""
    by_modality = recipe.encoders.get(f"{stream.modality}.{stream.kind}")
    return by_modality or recipe.encoders.get(stream.kind)


def streams_read(
    recipe: Recipe,
    corpus: Corpus,
    offered: Mapping[Modality, Stream],
    request: Request,
    ablated: Sequence[tuple[Modality, ...]],
) -> dict[Modality, Stream]:
    """Those of the streams offered that this model will read."""
    used_modalities = _wanted(recipe, corpus, offered, request, ablated)
    with_encoder = {
        m
        for m in used_modalities
        if encoder_for(recipe, offered[m]) or f"encoder.{m}" in request.settings
    }
    for modality in request.streams:
        if recipe.encoders and modality in used_modalities and modality not in with_encoder:
            stream = offered[modality]
            raise RequestError(
                f"model {recipe.name} has no encoder for a stream of kind {stream.kind!r} such as "
                f"{stream.name}; name one with --encoder {modality}=NAME (merbench list encoders)"
            )
    streams = {m: offered[m] for m in used_modalities if m in with_encoder}
    if len(streams) < recipe.min_modalities:
        modalities = "modality" if recipe.min_modalities == 1 else "modalities"
        of_these = f" of {', '.join(recipe.modalities)}" if recipe.modalities else ""
        others = _others_to_read(recipe, corpus, _kept(request, ablated), streams)
        advice = " or ".join(others) or "choose another model, protocol or stream"
        raise RequestError(
            f"model {recipe.name} needs at least {recipe.min_modalities} {modalities}{of_these}, "
            f"and dataset {corpus.name} gives it {', '.join(streams) or 'none'} here "
            f"({', '.join(s.name for s in offered.values())}); {advice}"
        )
    return streams


def _others_to_read(
    recipe: Recipe,
    corpus: Corpus,
    kept: Sequence[tuple[Modality, ...]],
    streams: Mapping[Modality, Stream],
) -> list[str]:
    """Options that would give the model a modality more."""
    kept = (*kept, recipe.modalities) if recipe.modalities else kept
    return [
        f"--stream {s.modality}={s.name}"
        for s in corpus.streams.values()
        if s.modality not in streams
        and all(s.modality in modalities for modalities in kept)
        and encoder_for(recipe, s)
    ]


def _wanted(
    recipe: Recipe,
    corpus: Corpus,
    offered: Mapping[Modality, Stream],
    request: Request,
    ablated: Sequence[tuple[Modality, ...]],
) -> list[Modality]:
    """The modalities that ablations, the user and the recipe leave over."""
    chosen = list(offered)
    for modalities in _kept(request, ablated):
        for modality in modalities:
            if modality not in offered:
                raise RequestError(
                    f"modality {modality!r} is not offered: dataset {corpus.name} offers "
                    f"{', '.join(offered)} here; choose among those"
                )
        chosen = [m for m in chosen if m in modalities]
    return [m for m in chosen if not recipe.modalities or m in recipe.modalities]


def _kept(
    request: Request, ablated: Sequence[tuple[Modality, ...]]
) -> Sequence[tuple[Modality, ...]]:
    """Sets of modalities; one that a set lacks is left out."""
    return (*ablated, *([request.modalities] if request.modalities else []))


def as_read(stream: Stream, encoder: Component) -> Stream:
    """Transcripts become words where the encoder reads words."""
    return as_words(stream) if stream.kind == "strings" and "words" in encoder.accepts else stream

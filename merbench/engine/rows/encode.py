"""Frozen encoders run once: their outputs for all rows of a stream go into the cache, and runs read
them from there as they are.

No row is learned from here, so rows of every split may go through; an encoder that learns anything
from rows is never kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from merbench.api import (
    Config,
    Context,
    MerbenchError,
    Modality,
    Prepared,
    RunError,
    Steps,
    Stream,
    StreamSpec,
)
from merbench.api.events import (
    EncodingCounts,
    EncodingNotes,
    EncodingStarted,
    Note,
    RowsEncoded,
    Waiting,
    Watch,
    ignore,
)
from merbench.api.first_line import typed
from merbench.api.material.clips import CUT_SHORT, WITHOUT
from merbench.data.encoder_cache.cache import Cache
from merbench.data.encoder_cache.entry import SHARDS, About, Entry
from merbench.data.encoder_cache.filling import Filling
from merbench.data.streams.content_hash import Known, row_contents
from merbench.engine.freed_memory import ONE_PASS, freed_memory_kept
from merbench.engine.model.contract import construct, fault, prepared
from merbench.engine.plan.plan import Part, Plan
from merbench.engine.rows import encode_by_length
from merbench.engine.rows.encoded_with import other_versions, versions
from merbench.engine.rows.splits import Fold, rows_of


class Ready(nn.Module):
    """In the place of an encoder whose output is in the cache: hands it on. ``encoded_with``:
    the packages that made it, with their versions.
    """

    frozen = True
    measured: dict[str, float] = {}
    encoded_with: dict[str, str] = {}

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        super().__init__()
        assert stream.width is not None
        self.width = stream.width

    def prepare(self, rows: Prepared) -> Prepared:
        return rows

    def forward(self, inputs: Steps) -> Steps:
        return inputs


def with_cached(plan: Plan, cache: Cache, device: torch.device, watch: Watch = ignore) -> Plan:
    """The plan with the output of every frozen encoder in the place of the stream it reads. What
    the cache lacks is made first.

    Spec, track and contents stay as they are: the same run, done faster. Where other versions of
    packages made it, the plan's notes say so. A plan without frozen encoders is returned itself.
    """
    if not (modalities := fixed(plan)):
        return plan
    parts, streams, notes = dict(plan.parts), dict(plan.streams), list(plan.notes)
    for modality in modalities:
        entry, streams[modality] = encoded(plan, modality, cache, device, watch)
        if sentence := other_versions(_label(plan, modality), entry.packages):
            notes.append(sentence)
        facts = {"measured": entry.measured, "encoded_with": entry.packages}
        ready = type("Ready", (Ready,), facts)
        component = dataclasses.replace(
            plan.parts[f"encoder.{modality}"].component, pretrained=(), version=0
        )
        parts[f"encoder.{modality}"] = Part(component, ready, Config())
    return dataclasses.replace(plan, parts=parts, streams=streams, notes=tuple(notes))


def fixed(plan: Plan) -> tuple[Modality, ...]:
    """The modalities whose encoders are frozen."""
    return tuple(m for m in plan.streams if plan.parts[f"encoder.{m}"].fixed)


def encoded(
    plan: Plan,
    modality: Modality,
    cache: Cache,
    device: torch.device,
    watch: Watch = ignore,
) -> tuple[Entry, Stream]:
    """One frozen encoder's output for all rows, as an entry of the cache and as a stream."""
    part, stream = plan.parts[f"encoder.{modality}"], plan.streams[modality]
    known = Known(cache.root / "clips.json")
    contents = row_contents(stream, known)
    # Sorted, so that the order of rows changes nothing.
    order = np.argsort(np.array([content or "" for content in contents]), stable=True)
    about = About(
        encoder=part.component.name,
        version=part.component.version,
        config=part.config.identity(),
        weights=part.pretrained,
        rows=[contents[row] for row in order],
    )
    cached = cache.find(about.key)
    if cached is None:
        _encode_into(cache, plan, modality, about, order, known, device, watch)
        cached = cache.find(about.key)
    assert cached is not None, f"{about.key} is not what was just written"
    entry, values, length = cached
    if sentence := other_versions(_label(plan, modality), entry.packages):
        watch(Note(sentence=sentence))
    if entry.notes:
        note_by_path = {str(stream.values[order[row]]): note for row, note in entry.notes.items()}
        notes = dict(sorted(note_by_path.items()))
        watch(EncodingNotes(label=_label(plan, modality), rows=entry.rows, notes=notes))
    counts = {n: v for n, v in entry.measured.items() if v and n not in (CUT_SHORT, WITHOUT)}
    if counts:
        watch(EncodingCounts(label=_label(plan, modality), counts=counts))
    start, rank_of_row = np.cumsum(length) - length, np.argsort(order)
    return entry, dataclasses.replace(
        stream, kind="steps", values=values, start=start[rank_of_row], length=length[rank_of_row]
    )


def _label(plan: Plan, modality: Modality) -> str:
    component = plan.parts[f"encoder.{modality}"].component
    return f"{plan.streams[modality].name} through {component.name}"


def _encode_into(
    cache: Cache,
    plan: Plan,
    modality: Modality,
    about: About,
    order: np.ndarray,
    known: Known,
    device: torch.device,
    watch: Watch,
) -> None:
    """Fill the cache's entry ``about`` with the outputs of the rows in ``order``, unless another
    process does so meanwhile.
    """
    part, stream = plan.parts[f"encoder.{modality}"], plan.streams[modality]
    label = _label(plan, modality)
    waits = f"{label}: another process is filling the cache; waiting for it"
    # How rows are cut into shards and batches is part of what a resumed job must find again.
    batches, decoded = encode_by_length.BATCHES, encode_by_length.DECODED
    layout = f"{SHARDS}{device.type}-{batches}-batches-{decoded}-decoded-by-length"
    with cache.filling(about.key, layout, lambda: watch(Waiting(sentence=waits))) as filling:
        if cache.find(about.key) is not None:
            return
        fold = Fold({modality: stream}, plan.task, plan.protocol.splits[0], plan.lexicon)
        kept = freed_memory_kept(ONE_PASS) if device.type == "cpu" else nullcontext()
        unchanged = partial(_require_unchanged, stream, order, about.rows, known)
        with _faults_told(part, label), kept:
            encoder = construct(part, fold.context, stream.spec).to(device).eval()
            items = prepared(encoder, rows_of(stream, order, None))
            _fill(filling, encoder, items, unchanged, device, label, watch)
        filling.finish(
            measured=encoder.measured,
            dataset=plan.spec.dataset,
            stream=stream.name,
            device=_name(device),
            packages=versions(part, stream),
            **about.model_dump(exclude={"rows"}),
        )


def _require_unchanged(
    stream: Stream,
    order: np.ndarray,
    contents: Sequence[str | None],
    known: Known,
    rows: Sequence[int],
) -> None:
    """RunError where one of ``rows``, numbers into ``order`` and ``contents``, has another clip
    than the one that was hashed: what was decoded may be of either.
    """
    contents_now = row_contents(stream, known, order[rows])
    for row, content in zip(rows, contents_now, strict=True):
        if content != contents[row]:
            raise RunError(
                f"{stream.values[order[row]]} was replaced while {stream.name} was encoded; "
                "run again, and it is read anew"
            )


def _fill(
    filling: Filling,
    encoder: Any,
    items: Prepared,
    unchanged: Callable[[Sequence[int]], None],
    device: torch.device,
    label: str,
    watch: Watch,
) -> None:
    """``unchanged(rows)`` is called before what was made of them is kept."""
    finished, shards = filling.done(), encode_by_length.shards(encoder, items)
    todo = [n for n in range(len(shards)) if n not in finished]
    rows_left = sum(len(shards[n]) for n in todo)
    rows_done = len(items) - rows_left
    watch(EncodingStarted(label=label, rows=len(items), done=rows_done))
    for number, values, length in encode_by_length.encode(encoder, items, todo, device):
        rows = shards[number].tolist()
        # Looked up row by row: the threads that read ahead add to them all the while.
        notes, shares = (
            {row: by_row[row] for row in rows if row in by_row}
            for by_row in (getattr(items, name, {}) for name in ("notes", "shares"))
        )
        unchanged(rows)
        filling.put(number, values, length, notes, shares)
        watch(RowsEncoded(label=label, rows=len(length)))


@contextmanager
def _faults_told(part: Part, label: str) -> Iterator[None]:
    """RunError for what the encoder of ``part`` raises in the block, which says where."""
    try:
        yield
    except (MerbenchError, OSError):
        raise
    except Exception as error:
        where = fault(error, [part])
        if not where and not isinstance(error, RuntimeError):
            raise  # a fault of merbench
        reason = f"{where}: {typed(error)}" if where else typed(error)
        raise RunError(
            f"{label} broke off: {reason}; run again, and it continues from there"
        ) from error


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type

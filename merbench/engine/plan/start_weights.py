"""Weights that runs start from, and which rows these have seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from merbench.api import Corpus, Protocol, RequestError
from merbench.data.dataset_overlap import shared
from merbench.data.joined_train_rows import JOIN


@dataclass(frozen=True)
class Seen:
    """What weights were trained and chosen on: ``protocol`` of a data set.

    ``corpus``: that data set, where it is here with the rows that it had then. ``leaks``: whether a
    leak was accepted.
    """

    dataset: str
    protocol: str = ""
    corpus: Corpus | None = None
    leaks: bool = False

    def of(self, corpus: Corpus) -> bool:
        """Whether it is that data set, or one that was joined from it."""
        return corpus.name in self.dataset.split(JOIN)


@dataclass(frozen=True)
class Start:
    """Where the weights come from that runs begin with. ``series``: of the runs; ``weights``:
    (seed, fold) -> a safetensors file.

    ``seen``: what is to be checked of them; nothing where the caller has seen to it.
    """

    series: str
    weights: Mapping[tuple[int, int | None], Path] = field(default_factory=dict)
    seen: Sequence[Seen] = ()


def check_seen(
    seen: Sequence[Seen], corpus: Corpus, name: str, protocol: Protocol, allowed: bool
) -> tuple[bool, list[str]]:
    """``(leaks, notes)``: whether weights have seen rows that protocol ``name`` evaluates, and what
    could not be checked.

    RequestError for a leak that is not ``allowed``.
    """
    notes: list[str] = []
    leaks: list[str] = []
    for training in seen:
        trained_on = training.dataset
        if training.protocol:
            trained_on = f"protocol {training.protocol} of {training.dataset}"
        if training.of(corpus) and (training.leaks or training.corpus is None):
            leaks.append(
                f"were trained on {trained_on}, "
                + ("with a leak" if training.leaks else "whose rows were others than they are here")
            )
        elif training.corpus is None:
            notes.append(
                f"the initial weights were trained on {trained_on}, which is not here as it was: "
                "shared utterances were not checked"
            )
        elif rows := _evaluated(training, training.corpus, corpus, name, protocol):
            rows_evaluated = f"the valid and test rows of protocol {name} of {corpus.name}"
            leaks.append(
                f"were trained or chosen on {rows} of {rows_evaluated} (through {trained_on})"
            )
    if leaks and not allowed:
        raise RequestError(
            f"the weights of --init-from {leaks[0]}; "
            "start from runs of the same protocol or other data, or accept it with --allow-leak, "
            "which permanently marks the runs"
        )
    return bool(leaks), notes


def _evaluated(
    training: Seen, trained_corpus: Corpus, corpus: Corpus, name: str, protocol: Protocol
) -> int:
    """How many rows the weights have seen that are evaluated, fold by fold."""
    same_dataset = trained_corpus.name == corpus.name
    if same_dataset and training.protocol == name:
        return 0
    split_of_fold = {
        split.fold: split for split in trained_corpus.protocols[training.protocol].splits
    }
    rows: set[int] = set()
    for split in protocol.splits:
        if start := split_of_fold.get(split.fold) or split_of_fold.get(None):
            trained_rows, evaluated_rows = (
                np.concatenate((start.train, start.valid)),
                np.concatenate((split.valid, split.test)),
            )
            if same_dataset:
                rows.update(np.intersect1d(trained_rows, evaluated_rows).tolist())
            else:
                rows.update(
                    *(
                        ids.tolist()
                        for ids in shared(corpus, evaluated_rows, trained_corpus, trained_rows)
                    )
                )
    return len(rows)

"""What the splits or folds of a protocol share though they should not: videos, speakers, rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from merbench.api.material.corpus import Corpus, Protocol
from merbench.api.plural import are, count_of
from merbench.data.audit.findings import Finding
from merbench.data.first_few import first_few

MODES = ("train", "valid", "test")


@dataclass(frozen=True)
class Groups:
    """The parts of a protocol that are to share nothing: ``names`` of the splits or folds,
    ``group_N`` each row's, -1 = not used.
    """

    names: tuple[str, ...]
    group_N: np.ndarray

    def apart(self, a: np.ndarray | int, b: np.ndarray | int) -> np.ndarray:
        """Whether the rows ``a`` and ``b`` are used, and in different parts."""
        a_part, b_part = self.group_N[a], self.group_N[b]
        return np.asarray((a_part != b_part) & (a_part >= 0) & (b_part >= 0))


def groups_of(protocol: Protocol, rows: int) -> Groups:
    group_N = np.full(rows, -1)
    if len(protocol.splits) == 1:
        split = protocol.splits[0]
        for k, part in enumerate((split.train, split.valid, split.test)):
            group_N[part] = k
        return Groups(MODES, group_N)
    for k, split in enumerate(protocol.splits):
        group_N[split.test] = k
    return Groups(tuple(f"fold {split.fold}" for split in protocol.splits), group_N)


def shared_videos(corpus: Corpus, groups: dict[str, Groups]) -> Iterator[Finding]:
    count = len(np.unique(corpus.videos))
    for protocol, parts in groups.items():
        shared = _shared(corpus.videos, parts)
        if shared:
            yield Finding(
                "warning",
                protocol,
                f"{len(shared):,} of {count_of(count, 'video')} ({first_few(shared)}) "
                f"{are(len(shared))} in more than one of {', '.join(parts.names)} of protocol "
                f"{protocol}, so a model can know the speaker; divide by video",
            )
        for split in corpus.protocols[protocol].splits:
            shared_rows = np.intersect1d(np.union1d(split.train, split.valid), split.test)
            if len(shared_rows):
                rows = first_few(corpus.ids[shared_rows].tolist())
                yield Finding(
                    "warning",
                    protocol,
                    f"{count_of(len(shared_rows), 'row')} of protocol {protocol} "
                    f"{are(len(shared_rows))} trained on and tested ({rows})",
                )


def shared_groups(corpus: Corpus, groups: dict[str, Groups]) -> Iterator[Finding]:
    """Speakers and their like that a protocol does not keep apart."""
    for name, unit_N in corpus.groups.items():
        for protocol, parts in groups.items():
            shared = _shared(unit_N, parts)
            if shared:
                several = f"more than one of {', '.join(parts.names)} of protocol {protocol}"
                yield Finding(
                    "note",
                    protocol,
                    f"{len(shared):,} of {len(np.unique(unit_N)):,} groups of {name} "
                    f"({first_few(shared)}) {are(len(shared))} in {several}; "
                    f'folds = 5 and group = "{name}" keep them apart',
                )


def _shared(unit_N: np.ndarray, parts: Groups) -> list[str]:
    """The units (videos, speakers) whose rows are in more than one part."""
    names, number_N = np.unique(unit_N, return_inverse=True)
    has_part = parts.group_N >= 0
    pairs = np.unique(np.stack([number_N[has_part], parts.group_N[has_part]]), axis=1)
    shared = np.flatnonzero(np.bincount(pairs[0], minlength=len(names)) > 1)
    return [str(names[unit]) for unit in shared]

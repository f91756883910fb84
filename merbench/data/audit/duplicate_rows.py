"""Rows that a data set has twice: under ids that look alike, over the same seconds, with the same
text.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from merbench.api.material.corpus import Corpus, Task
from merbench.api.plural import are, count_of, have
from merbench.data.audit.findings import Finding
from merbench.data.audit.near_duplicate_texts import Twins
from merbench.data.audit.split_overlap import MODES, Groups
from merbench.data.duplicate_segments import labelled_twice, times_in
from merbench.data.first_few import first_few


def ids_alike(corpus: Corpus, groups: dict[str, Groups]) -> Iterator[Finding]:
    """Ids that differ in case, blanks or leading zeros alone."""
    row_by_bare_id: dict[str, int] = {}
    for row, name in enumerate(corpus.ids.tolist()):
        bare_id = "_".join(
            part.lstrip("0") or "0" for part in str(name).casefold().replace(" ", "").split("_")
        )
        earlier_row = row_by_bare_id.setdefault(bare_id, row)
        if earlier_row != row:
            split = [
                protocol for protocol, parts in groups.items() if parts.apart(earlier_row, row)
            ]
            splits_text = f", in different splits of {', '.join(split)}" if split else ""
            yield Finding(
                "warning",
                "ids",
                f"'{corpus.ids[earlier_row]}' and '{name}' look like one row{splits_text}; "
                "keep one of them",
            )


def rows_labelled_twice(corpus: Corpus, groups: dict[str, Groups]) -> Iterator[Finding]:
    """Rows of one video over the same seconds."""
    times_N2 = times_in(corpus)
    if times_N2 is None:
        return
    pairs = labelled_twice(corpus.videos, times_N2)
    if not len(pairs):
        return
    apart = [
        f"{count} in different splits of {protocol}"
        for protocol, parts in groups.items()
        if (count := int(parts.apart(*pairs.T).sum()))
    ]
    differ = [
        f"{count} with other labels of {name}"
        for name, task in corpus.tasks.items()
        if (count := _differing(task, pairs))
    ]
    examples = first_few([f"{corpus.ids[a]} = {corpus.ids[b]}" for a, b in pairs])
    yield Finding(
        "warning",
        "ids",
        ", ".join(
            [
                f"{count_of(len(pairs), 'segment')} {are(len(pairs))} labelled twice ({examples})",
                *differ,
                *apart,
            ]
        )
        + "; keep one row of each, or know that its text and signal count twice",
    )


def _differing(task: Task, pairs: np.ndarray) -> int:
    """How many pairs of rows have labels that differ, both known."""
    known = task.is_known()
    first_B, second_B = pairs.T
    differ = (task.target[first_B] != task.target[second_B]) & known[first_B] & known[second_B]
    return int(differ.reshape(len(pairs), -1).any(axis=1).sum())


def texts_alike(corpus: Corpus, groups: dict[str, Groups], alike: Twins) -> Iterator[Finding]:
    for protocol, parts in groups.items():
        across = [
            t
            for t in alike.across(parts.group_N)
            if len(parts.names) != 3 or parts.names[parts.group_N[t[0]]] != "train"
        ]
        for is_same, kind in ((True, "the same text as"), (False, "nearly the same text as")):
            rows = [(r, twin, like) for r, twin, like in across if (like == 1.0) == is_same]
            if rows:
                examples = first_few(
                    [
                        f"{corpus.ids[r]} ~ {corpus.ids[twin]}"
                        + ("" if is_same else f" ({like:.2f})")
                        for r, twin, like in rows
                    ]
                )
                split_names = "valid or test " if parts.names == MODES else ""
                yield Finding(
                    "warning",
                    protocol,
                    f"{count_of(len(rows), f'{split_names}row')} of protocol {protocol} "
                    f"{have(len(rows))} {kind} a row of another split: {examples}",
                )

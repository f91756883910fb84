"""Which rows count as seen by the weights that a run starts from."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from merbench.api import RequestError, Split
from merbench.engine.plan.start_weights import Seen, check_seen
from merbench.testing import tiny

PARTS = ("train", "valid", "test")


def with_row_in(part: str, rows: range) -> Split:
    """Row 0 in one part, and in each of the others one of ``rows``."""
    apart = dict(zip(PARTS, ([row] for row in rows), strict=True)) | {part: [0]}
    return Split(**{name: np.array(rows) for name, rows in apart.items()})


@pytest.mark.parametrize("seen_as", PARTS)
@pytest.mark.parametrize("used_as", PARTS)
def test_a_row_is_seen_that_was_trained_or_chosen_on_and_evaluated_now(seen_as, used_as):
    corpus = tiny.corpus()
    protocols = {
        name: dataclasses.replace(corpus.protocols["standard"], splits=(with_row_in(part, rows),))
        for name, part, rows in (("before", seen_as, range(1, 4)), ("after", used_as, range(4, 7)))
    }
    corpus = dataclasses.replace(corpus, protocols=protocols)
    asked = ([Seen(corpus.name, "before", corpus)], corpus, "after", protocols["after"])
    is_leak = seen_as != "test" and used_as != "train"
    assert check_seen(*asked, allowed=True) == (is_leak, [])
    if is_leak:
        with pytest.raises(RequestError, match="chosen on 1 of the valid and test rows"):
            check_seen(*asked, allowed=False)

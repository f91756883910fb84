"""Which targets of a task are known, and which rows of a stream are there."""

from __future__ import annotations

import numpy as np
import pytest

from merbench.api import Stream, Task
from merbench.testing import tiny

ROWS = np.array([2, 0])


@pytest.mark.parametrize("kind", ["score", "multilabel"])
def test_what_is_known_of_a_task(kind):
    target = np.zeros((3, 2) if kind == "multilabel" else 3)
    whole = Task(tiny.SPACES[kind], target)
    assert whole.is_known().all() and whole.is_known(ROWS).shape == target[ROWS].shape
    assert whole.count_incomplete(ROWS) == 0 and whole.known_cells(ROWS) is None
    known = np.ones(target.shape, dtype=bool)
    known[(2, 1) if kind == "multilabel" else 2] = False
    partly = Task(tiny.SPACES[kind], target, known)
    assert partly.is_known() is known and partly.count_incomplete(ROWS) == 1
    assert partly.is_known(ROWS).tolist() == known[ROWS].tolist()
    # A row with several labels takes part, its unknown cells are masked.
    assert partly.known_rows(ROWS).tolist() == ([2, 0] if kind == "multilabel" else [0])
    assert (partly.known_cells(ROWS) is None) == (kind == "score")


@pytest.mark.parametrize("dtype", [str, object, np.dtypes.StringDType()])
@pytest.mark.parametrize("kind", ["strings", "clip"])
def test_an_empty_string_is_a_missing_row_whatever_array_holds_it(kind, dtype):
    stream = Stream.of_rows("text.x", "text", kind, np.array(["a", "", "b"], dtype=dtype))
    assert stream.length.tolist() == [1, 0, 1]

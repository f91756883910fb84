"""What a fold lets its models know of the rows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from merbench.engine.rows.splits import Fold


@pytest.mark.parametrize("kind", ["score", "multilabel"])
def test_statistics_and_counts_are_those_of_the_train_rows(make, kind):
    """Nonsense in the valid and test rows changes none of them."""
    plan, _ = make(kind=kind)
    split = plan.protocol.splits[0]
    others = np.concatenate([split.valid, split.test])
    target, streams = plan.task.target.copy(), {}
    target[others] = 1 - target[others]
    for modality, stream in plan.streams.items():
        values = stream.values.copy()
        for row in others if stream.kind == "features" else ():
            values[stream.start[row] : stream.start[row] + stream.length[row]] = 99.0
        streams[modality] = dataclasses.replace(stream, values=values)
    spoiled = dataclasses.replace(plan.task, target=target)
    before, after = (
        Fold(streams, task, split, None)
        for streams, task in ((plan.streams, plan.task), (streams, spoiled))
    )
    assert before.statistics and before.context.n_train == after.context.n_train == len(split.train)
    for modality, known in before.statistics.items():
        assert np.array_equal(known.mean_D, after.statistics[modality].mean_D)
        assert np.array_equal(known.scale_D, after.statistics[modality].scale_D)
    for field in dataclasses.fields(before.context.counts):
        same = [getattr(fold.context.counts, field.name) for fold in (before, after)]
        assert np.array_equal(*same)

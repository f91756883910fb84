"""Which rows of a batch are of one video, and in what order."""

import numpy as np
import torch

from merbench.engine.build import build
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.testing import tiny


def test_batches_know_the_turns_of_their_rows(catalog):
    corpus = tiny.corpus("score")
    plan = resolve(Request("late-fusion-dnn"), catalog, corpus, None)
    split = plan.protocol.splits[0]
    fold = Fold(plan.streams, plan.task, split, plan.lexicon, plan.turns_N2)
    problem = build(plan, fold, 0, torch.device("cpu"))
    rows_B = torch.tensor([2, 0, 1])
    turns = problem.train.batch(rows_B).turns
    rows = fold.rows("train")[rows_B.numpy()]
    for i, row in enumerate(rows):
        same = np.flatnonzero(corpus.videos == corpus.videos[row])
        assert turns.turn_B[i] == sorted(corpus.turns_N2[same, 1]).index(corpus.turns_N2[row, 1])
        assert (turns.video_B == turns.video_B[i]).tolist() == [
            corpus.videos[other] == corpus.videos[row] for other in rows
        ]
    plain = Fold(plan.streams, plan.task, split, plan.lexicon)
    assert plain.data("train", problem.encoders, torch.device("cpu")).batch(rows_B).turns is None

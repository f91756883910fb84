"""What the tests of floors share: encoders that return what they are given, and made splits."""

import numpy as np
import torch

from merbench.api import (
    Batch,
    Steps,
    read_out,
)
from merbench.testing import tiny
from merbench_baselines.floors.majority import Majority
from merbench_baselines.floors.ridge import Ridge
from merbench_baselines.floors.svr import Svr
from merbench_baselines.floors.tfidf import TfidfRidge
from merbench_baselines.floors.zero_shot import ZeroShot


class Same(torch.nn.Module):
    """An encoder that returns what it is given."""

    frozen = True

    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, inputs):
        return inputs


class Embed(Same):
    """Word numbers -> their vectors."""

    def __init__(self, table_VD):
        super().__init__(table_VD.shape[1])
        self.table_VD = table_VD

    def forward(self, inputs):
        return Steps(self.table_VD[inputs.x_BLD[..., 0]], inputs.mask_BL)


class View:
    """A split of given inputs and targets."""

    def __init__(self, inputs, target, known=None, size=7):
        self.inputs, self.target, self.known, self.size = inputs, target, known, size

    def __len__(self):
        return len(self.target)

    def batches(self, size=256):
        for rows in torch.arange(len(self)).split(self.size):
            inputs = {m: Steps(s.x_BLD[rows], s.mask_BL[rows]) for m, s in self.inputs.items()}
            yield Batch(
                rows, inputs, self.target[rows], None if self.known is None else self.known[rows]
            )


def features(size, seed, missing=()):
    return {
        "text": tiny.steps(size, 5, 6, seed=seed),
        "audio": tiny.steps(size, 3, 4, seed=seed + 50, missing=missing),
    }


def words(size, seed, longest=8):
    draw = torch.Generator().manual_seed(seed)
    mask_BL = torch.arange(longest) < torch.randint(0, longest + 1, (size, 1), generator=draw)
    return {
        "text": Steps(torch.randint(len(tiny.VOCAB), (size, longest, 1), generator=draw), mask_BL)
    }


def views(kind, make, sizes=(40, 20), **more):
    space = tiny.SPACES[kind]
    return [View(make(n, i, **more), tiny.targets(space, n, seed=i)) for i, n in enumerate(sizes)]


def predict(model, view):
    with torch.no_grad():
        return torch.cat([read_out(model(b).logits_BC, model.space) for b in view.batches()])


def floors(kind):
    """Each floor, unfitted, with its train and valid views."""
    context = tiny.context(kind)
    table_VD = torch.from_numpy(context.lexicon.table(tiny.VOCAB)[0])
    pooled, text = {"text": Same(6), "audio": Same(4)}, {"text": Same(1)}
    return {
        "majority": (
            lambda: Majority(Majority.Config(), context, {}),
            *views(kind, lambda n, i: {}),
        ),
        "ridge": (
            lambda: Ridge(Ridge.Config(), context, pooled),
            *views(kind, features, missing=[1, 2]),
        ),
        "svr": (
            lambda: Svr(Svr.Config(penalties=(1.0,), weigh_modalities=False), context, pooled),
            *views(kind, features, missing=[1, 2]),
        ),
        "tfidf-ridge": (
            lambda: TfidfRidge(TfidfRidge.Config(), context, text),
            *views(kind, words),
        ),
        "zero-shot": (
            lambda: ZeroShot(ZeroShot.Config(text="gloss"), context, {"text": Embed(table_VD)}),
            *views(kind, words),
        ),
    }


def pooled_by_loop(view):
    rows = []
    for i in range(len(view)):
        row = []
        for steps in view.inputs.values():
            x_LD = steps.x_BLD[i][steps.mask_BL[i]].numpy()
            zero = np.zeros(steps.x_BLD.shape[2])
            row += (
                [x_LD.mean(0), x_LD.max(0), x_LD.min(0), [0.0]]
                if len(x_LD)
                else [zero, zero, zero, [1.0]]
            )
        rows.append(np.concatenate(row))
    return np.array(rows, dtype=np.float64)


def standardised_by_loop(train, valid):
    x, v = pooled_by_loop(train), pooled_by_loop(valid)
    deviation = np.where(x.std(0) < 1e-9, np.inf, x.std(0))
    return (x - x.mean(0)) / deviation, (v - x.mean(0)) / deviation


def tokens(view):
    return [
        [str(w) for w in s[m].tolist()]
        for s, m in zip(view.inputs["text"].x_BLD[..., 0], view.inputs["text"].mask_BL, strict=True)
    ]

"""What the floors share: learned buffers, and a score, class or multilabel task (or two at once) as
least squares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Batch, Config, Context, Encoder, LabelSpace, Modality, SplitView, task_loss


class Floor(nn.Module):
    """A model fitted in closed form. What it learns are the buffers named in ``learned``; their
    shapes come with a loaded state.
    """

    learned: tuple[str, ...] = ()

    def __init__(
        self, config: Config, context: Context, encoders: Mapping[Modality, Encoder]
    ) -> None:
        super().__init__()
        self.config, self.space = config, context.space
        self.encoders = nn.ModuleDict(encoders)
        for name in self.learned:
            self.register_buffer(name, torch.empty(0))

    def keep(self, **tensors: Tensor) -> None:
        """Store learned tensors (floats in single precision) where the buffers are."""
        for name, tensor in tensors.items():
            value = tensor.float() if tensor.is_floating_point() else tensor
            setattr(self, name, value.to(getattr(self, name).device))

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *arguments: Any) -> None:
        for name in self.learned:
            if (saved := state.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(saved, device=getattr(self, name).device))
        super()._load_from_state_dict(state, prefix, *arguments)


class Strengths(Config):
    """A logarithmic grid of ridge penalties, of which validation chooses."""

    low: Annotated[float, Field(gt=0)] = 0.1
    """Lowest penalty of the grid."""
    high: Annotated[float, Field(gt=0)] = 1e5
    """Highest penalty of the grid."""
    count: Annotated[int, Field(ge=1)] = 13
    """Number of penalties tried, at equal steps of their logarithm; 1 = ``low`` alone."""

    def grid(self) -> Tensor:
        """[A] float64."""
        return torch.logspace(
            *torch.tensor([self.low, self.high]).log10().tolist(), self.count, dtype=torch.float64
        )


def whole(view: SplitView) -> Batch:
    """The targets of a split as one batch (without inputs)."""
    return joined([without_inputs(batch) for batch in view.batches()])


def without_inputs(batch: Batch) -> Batch:
    """What need not be kept of a batch that was read, the larger part, is left out."""
    return replace(batch, inputs={})


def joined(batches: Sequence[Batch]) -> Batch:
    """The targets of all, as one batch."""
    known = None if batches[0].known is None else torch.cat([b.known for b in batches])
    return Batch(
        torch.cat([b.ids_B for b in batches]), {}, torch.cat([b.target for b in batches]), known
    )


def goals(rows: Batch, space: LabelSpace) -> Tensor:
    """[N, C] float64, what least squares aims at: the score, or 1 for a label that is there and 0
    for one that is not.

    An unobserved cell takes the mean of its column, so that it pulls nowhere. Of two tasks at once:
    C columns of the score and the labels.
    """
    if space.kind == "class":
        return torch.nn.functional.one_hot(rows.target, len(space.words)).double()
    y_NC = rows.target.double().reshape(len(rows), -1)
    if rows.known is None:
        return y_NC
    known_NC = rows.known.reshape(y_NC.shape)
    observed_NC = torch.where(known_NC, y_NC, 0.0)
    mean_C = observed_NC.sum(0) / known_NC.sum(0).clamp(min=1)
    return torch.where(known_NC, observed_NC, mean_C)


SCALES = torch.logspace(-0.5, 2, 11, dtype=torch.float64)


def logits_of(p_NC: Tensor, scale: Tensor | float, space: LabelSpace) -> Tensor:
    """Least-squares output as logits: the value of a score; else scale * (p - 1/2), kept within 30,
    so that p > 1/2 says yes.
    """
    logits = [
        p if task.kind == "score" else ((p - 0.5) * scale).clamp(-30, 30)
        for task, p in zip(space.tasks, space.split_logits(p_NC), strict=True)
    ]
    return torch.cat(logits, 1)


class Choice(NamedTuple):
    """``which`` of several fits, the ``scale`` of its logits, and its loss."""

    which: int
    scale: float
    loss: float


def choose(p_ANC: Tensor, rows: Batch, space: LabelSpace) -> Choice:
    """The one of A with the lowest task loss on ``rows``: mean absolute error of a score, log loss
    of labels.
    """
    scales = [1.0] if space.kind == "score" else SCALES.tolist()
    target = rows.target if space.kind == "class" else rows.target.double()

    def loss(column: int, scale: float) -> float:
        terms = task_loss(logits_of(p_ANC[column], scale, space), target, rows.known, space)
        return float(sum(terms.values()))

    choices = (Choice(a, s, loss(a, s)) for a in range(len(p_ANC)) for s in scales)
    return min(choices, key=lambda choice: choice.loss)


def ridge(gram: Tensor, y_MC: Tensor, alphas: Tensor) -> Tensor:
    """[A, M, C]: (gram + alpha I)^-1 y for every alpha, from one eigendecomposition of the
    symmetric ``gram`` [M, M].
    """
    value_M, basis_MM = torch.linalg.eigh(gram)
    shrunk_AM = 1 / (value_M.clamp(min=0) + alphas[:, None])
    return basis_MM @ (shrunk_AM[..., None] * (basis_MM.T @ y_MC))

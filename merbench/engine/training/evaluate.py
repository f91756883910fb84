"""Predictions over a whole split, in its order: nothing shuffled, no last batch dropped."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import torch
from torch import nn

from merbench.api import LabelSpace, RunError
from merbench.engine.model.contract import output
from merbench.engine.model.contract import predictions as predictions_of
from merbench.engine.rows.splits import SplitData


@torch.no_grad()
def predict(
    model: nn.Module,
    split: SplitData,
    space: LabelSpace,
    batch_size: int = 256,
    by_length: bool = False,
) -> np.ndarray:
    """What is read out for all rows, float64: [N] of a score, else [N, C]. RunError where a
    prediction is not finite.

    Always in fp32, whatever precision trains. Where memory does not suffice, the batches get
    smaller: predictions do not depend on them, nor (but for rounding) on ``by_length``, which puts
    rows of like length together. A split without rows has none, and the model is not asked.
    """
    if not len(split):
        return np.empty((0,) if space.kind == "score" else (0, space.logit_count))
    was_training = model.training
    model.eval()
    batches: list[tuple[torch.Tensor, torch.Tensor]] = []
    while not batches:
        try:
            batches = [
                (batch.ids_B.cpu(), predictions_of(model, output(model, batch), space).cpu())
                for batch in split.batches(batch_size, by_length)
            ]
        except torch.OutOfMemoryError:
            if batch_size == 1:
                raise
            batch_size //= 2
    model.train(was_training)
    rows_N, values = (torch.cat(parts) for parts in zip(*batches, strict=True))
    if len(values) != len(split):
        raise RunError(f"the model returned {len(values)} predictions for {len(split)} rows")
    predictions = values[rows_N.argsort()].double().numpy()
    require_finite_predictions(predictions)
    return predictions


def require_finite_predictions(predictions: np.ndarray) -> None:
    """RunError where one is not."""
    if not np.isfinite(predictions).all():
        raise RunError(
            f"{(~np.isfinite(predictions)).sum()} predictions are not finite; "
            "lower train.lr or set train.clip_norm"
        )


def weights_digest(model: nn.Module, without: tuple[str, ...] = ()) -> str:
    """SHA-256 over every parameter and buffer, by name; ``without`` those whose names begin so."""
    digest = sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if name.startswith(without):
            continue
        digest.update(name.encode() + str(tensor.dtype).encode())
        digest.update(
            tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()

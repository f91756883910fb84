"""An exponential moving average of a model's weights: what is scored, and the teacher of objectives
that need one.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


class MovingAverage:
    """``model`` is a copy of the trained one, in evaluation mode, which follows it by ``decay`` a
    step. Parameters that are not trained are shared with it: towers are large.
    """

    def __init__(self, trained: nn.Module, decay: float) -> None:
        frozen = {id(p): p for p in trained.parameters() if not p.requires_grad}
        self.model = copy.deepcopy(trained, frozen)
        self.model.eval().requires_grad_(False)
        # The copies of what is trained; what is frozen was so before, in both.
        pairs = zip(trained.parameters(), self.model.parameters(), strict=True)
        self.followed = [(source, averaged) for source, averaged in pairs if source is not averaged]
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self, trained: nn.Module) -> None:
        """After an optimiser step. The first takes the weights as they are."""
        sources: list[Tensor] = [parameter for parameter, _ in self.followed]
        averages: list[Tensor] = [parameter for _, parameter in self.followed]
        if self.updates and averages:
            torch._foreach_lerp_(averages, sources, 1 - self.decay)
        elif averages:
            torch._foreach_copy_(averages, sources)
        for our_buffer, their_buffer in zip(self.model.buffers(), trained.buffers(), strict=True):
            our_buffer.copy_(their_buffer)
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        return {
            "updates": self.updates,
            "followed": [ours for _, ours in self.followed],
            "buffers": dict(self.model.named_buffers()),
        }

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.updates = state["updates"]
        for (_, ours), saved in zip(self.followed, state["followed"], strict=True):
            ours.copy_(saved)
        for name, buffer in self.model.named_buffers():
            buffer.copy_(state["buffers"][name])


def changing(trained: nn.Module, scored: nn.Module | None = None) -> dict[str, Tensor]:
    """The state without parameters that are never trained; of ``scored``, its moving average, where
    one is given.
    """
    state = trained.state_dict(keep_vars=True)
    names = [
        name
        for name, tensor in state.items()
        if tensor.requires_grad or not isinstance(tensor, nn.Parameter)
    ]
    if scored is None or scored is trained:
        return {name: state[name] for name in names}
    tensors: dict[str, Tensor] = dict(scored.named_parameters(remove_duplicate=False))
    tensors |= dict(scored.named_buffers(remove_duplicate=False))
    return {name: tensors[name] for name in names}

"""The models of several seeds as one: their parameters stacked, one pass for all of them
(torch.func).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from merbench.api import (
    Batch,
    LabelSpace,
    Progress,
    Stage,
    TrainConfig,
    Turns,
    read_out,
)
from merbench.api.first_line import first_line
from merbench.engine.model.contract import output, terms
from merbench.engine.rows.splits import SplitData
from merbench.engine.training.optimise import make_optimiser, make_schedule
from merbench.engine.training.passes import evaluate_untrained
from merbench.engine.training.stacked.dropout import own_draws


class CannotStackError(Exception):
    """Why these models must be trained one by one."""


class Together(nn.Module):
    """A model and its objectives as one function: a batch -> the terms of its loss, or with ``at``
    None its logits.
    """

    def __init__(self, model: nn.Module, objectives: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.model, self.objectives = model, nn.ModuleDict(objectives)

    def forward(self, batch: Batch, at: Progress | None) -> Any:
        out = output(self.model, batch)
        return (
            out.logits_BC
            if at is None
            else terms(self.objectives.items(), self.model, batch, out, at)
        )


class StackedModules:
    """S modules as one: what is trained in them, or differs, is stacked; the rest is the first
    one's.
    """

    def __init__(
        self,
        modules: Sequence[Together],
        config: TrainConfig,
        stage: Stage,
        updates: int,
        device: torch.device,
    ) -> None:
        self.module, self.config = modules[0], config
        self.draws = [torch.Generator(device) for _ in modules]
        tensors_by_seed = [
            {**dict(m.named_parameters()), **dict(m.named_buffers())} for m in modules
        ]
        self.tensors = {
            name: torch.stack(
                [tensors[name].detach() for tensors in tensors_by_seed]
            ).requires_grad_(first.requires_grad)
            for name, first in tensors_by_seed[0].items()
            if first.requires_grad
            or not all(torch.equal(first, tensors[name]) for tensors in tensors_by_seed[1:])
        }
        optimiser = make_optimiser(
            self.module.model, dict(self.module.objectives.items()), config, stage.trains
        )
        if optimiser is None:
            raise CannotStackError("there is nothing to train")
        # Of a stage that trains a part of the model, whose other modules do not drop out.
        trained = [id(p) for group in optimiser.param_groups for p in group["params"]]
        self.trained_ids = set(trained) if stage.trains else None
        stacked = {
            id(p): self.tensors[name]
            for name, p in self.module.named_parameters()
            if name in self.tensors
        }
        for group in optimiser.param_groups:
            group["params"] = [stacked[id(p)] for p in group["params"]]
        self.optimiser, self.schedule = optimiser, make_schedule(optimiser, config, updates)
        self.trained: list[Tensor] = [
            p for group in optimiser.param_groups for p in group["params"]
        ]
        self.mixed = torch.autocast(
            device.type, dtype=torch.bfloat16, enabled=config.precision == "bf16"
        )

    def try_out(self, train: SplitData, valid: SplitData, space: LabelSpace) -> None:
        """One step's gradients and one scoring, of which nothing stays. CannotStackError where that
        cannot be done for all at once.
        """
        for module in self.module.modules():
            # What torch says of these names neither them nor stacking.
            if isinstance(module, nn.RNNBase | nn.LSTMCell):
                kind = type(module).__name__
                raise CannotStackError(f"torch.func has no rule for its {kind}")
        initial_tensors = {name: tensor.detach().clone() for name, tensor in self.tensors.items()}
        try:
            self.sizes = _sizes(train)
            rows_SB = torch.arange(min(4, len(train))).expand(len(self.draws), -1)
            sum(
                term_S.sum()
                for term_S in self._terms(train, rows_SB, Progress(0, 1, 0, 1, "")).values()
            ).backward()  # type: ignore[union-attr]
            self.predict(valid, space)
        # What torch.func raises for what it has no rule for, be it an operator, a branch on data or
        # a random draw.
        except (RuntimeError, ValueError, TypeError) as error:
            reason = first_line(error).partition(". ")[0]
            raise CannotStackError(f"its modules cannot be stacked ({reason})") from error
        finally:
            self.optimiser.zero_grad(set_to_none=True)
            with torch.no_grad():
                for name, tensor in self.tensors.items():
                    tensor.copy_(initial_tensors[name])

    def train(self, train: SplitData, order_SN: Tensor, at: Progress) -> dict[str, Tensor]:
        """One pass over the train rows in each seed's own order; the mean of each loss term [S]."""
        sums: dict[str, Tensor] = {}
        self.module.train()
        if self.trained_ids is not None:
            evaluate_untrained(self.module.model, self.trained_ids)
        for step, rows_SB in enumerate(order_SN.split(self.config.batch_size, 1)):
            with self.mixed:
                terms = self._terms(train, rows_SB, at._replace(step=step))
            # Seeds share nothing that is trained, so the sum's gradients are each one's own.
            torch.stack(list(terms.values())).sum().backward()
            for name, term_S in terms.items():
                sums[name] = sums.get(name, 0.0) + term_S.detach() * rows_SB.shape[1]
            if self.config.clip_norm:
                self._clip(self.config.clip_norm)
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)
            if self.schedule:
                self.schedule.step()
        return {name: (sum_S / order_SN.shape[1]).cpu() for name, sum_S in sums.items()}

    def _clip(self, most: float) -> None:
        """``clip_grad_norm_`` for each seed."""
        grads = [p.grad for p in self.trained if p.grad is not None]
        norm_S = torch.stack([grad.reshape(len(grad), -1).norm(dim=1) for grad in grads]).norm(
            dim=0
        )
        factor_S = (most / (norm_S + 1e-6)).clamp(max=1.0)
        for grad in grads:
            grad.mul_(factor_S.view(-1, *[1] * (grad.ndim - 1)))

    @torch.no_grad()
    def predict(self, split: SplitData, space: LabelSpace) -> Tensor:
        """[S, N] or [S, N, C] on the CPU."""
        self.module.eval()
        predictions = []
        for batch in split.batches():
            logits_SBC = self._call(batch, None, None)
            predictions.append(
                torch.stack([read_out(logits_BC.float(), space) for logits_BC in logits_SBC]).cpu()
            )
        return torch.cat(predictions, 1)

    def state(self, position: int) -> dict[str, Tensor]:
        """One seed's part."""
        return {name: tensor[position].detach() for name, tensor in self.tensors.items()}

    def state_of_all(self, modules: Sequence[Together]) -> dict[str, Any]:
        """What ``load`` reads. ``modules`` hold each seed's best weights."""
        return {
            "best_states": [
                {k: t for k, t in m.state_dict().items() if k in self.tensors} for m in modules
            ],
            "tensors": self.tensors,
            "draws": [draw.get_state() for draw in self.draws],
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule else None,
        }

    def load(self, saved: dict[str, Any], modules: Sequence[Together]) -> None:
        """Continue where ``saved`` was made."""
        for module, state in zip(modules, saved["best_states"], strict=True):
            module.load_state_dict(state, strict=False)
        self.keep(saved["alive"])
        with torch.no_grad():
            for name, tensor in saved["tensors"].items():
                self.tensors[name].copy_(tensor)
        for draw, state in zip(self.draws, saved["draws"], strict=True):
            draw.set_state(state)
        self.optimiser.load_state_dict(saved["optimiser"])
        if self.schedule:
            self.schedule.load_state_dict(saved["schedule"])

    def keep(self, positions: Sequence[int]) -> None:
        """Continue with these seeds alone."""
        if len(positions) == len(self.draws):
            return
        self.draws = [self.draws[position] for position in positions]
        for tensor in self.tensors.values():
            tensor.data = tensor.data[list(positions)]
        for moments in self.optimiser.state.values():
            for name, value in moments.items():
                if isinstance(value, Tensor) and value.ndim:
                    moments[name] = value[list(positions)]

    def _terms(self, split: SplitData, rows_SB: Tensor, at: Progress) -> dict[str, Tensor]:
        batch = split.batch(rows_SB.flatten())

        def apart(tensor: Tensor) -> Tensor:
            return tensor.reshape(*rows_SB.shape, *tensor.shape[1:])

        leaves, shape = tree_flatten(dict(batch.inputs))
        inputs = tree_unflatten(
            [apart(_padded(leaf, size)) for leaf, size in zip(leaves, self.sizes, strict=True)],
            shape,
        )
        known = None if batch.known is None else apart(batch.known)
        turns = None if batch.turns is None else Turns(*map(apart, batch.turns))
        parts = Batch(apart(batch.ids_B), inputs, apart(batch.target), known, turns=turns)
        terms: dict[str, Tensor] = self._call(parts, at, 0)
        return terms

    def _call(self, batch: Batch, at: Progress | None, dim: int | None) -> Any:
        """The module for every seed. ``dim`` 0: each has its own rows; None: all have the same."""

        def one(
            tensors: dict[str, Tensor],
            seed: Tensor,
            ids_B: Tensor,
            inputs: Any,
            target: Tensor,
            known: Tensor | None,
            turns: Turns | None,
        ) -> Any:
            rows = Batch(ids_B, inputs, target, known, turns=turns)
            with own_draws(seed, self.draws):
                return functional_call(self.module, tensors, (rows, at))

        optional = (batch.known, batch.turns)
        dims = (0, 0, dim, dim, dim, *(None if part is None else dim for part in optional))
        seed_S = torch.arange(len(self.draws), device=batch.target.device)
        return vmap(one, dims, randomness="error")(
            self.tensors, seed_S, batch.ids_B, dict(batch.inputs), batch.target, *optional
        )


def _sizes(split: SplitData) -> list[int]:
    """Of each tensor in the split's inputs the most that its second dimension comes to."""
    by_seed = [
        [_second(leaf) for leaf in tree_leaves(dict(batch.inputs))] for batch in split.batches()
    ]
    return [max(sizes) for sizes in zip(*by_seed, strict=True)]


def _second(leaf: Any) -> int:
    if not isinstance(leaf, Tensor):
        raise TypeError("its encoders read something else than tensors")
    return leaf.shape[1] if leaf.ndim > 1 else 0


def _padded(tensor: Tensor, size: int) -> Tensor:
    """With zeros: steps that a mask does not count."""
    lacking = size - _second(tensor)
    return F.pad(tensor, (*[0, 0] * (tensor.ndim - 2), 0, lacking)) if lacking else tensor

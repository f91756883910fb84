"""Seeds of one spec trained together: their parameters stacked, one pass of the model for all of
them (torch.func).

Each seed keeps its own order, dropout and early stopping, and batches are padded to the longest row
there is: what a seed learns does not depend on its company, but for rounding. Its losses are those
of training alone; its dropout masks too, where all rows are equally long.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
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
    RunError,
    Stage,
    TrainConfig,
    Turns,
    own_method,
    read_out,
)
from merbench.engine.model.contract import output, terms
from merbench.engine.plan.stages import settings_of
from merbench.engine.rows.splits import SplitData
from merbench.engine.training.checkpoint import Checkpoint
from merbench.engine.training.evaluate import require_finite_predictions
from merbench.engine.training.optimise import make_optimiser, make_schedule
from merbench.engine.training.selection import Score, require_finite_losses
from merbench.engine.training.train import Fitted
from merbench.results.metrics import BUILT_IN, TaskMetrics
from merbench.results.seeds import derive


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


def fit_stacked(
    modules: Sequence[Together],
    train: SplitData,
    valid: SplitData,
    *,
    space: LabelSpace,
    config: TrainConfig,
    stages: Sequence[Stage],
    thresholds: str,
    seeds: Sequence[int],
    fold: int | None,
    watch: Callable[[int, dict[str, Any]], None],
    checkpoint: Checkpoint | None = None,
    metrics: TaskMetrics | None = None,
) -> list[Fitted | RunError]:
    """What ``fit`` does, for one module a seed; for a seed that fails, its error.

    CannotStackError, with the reason in a sentence, before any weight has changed. A state that
    ``checkpoint`` holds must be of ``seeds``.
    """
    _refuse(modules[0], config, stages)
    (stage,) = stages
    config = settings_of(stage, config)
    epochs = config.epochs if stage.epochs is None else stage.epochs
    score = Score(valid, metrics or BUILT_IN.of(space), config.select, thresholds)
    batches = math.ceil(len(train) / config.batch_size)
    stack = _Stack(modules, config, stage, batches * epochs, train.device)
    stack.try_out(train, valid, space)
    stack.draws = [
        torch.Generator(train.device).manual_seed(derive(seed, "dropout", fold)) for seed in seeds
    ]

    results: list[Fitted | RunError] = [Fitted() for _ in seeds]
    best, waited = [-math.inf] * len(seeds), [0] * len(seeds)
    alive = list(range(len(seeds)))
    saved = checkpoint.load() if checkpoint else None
    first = 0
    if saved and checkpoint:
        with checkpoint.resuming():
            results = [
                RunError(kept) if isinstance(kept, str) else Fitted(**kept)
                for kept in saved["fitted"]
            ]
            best, waited, alive = saved["best"], saved["waited"], saved["alive"]
            stack.load(saved, modules)
            first = int(saved["epoch"])
    for epoch in range(first, epochs):
        if not alive:
            break
        draws = [
            torch.Generator().manual_seed(derive(seeds[i], "order", fold, stage.name, epoch))
            for i in alive
        ]
        order_SN = torch.stack([torch.randperm(len(train), generator=draw) for draw in draws])
        means = stack.train(train, order_SN, Progress(epoch, epochs, 0, batches, stage.name))
        predictions_SN = stack.predict(valid, space)
        staying = []
        for place, i in enumerate(alive):
            fitted, mine = (
                results[i],
                {name: float(mean_S[place]) for name, mean_S in means.items()},
            )
            assert isinstance(fitted, Fitted)
            predictions = predictions_SN[place].double().numpy()
            try:
                require_finite_losses(mine, epoch, stage.name)
                require_finite_predictions(predictions)
            except RunError as error:
                results[i] = error
                continue
            value = score.of(predictions)
            fitted.history.append(score.entry(stage.name, epoch, mine, value))
            watch(seeds[i], fitted.history[-1])
            if fitted.best_epoch is None or score.ranked(value) > best[i]:
                best[i], waited[i], fitted.best_epoch = score.ranked(value), 0, epoch
                modules[i].load_state_dict(stack.state(place), strict=False)
            else:
                waited[i] += 1
            if waited[i] < config.patience:
                staying.append(place)
        stack.keep(staying)
        alive = [alive[place] for place in staying]
        if checkpoint:
            state = {
                "seeds": seeds,
                "epoch": epoch + 1,
                "alive": alive,
                "best": best,
                "waited": waited,
                "fitted": [
                    str(r) if isinstance(r, RunError) else dataclasses.asdict(r) for r in results
                ],
            }
            checkpoint.save(partial(stack.where, state, modules))
    return results


def _refuse(module: Together, config: TrainConfig, stages: Sequence[Stage]) -> None:
    reasons = {
        "a recipe of several stages": len(stages) > 1 or not stages[0].selects,
        "train.schedule=plateau": config.schedule == "plateau",
        "train.ema": config.ema > 0,
        "train.by_length": config.by_length,
        "train.accumulate": config.accumulate > 1,
        "train.clip_value": config.clip_value > 0,
        "train.objective_schedules": bool(config.objective_schedules),
        "an objective that keeps state": any(
            hasattr(o, "after_batch") or hasattr(o, "after_step")
            for o in module.objectives.values()
        ),
        "a read-out of the model's own": own_method(module.model, "read_out") is not None,
    }
    if found := [reason for reason, there in reasons.items() if there]:
        raise CannotStackError(f"{found[0]} is for seeds that train alone")


class _Stack:
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
        each = [{**dict(m.named_parameters()), **dict(m.named_buffers())} for m in modules]
        self.tensors = {
            name: torch.stack([tensors[name].detach() for tensors in each]).requires_grad_(
                first.requires_grad
            )
            for name, first in each[0].items()
            if first.requires_grad
            or not all(torch.equal(first, tensors[name]) for tensors in each[1:])
        }
        optimiser = make_optimiser(
            self.module.model, dict(self.module.objectives.items()), config, stage.trains
        )
        if optimiser is None:
            raise CannotStackError("there is nothing to train")
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
        before = {name: tensor.detach().clone() for name, tensor in self.tensors.items()}
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
            reason = str(error).strip().splitlines()[0].partition(". ")[0]
            raise CannotStackError(f"its modules cannot be stacked ({reason})") from error
        finally:
            self.optimiser.zero_grad(set_to_none=True)
            with torch.no_grad():
                for name, tensor in self.tensors.items():
                    tensor.copy_(before[name])

    def train(self, train: SplitData, order_SN: Tensor, at: Progress) -> dict[str, Tensor]:
        """One pass over the train rows in each seed's own order; the mean of each loss term [S]."""
        sums: dict[str, Tensor] = {}
        self.module.train()
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
        made = []
        for batch in split.batches():
            logits_SBC = self._call(batch, None, None)
            made.append(
                torch.stack([read_out(logits_BC.float(), space) for logits_BC in logits_SBC]).cpu()
            )
        return torch.cat(made, 1)

    def state(self, place: int) -> dict[str, Tensor]:
        """One seed's part."""
        return {name: tensor[place].detach() for name, tensor in self.tensors.items()}

    def where(self, so_far: Mapping[str, Any], modules: Sequence[Together]) -> dict[str, Any]:
        """Everything that the next epoch depends on. ``modules`` hold each seed's best weights."""
        return {
            **so_far,
            "best_states": [
                {k: t for k, t in m.state_dict().items() if k in self.tensors} for m in modules
            ],
            "tensors": self.tensors,
            "draws": [draw.get_state() for draw in self.draws],
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule else None,
        }

    def load(self, saved: dict[str, Any], modules: Sequence[Together]) -> None:
        """Go on where ``saved`` was made."""
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

    def keep(self, places: Sequence[int]) -> None:
        """Go on with these seeds alone."""
        if len(places) == len(self.draws):
            return
        self.draws = [self.draws[place] for place in places]
        for tensor in self.tensors.values():
            tensor.data = tensor.data[list(places)]
        for moments in self.optimiser.state.values():
            for name, value in moments.items():
                if isinstance(value, Tensor) and value.ndim:
                    moments[name] = value[list(places)]

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
            with _own_draws(seed, self.draws):
                return functional_call(self.module, tensors, (rows, at))

        optional = (batch.known, batch.turns)
        dims = (0, 0, dim, dim, dim, *(None if part is None else dim for part in optional))
        seed_S = torch.arange(len(self.draws), device=batch.target.device)
        return vmap(one, dims, randomness="error")(
            self.tensors, seed_S, batch.ids_B, dict(batch.inputs), batch.target, *optional
        )


def _sizes(split: SplitData) -> list[int]:
    """Of each tensor in the split's inputs the most that its second dimension comes to."""
    each = [
        [_second(leaf) for leaf in tree_leaves(dict(batch.inputs))] for batch in split.batches()
    ]
    return [max(sizes) for sizes in zip(*each, strict=True)]


def _second(leaf: Any) -> int:
    if not isinstance(leaf, Tensor):
        raise TypeError("its encoders read something else than tensors")
    return leaf.shape[1] if leaf.ndim > 1 else 0


def _padded(tensor: Tensor, size: int) -> Tensor:
    """With zeros: steps that a mask does not count."""
    lacking = size - _second(tensor)
    return F.pad(tensor, (*[0, 0] * (tensor.ndim - 2), 0, lacking)) if lacking else tensor


class _Dropout(torch.autograd.Function):
    """Dropout under vmap, with a generator a seed: torch's own draws one mask for all, or from one
    generator for all.
    """

    @staticmethod
    def forward(x: Tensor, seed: Tensor, p: float, draws: Sequence[torch.Generator]) -> Tensor:
        raise RuntimeError("dropout of a seed that is not stacked")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, x: Tensor, seed: Tensor, p: float, draws: Sequence[torch.Generator]
    ) -> tuple[Tensor, int]:
        x = x.expand(info.batch_size, *x.shape) if in_dims[0] is None else x.movedim(in_dims[0], 0)
        keep = [
            torch.empty(x.shape[1:], dtype=x.dtype, device=x.device).bernoulli_(
                1 - p, generator=draw
            )
            for draw in draws
        ]
        return x * torch.stack(keep).div_(1 - p), 0


@contextmanager
def _own_draws(seed: Tensor, draws: Sequence[torch.Generator]) -> Iterator[None]:
    """``torch.nn.functional`` with each seed's own dropout, also in attention (whose fused kernels
    cannot be stacked).
    """
    dropout, attention, fast = (
        F.dropout,
        F.scaled_dot_product_attention,
        torch.backends.mha.get_fastpath_enabled(),
    )

    def drop(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        return _Dropout.apply(input, seed, p, draws) if training and p else input

    def attend(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        if is_causal or enable_gqa:
            raise RuntimeError("attention that is causal by itself or has grouped heads")
        score = (
            query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
        )
        if attn_mask is not None:
            score = (
                score.masked_fill(~attn_mask, -math.inf)
                if attn_mask.dtype == torch.bool
                else score + attn_mask
            )
        # Attention over nothing is 0, as torch's own has it; a softmax over nothing is NaN.
        nothing = score.isneginf().all(-1, keepdim=True)
        share = score.masked_fill(nothing, 0.0).softmax(-1).masked_fill(nothing, 0.0)
        return drop(share, dropout_p) @ value

    F.dropout, F.scaled_dot_product_attention = drop, attend
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        F.dropout, F.scaled_dot_product_attention = dropout, attention
        torch.backends.mha.set_fastpath_enabled(fast)

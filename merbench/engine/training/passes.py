"""One stage's passes over the train rows: its objectives, its optimiser, and what they change."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from merbench.api import Batch, Output, Progress, RunError, Stage, TrainConfig
from merbench.api.declarations.weight_schedule import factor_at
from merbench.engine.model.contract import output, terms
from merbench.engine.model.views import Transform, Views
from merbench.engine.model.weight_average import MovingAverage
from merbench.engine.rows.batches import of_like_length
from merbench.engine.rows.splits import SplitData
from merbench.engine.training.dropout import quick_dropout
from merbench.engine.training.optimise import clip_gradients, make_optimiser, make_schedule
from merbench.results.seeds import derive


@dataclass
class Learning:
    """What all stages of one run share. ``views``: name -> its transforms in turn.

    ``rows_at_once``: where memory did not suffice for a batch, how many of its rows go through the
    model at a time.
    """

    model: nn.Module
    objectives: Mapping[str, nn.Module]
    train: SplitData
    seed: int
    fold: int | None
    views: Mapping[str, Sequence[Transform]] = field(default_factory=dict)
    rows_at_once: int | None = None
    average: MovingAverage | None = None
    """Of the stage that is running."""

    @contextmanager
    def teaching(self) -> Iterator[None]:
        """In the block objectives find the average as ``model.teacher``."""
        # Past torch, which would make it a part of the model.
        object.__setattr__(self.model, "teacher", self.average.model if self.average else None)
        try:
            yield
        finally:
            del self.model.teacher


class Passes:
    """``optimiser`` is None where the stage has nothing to train."""

    def __init__(self, learning: Learning, config: TrainConfig, stage: Stage, epochs: int) -> None:
        self.learning, self.config, self.stage, self.epochs = learning, config, stage, epochs
        self.model, self.train = learning.model, learning.train
        self.objectives = objectives_of(stage, learning.objectives)
        self.optimiser = make_optimiser(self.model, self.objectives, config, stage.trains)
        if self.optimiser is None or not epochs:
            return
        self.batches = math.ceil(len(self.train) / config.batch_size)
        updates = math.ceil(self.batches / config.accumulate) * epochs
        self.schedule = make_schedule(self.optimiser, config, updates)
        self.trained = [p for group in self.optimiser.param_groups for p in group["params"]]
        self.mixed = torch.autocast(
            self.train.device.type, dtype=torch.bfloat16, enabled=config.precision == "bf16"
        )

    def parts(self) -> dict[str, Any]:
        """What has a state that a checkpoint keeps, by name."""
        part_by_name = {"optimiser": self.optimiser, "schedule": self.schedule}
        return {name: part for name, part in part_by_name.items() if part is not None}

    def run(self, epoch: int) -> dict[str, float]:
        """One pass over the train rows; the mean of each loss term."""
        batches = self._batches(epoch)
        sums: dict[str, Tensor] = {}
        self._set_modes()
        # Another stage may have left gradients where it did not train.
        self.optimiser.zero_grad(set_to_none=True)  # type: ignore[union-attr]
        for first in range(0, len(batches), self.config.accumulate):
            at = Progress(epoch, self.epochs, first, self.batches, self.stage.name)
            group = batches[first : first + self.config.accumulate]
            with self.learning.teaching(), quick_dropout(self.train.device):
                for name, term in self._gradients(at, group).items():
                    sums[name] = sums[name] + term if name in sums else term
                self._step(at._replace(step=first + len(group) - 1))
        return {name: float(value) / len(self.train) for name, value in sums.items()}

    def _batches(self, epoch: int) -> Sequence[Tensor]:
        draw = torch.Generator().manual_seed(self._derive("order", epoch))
        length_N = self.train.length_N if self.config.by_length else None
        if length_N is not None:
            return of_like_length(length_N, self.config.batch_size, draw)
        return list(torch.randperm(len(self.train), generator=draw).split(self.config.batch_size))

    def _derive(self, purpose: str, *numbers: object) -> int:
        learning = self.learning
        return derive(learning.seed, purpose, learning.fold, self.stage.name, *numbers)

    def _set_modes(self) -> None:
        """Training mode, but for modules that have parameters and none that this stage trains."""
        self.model.train()
        if self.stage.trains:
            evaluate_untrained(self.model, {id(parameter) for parameter in self.trained})

    def _gradients(self, at: Progress, group: Sequence[Tensor]) -> dict[str, Tensor]:
        """Those of the mean loss over the batches of ``group``. Where memory does not suffice, rows
        go through in smaller pieces.
        """
        while True:
            try:
                return self._backward(at, group)
            except torch.OutOfMemoryError:
                self._use_smaller_pieces()
            except RuntimeError as error:
                if self.config.precision == "fp32" or "primitive" not in str(error):
                    raise
                # oneDNN, on a CPU without arithmetic of that kind.
                reason = str(error).partition(". ")[0]
                raise RunError(
                    f"this processor has no bf16 for a part of the model ({reason}); "
                    "leave train.precision out"
                ) from error
            # Out here, where the failed pass no longer holds its tensors.
            self.optimiser.zero_grad(set_to_none=True)  # type: ignore[union-attr]
            torch.cuda.empty_cache()

    def _use_smaller_pieces(self) -> None:
        at_once = self.learning.rows_at_once or self.config.batch_size
        if at_once == 1:
            raise
        stateful = [name for name, o in self.objectives.items() if hasattr(o, "after_batch")]
        if stateful:
            raise RunError(
                f"out of memory with {at_once} rows at a time, and objective {stateful[0]} keeps "
                "state by batch, so that a batch cannot be cut into pieces; lower train.batch_size"
            ) from None
        self.learning.rows_at_once = at_once // 2

    def _backward(self, at: Progress, group: Sequence[Tensor]) -> dict[str, Tensor]:
        sums: dict[str, Tensor] = {}
        for offset, rows_B in enumerate(group):
            at_batch = at._replace(step=at.step + offset)
            for piece in rows_B.split(self.learning.rows_at_once or len(rows_B)):
                batch, out, losses = self.losses(piece, at_batch)
                loss = torch.stack(list(losses.values())).sum()
                if not loss.requires_grad:
                    raise RunError(
                        f"nothing that is trained takes part in {' + '.join(losses)}, "
                        f"the loss of stage {at.stage!r}"
                    )
                if len(piece) < len(rows_B):
                    loss = loss * (len(piece) / len(rows_B))
                (loss / len(group)).backward()
                for name, term in losses.items():
                    sums[name] = sums.get(name, 0.0) + term.detach() * len(piece)
            self._call("after_batch", batch, out, at_batch)
        return sums

    def losses(self, rows: Tensor, at: Progress) -> tuple[Batch, Output, dict[str, Tensor]]:
        """What the model makes of these train rows, and the loss terms of the stage."""
        batch = self.train.batch(rows)
        with self.mixed:
            out = output(self.model, batch)
            if self.learning.views:
                batch = dataclasses.replace(batch, views=self._views(out, rows, at))
            losses = terms(self.objectives.items(), self.model, batch, out, at)
            self._scale(losses, at)
        return batch, out, losses

    def _scale(self, losses: dict[str, Tensor], at: Progress) -> None:
        """By the schedules of the objectives that have one."""
        for objective, schedule in self.config.objective_schedules.items():
            factor = factor_at(schedule, at.share)
            for name in [name for name in losses if name.startswith(f"{objective}.")]:
                losses[name] = factor * losses[name]

    def _views(self, out: Output, rows: Tensor, at: Progress) -> Views:
        def seed_of(name: str) -> int:
            # A batch that was cut into pieces is one of several in its step.
            return self._derive("view", name, at.epoch, at.step, int(rows[0]))

        return Views(self.learning.views, out.steps, seed_of)

    def _step(self, at: Progress) -> None:
        assert self.optimiser is not None
        clip_gradients(self.trained, self.config)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.schedule:
            self.schedule.step()
        if self.learning.average and not self.stage.within:
            self.learning.average.update(self.model)
        self._call("after_step", at)

    @torch.no_grad()
    def _call(self, hook: str, *arguments: object) -> None:
        """``after_batch`` or ``after_step`` of the objectives that have it."""
        for objective in self.objectives.values():
            if method := getattr(objective, hook, None):
                method(self.model, *arguments)


def objectives_of(stage: Stage, objectives: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Those that ``stage`` learns from, by name."""
    return {
        name: objective
        for name, objective in objectives.items()
        if not stage.objectives or name in stage.objectives
    }


def evaluate_untrained(module: nn.Module, trained: set[int]) -> None:
    """Evaluation mode for modules that have parameters and none of ``trained``, which are ids."""
    for child in module.children():
        parameters = [id(parameter) for parameter in child.parameters()]
        if parameters and trained.isdisjoint(parameters):
            child.eval()
        else:
            evaluate_untrained(child, trained)

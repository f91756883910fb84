"""State: saved weights reproduce a method, and a killed run resumes to the same bits."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from merbench.api import Recipe
from merbench.engine.learn import learn
from merbench.engine.training.checkpoint import Checkpoint
from merbench.engine.training.evaluate import predict, weights_digest
from merbench.host.catalog import Catalog
from merbench.results.store.store import Store
from merbench.testing.recipes.trained import LastTrained, built, resolved, trained


def state_round_trips(recipe: Recipe, last: LastTrained) -> None:
    first, fold = last.of(recipe).problem, last.of(recipe).fold
    # Untrained, because what a closed form learns is the same for every seed.
    twin, _ = built(last.of(recipe).plan, seed=1)
    twin.model.load_state_dict(first.model.state_dict())
    a, b = (predict(p.model, p.valid, fold.space) for p in (first, twin))
    assert np.allclose(a, b, atol=1e-6), (
        "weights that were saved and loaded predict something else; "
        "what is learned is kept in buffers"
    )
    saved_ids = {id(tensor) for tensor in first.model.state_dict(keep_vars=True).values()}
    for modality, encoder in first.encoders.items():
        lost = [
            name
            for name, tensor in encoder.state_dict(keep_vars=True).items()
            if id(tensor) not in saved_ids
        ]
        assert not lost, (
            f"{lost[0]} of the {modality} encoder is not trained or saved; "
            "keep the encoders in a torch.nn.ModuleDict"
        )


class _Killed(BaseException):
    """What ends a run after its first epoch."""


def resumes(catalog: Catalog, recipe: Recipe) -> None:
    """State that a model or an objective keeps outside of parameters and buffers is lost here."""
    plan = resolved(catalog, recipe, train__patience=2)
    uninterrupted, _ = trained(plan)
    with TemporaryDirectory() as folder:
        store = Store(Path(folder))

        def checkpoint() -> Checkpoint:
            place = Checkpoint(store, "run", {})
            place.due = 0.0
            return place

        def kill(entry: object) -> None:
            raise _Killed

        first, fold = built(plan)
        entries: list[object] = []
        with suppress(_Killed):
            learn(
                plan,
                first,
                fold,
                0,
                lambda e: kill(e) if entries else entries.append(e),
                checkpoint(),
            )
        resumed, fold = built(plan)
        learn(plan, resumed, fold, 0, checkpoint=checkpoint())
    for name, (a, b) in {
        "model": (uninterrupted.model, resumed.model),
        **{o: (uninterrupted.objectives[o], resumed.objectives[o]) for o in resumed.objectives},
    }.items():
        assert weights_digest(a) == weights_digest(b), (
            f"a run that was killed after an epoch resumes to other weights of {name}: "
            "keep all state in parameters and buffers"
        )

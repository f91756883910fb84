"""Weights of finished runs, loaded into a model that has the same tensors, or some of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from itertools import accumulate
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from merbench.api import RequestError
from merbench.engine.plan.start_weights import Start
from merbench.results.records.sealed import DamagedError, check


def weights_of_run(start: Start, seed: int, fold: int | None) -> dict[str, Tensor]:
    """The weights for one run. RequestError where there are none, or they cannot be read."""
    path = place_of(start, seed, fold)
    try:
        check(path)
        return load_file(path)
    except (OSError, DamagedError, SafetensorError) as error:
        raise RequestError(
            f"the weights {path} cannot be read ({error}); run what made them again with --force"
        ) from error


def place_of(start: Start, seed: int, fold: int | None) -> Path:
    """The file of the weights for one run. A start without folds serves every fold. RequestError
    where there is none.
    """
    path = start.weights.get((seed, fold)) or start.weights.get((seed, None))
    if path is None:
        raise RequestError(_no_weights(start, seed, fold))
    return path


def _no_weights(start: Start, seed: int, fold: int | None) -> str:
    seeds = sorted({its_seed for its_seed, _ in start.weights})
    if seed in seeds:
        problem = "this run has none" if fold is None else f"there is no fold {fold} among them"
        return (
            f"the weights to start seed {seed} from are of folds, and {problem}; "
            "start from runs of the same protocol"
        )
    return (
        f"there are no weights to start seed {seed} from (seeds with weights: "
        f"{', '.join(map(str, seeds)) or 'none'}); train that run first"
    )


def load_matching(module: nn.Module, state: Mapping[str, Tensor]) -> set[str]:
    """Load what the module has by the same name and in the same shape; the names of these. The
    others stay as they are.
    """
    with suppress(RuntimeError):  # raised when all that fits is loaded
        module.load_state_dict(state, strict=False)
    # Only now: a vocabulary that comes with the state has decided shapes.
    return {
        name
        for name, tensor in module.state_dict().items()
        if name in state and state[name].shape == tensor.shape
    }


def load_start(model: nn.Module, state: Mapping[str, Tensor]) -> str:
    """Load ``state`` and say, in a sentence, which weights were not loaded or not used; empty where
    all were. RequestError where no matrix was.
    """
    loaded = load_matching(model, state)
    # What a closed form has learned are buffers.
    trained: dict[str, Tensor] = {
        name: p for name, p in model.named_parameters() if p.requires_grad
    }
    trained = trained or dict(model.named_buffers())
    if not any(name in loaded and p.ndim > 1 for name, p in trained.items()):
        raise RequestError(
            "none of the weights to start from has a place in this model, by its name and shape; "
            "start from runs of a model that shares "
            "parts with it, and of the same --modalities and settings"
        )
    not_loaded, unused = sorted(trained.keys() - loaded), sorted(state.keys() - loaded)
    if not not_loaded and not unused:
        return ""
    n_loaded = len(trained) - len(not_loaded)
    sentences = [f"{n_loaded} of {len(trained)} trained tensors were loaded from --init-from"]
    if not_loaded:
        modules = collapse_to_modules(not_loaded, model.state_dict())
        sentences.append(f"initialised as usual: {', '.join(modules)}")
    if unused:
        modules = collapse_to_modules(unused, state)
        sentences.append(f"ignored from the start weights: {', '.join(modules)}")
    return "; ".join(sentences)


def collapse_to_modules(names: Collection[str], all_names: Iterable[str]) -> list[str]:
    """``["head.weight", "head.bias"]`` of ``{"head.weight", "head.bias", "fusion.w"}`` ->
    ``["head"]``: a module all of whose tensors are named stands in their place.
    """
    prefixes_of_others: set[str] = set()
    for name in all_names:
        if name not in names:
            prefixes_of_others.update(_prefixes(name))
    shortest = [
        next(prefix for prefix in _prefixes(name) if prefix not in prefixes_of_others)
        for name in names
    ]
    return list(dict.fromkeys(shortest))


def _prefixes(name: str) -> list[str]:
    """``a.b.c`` -> ``["a", "a.b", "a.b.c"]``."""
    return list(accumulate(name.split("."), "{}.{}".format))

"""Where a run stands after an epoch, on disk: an interrupted run continues from there, to the same
bits.

One safetensors file: the tensors, and in its header the rest as JSON.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from merbench.api.first_line import first_line
from merbench.results.files import write_atomic
from merbench.results.records.sealed import check, seal
from merbench.results.spec import canonical
from merbench.results.store.store import Store

EVERY = 30.0
"""Seconds of training between two writings, at least."""
SHARE = 20
"""And at least so many times what the last writing took: it never costs more than a twentieth."""
UNUSABLE = (
    SafetensorError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    ArithmeticError,
    AssertionError,
)
"""What reading or taking over a state raises that is not what was saved."""


class StartAnewError(Exception):
    """The checkpoint was of no use and is set aside; models may hold half of it."""


class Checkpoint:
    """One run's file. ``identity``: what must be equal, beside the run, for the bits to be equal
    (source, versions, device, threads).

    ``spent``: seconds that the run had taken when it was interrupted. ``resumed`` is called with
    the state, once, when it is loaded.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        identity: Mapping[str, Any],
        resumed: Callable[[Mapping[str, Any]], object] = lambda state: None,
    ) -> None:
        self._resumed: Callable[[Mapping[str, Any]], object] | None = resumed
        self.store, self.path, self.identity = (
            store,
            store.checkpoint(run_id),
            {"run_id": run_id, **identity},
        )
        self.began = time.perf_counter()
        self.due, self.spent = self.began + EVERY, 0.0
        self._unproven = False

    def load(self) -> dict[str, Any] | None:
        """The state that was saved last; None where there is none, or none of use: then it is set
        aside.
        """
        try:
            check(self.path, needed=True)
            with safe_open(self.path, framework="pt") as file:
                header = file.metadata() or {}
                names = file.keys()  # no dict, so it cannot be iterated itself
                tensors = {name: file.get_tensor(name) for name in names}
            identity = json.loads(header["identity"])
            if identity != self.identity:
                differing_fields = sorted(
                    k
                    for k in {*identity, *self.identity}
                    if identity.get(k) != self.identity.get(k)
                )
                raise ValueError(f"its {', '.join(differing_fields)} is another than here")
            state: dict[str, Any] = _unpack(json.loads(header["state"]), tensors)
            self.spent = float(header["seconds"])
        except FileNotFoundError:
            return None
        except (*UNUSABLE, OSError) as error:
            self._reject(error)
            return None
        self._unproven = True
        if self._resumed:
            self._resumed(state)
            self._resumed = None
        return state

    @contextmanager
    def resuming(self) -> Iterator[None]:
        """Around what takes its state over. StartAnewError where something is missing or does not
        fit: the file is set aside, so that the run does not fail on it again.
        """
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except UNUSABLE as error:
            self._reject(error)
            raise StartAnewError from error

    def proving(self) -> AbstractContextManager[None]:
        """Around each epoch: what a state lacks may show only in the first one that follows it, in
        the optimiser say.
        """
        if not self._unproven:
            return nullcontext()
        self._unproven = False
        return self.resuming()

    def _reject(self, error: Exception) -> None:
        self.spent = 0.0
        reason = f"no {error}" if isinstance(error, KeyError) else first_line(error)
        self.store.reject(
            self.path,
            f"the run starts anew, because the checkpoint {self.path} cannot be used ({reason})",
        )

    def save(self, state: Callable[[], dict[str, Any]]) -> None:
        """Write it where it is time to. A disk that takes no more costs the checkpoint, not the
        run.
        """
        start = time.perf_counter()
        if start < self.due:
            return
        tensors: dict[str, Tensor] = {}
        header = {
            "identity": canonical(self.identity),
            "seconds": str(self.spent + start - self.began),
            "state": json.dumps(_pack(state(), tensors)),
        }
        try:
            self.store.require_same_folder()
            write_atomic(
                self.path, seal(lambda metadata: safetensors.torch.save(tensors, metadata), header)
            )
        except OSError as error:
            self.store.warnings.append(
                f"the checkpoint {self.path} could not be written ({error.strerror}); "
                "the run went on without"
            )
            self.due = float("inf")
            return
        end = time.perf_counter()
        self.due = end + max(EVERY, SHARE * (end - start))

    def remove(self) -> None:
        """The run is over."""
        self.path.unlink(missing_ok=True)


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """JSON in which dicts keep keys that are no strings, tuples stay tuples, and a tensor is its
    number in ``tensors``.
    """
    if isinstance(value, Tensor):
        name = str(len(tensors))
        # A copy, because tensors that share memory cannot be written.
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[key, _pack(item, tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_pack(item, tensors) for item in value]}
    return value


def _unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _unpack(item, tensors) for key, item in content}
    items = [_unpack(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items

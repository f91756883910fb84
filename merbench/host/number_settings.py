"""How torch and numpy compute, for all models of this process: a plugin may not change it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any


@contextlib.contextmanager
def number_settings_kept() -> Iterator[None]:
    """The type of new tensors, whether there are gradients, and what numpy does of an overflow are
    afterwards as before, or as the library has them where the block imported it. None is imported
    for this.
    """
    before = _number_settings()
    try:
        yield
    finally:
        for name, settings in _number_settings().items():
            _set(name, before.get(name) or _DEFAULTS[name], settings)


_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "torch": {"dtype": "float32", "gradients": True},
    "numpy": {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"},
}


def _number_settings() -> dict[str, Mapping[str, Any]]:
    """Of the libraries that are imported."""
    settings: dict[str, Mapping[str, Any]] = {}
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    # An import that was broken off leaves half a module.
    with contextlib.suppress(AttributeError):
        if numpy:
            settings["numpy"] = numpy.geterr()
        if torch:
            dtype = str(torch.get_default_dtype()).removeprefix("torch.")
            settings["torch"] = {"dtype": dtype, "gradients": torch.is_grad_enabled()}
    return settings


def _set(name: str, wanted: Mapping[str, Any], present: Mapping[str, Any]) -> None:
    if wanted == present:
        return
    module = sys.modules[name]
    if name == "numpy":
        module.seterr(**wanted)
    else:
        module.set_default_dtype(getattr(module, wanted["dtype"]))
        module.set_grad_enabled(wanted["gradients"])

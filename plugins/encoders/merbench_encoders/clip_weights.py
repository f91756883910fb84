"""CLIP weights of open_clip and what belongs to them, however they are named: by a tag, a file, a
folder, ``hf-hub:`` or ``local-dir:``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from merbench.api import RequestError
from merbench.api.did_you_mean import did_you_mean
from merbench_encoders.hub import hub_file, origin
from merbench_encoders.letter_case import LetterCase
from merbench_encoders.tower import TowerConfig, digest

HUB, FOLDER = "hf-hub:", "local-dir:"
DESCRIPTION = "open_clip_config.json"
"""What open_clip saves beside weights: ``model_cfg`` and ``preprocess_cfg``."""
_UNTRAINED = (None, "random")
_USUAL_NAMES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
"""Of one folder's weights the first of these is read, as open_clip does."""


class ClipConfig(TowerConfig):
    """Which CLIP."""

    model: str = "ViT-B-32"
    """An architecture of ``open_clip.list_models()``; or ``hf-hub:ORGANISATION/NAME`` or
    ``local-dir:FOLDER``, which bring architecture and weights.
    """
    pretrained: str | None = "openai"
    """A tag of ``open_clip.list_pretrained()``, a file (safetensors, or torch's with tensors only),
    a folder with one, or ``hf-hub:``; None or ``random`` = untrained. Where ``model`` brings
    weights, those are meant by ``openai``.
    """


class ClipTextConfig(ClipConfig):
    """Which CLIP, and how texts go into it."""

    lower: LetterCase = "auto"
    """Read in lower case, where its tokenizer distinguishes the cases; ``auto``: a text without a
    lower-case letter.
    """


class _Preprocess(BaseModel, strict=False):
    """Fields of open_clip's PreprocessCfg but the size of images, which belongs to the
    architecture; None: open_clip's own default.
    """

    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    interpolation: Literal["bicubic", "bilinear", "random"] | None = None
    resize_mode: Literal["shortest", "longest", "squash"] | None = None
    fill_color: int | None = None


@dataclass(frozen=True)
class Checkpoint:
    """Weights and what belongs to them. ``architecture``: as ``open_clip.create_model`` is given
    it. ``path`` None: untrained.

    ``preprocess``: fields of open_clip's PreprocessCfg (mean, std, interpolation, resize_mode) that
    differ from its defaults. ``quick_gelu``: the activation they were trained with. ``assumed``:
    nothing says either, and open_clip's defaults are taken. ``description``: the file that says
    them, where one does.
    """

    architecture: str
    path: Path | None = None
    quick_gelu: bool = False
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    assumed: bool = False
    description: Path | None = None


@cache
def lists() -> Any:
    """``open_clip.pretrained``: which weights there are. The rest of open_clip brings torchvision,
    timm and transformers along, which takes longer than a hub needs to answer; so this one module
    is imported under a package that is not executed, and then forgotten.
    """
    if "open_clip" not in sys.modules:
        spec = find_spec("open_clip")
        assert spec is not None  # this package depends on it
        sys.modules["open_clip"] = module_from_spec(spec)
        try:
            return import_module("open_clip.pretrained")
        finally:
            for name in [name for name in sys.modules if name.partition(".")[0] == "open_clip"]:
                del sys.modules[name]
    return import_module("open_clip.pretrained")


def architecture(config: ClipConfig, instead: str) -> dict[str, Any]:
    """The model's settings. Raises RequestError for an unknown model."""
    if is_place(config.model):
        folder = _folder(config.model, instead)
        model_cfg = _described(folder, instead).get("model_cfg")
        if not isinstance(model_cfg, dict) or not {"embed_dim", "vision_cfg", "text_cfg"} <= {
            *model_cfg
        }:
            raise RequestError(
                f"{folder / DESCRIPTION} does not describe an architecture (model_cfg with "
                f"embed_dim, vision_cfg and text_cfg); name one of open_clip's as model and give "
                f"pretrained={config.model}, or {instead}"
            )
        return model_cfg
    import open_clip  # see lists

    if config.model not in open_clip.list_models():
        advice = did_you_mean(
            config.model, open_clip.list_models(), "open_clip.list_models() names them", most=3
        )
        raise RequestError(f"open_clip has no model {config.model!r}; {advice}")
    return open_clip.get_model_config(config.model)


def checkpoint(config: ClipConfig, instead: str) -> Checkpoint:
    """What the two names stand for. Raises RequestError where it is out of reach."""
    if is_place(config.model):
        return _whole(config, instead)
    name = config.pretrained
    if name in _UNTRAINED:
        return Checkpoint(config.model)
    assert name is not None
    if is_place(name) or Path(name).expanduser().is_dir():
        folder = _folder(name, instead)
        belongings = _belongings(folder, instead)
        return Checkpoint(config.model, _weights(name, folder, instead), **belongings)
    path = Path(name).expanduser()
    if path.is_file():
        return Checkpoint(config.model, path, **_of_a_file(config.model, path, instead))
    return _tagged(config.model, name, instead)


def clip_digest(config: ClipConfig, instead: str) -> dict[str, str]:
    """Name -> SHA-256 of the weights and of what describes them; nothing for an untrained tower."""
    weights = checkpoint(config, instead)
    if weights.path is None:
        return {}
    files = [file for file in (weights.path, weights.description) if file]
    return {_title(config): digest(files)}


def clip_source(config: ClipConfig, instead: str) -> dict[str, str]:
    """Name, as in ``clip_digest`` -> where the weights come from."""
    weights = checkpoint(config, instead)
    if weights.path is None:
        return {}
    source = origin(weights.path)
    if weights.assumed:
        source += f"; no {DESCRIPTION} beside it: OpenAI's preprocessing and plain GELU assumed"
    return {_title(config): source}


def _title(config: ClipConfig) -> str:
    if config.model.startswith(HUB):
        return f"clip:{config.model}"
    if config.model.startswith(FOLDER):
        return f"clip:{FOLDER}{Path(config.model.removeprefix(FOLDER)).expanduser().resolve().name}"
    return f"clip:{config.model}:{Path(str(config.pretrained)).name}"


def is_place(name: str) -> bool:
    return name.startswith((HUB, FOLDER))


def _whole(config: ClipConfig, instead: str) -> Checkpoint:
    """Architecture and weights of one folder."""
    if config.pretrained not in (*_UNTRAINED, "openai"):
        raise RequestError(
            f"model={config.model} brings its own weights, and pretrained={config.pretrained} "
            "names others; leave one of them out"
        )
    architecture(config, instead)
    folder = _folder(config.model, instead)
    untrained = config.pretrained in _UNTRAINED
    weights = None if untrained else _weights(config.model, folder, instead)
    return Checkpoint(f"{FOLDER}{folder}", weights, **_belongings(folder, instead))


def _folder(name: str, instead: str) -> Path:
    """The folder that a name stands for, with its description there (a hub's: its snapshot)."""
    if name.startswith(HUB):
        repo = name.removeprefix(HUB).strip("/")
        wanted = f"{DESCRIPTION} of the CLIP {name}"
        return hub_file(repo, [DESCRIPTION], wanted, f"give {FOLDER}FOLDER, or {instead}").parent
    folder = Path(name.removeprefix(FOLDER)).expanduser()
    if not folder.is_dir():
        raise RequestError(
            f"there is no folder {folder}; name one with {DESCRIPTION} and weights, or {instead}"
        )
    return folder


def _weights(name: str, folder: Path, instead: str) -> Path:
    """The weights of a hub's model, or the ones that a folder holds."""
    if name.startswith(HUB):
        names = [lists().HF_SAFE_WEIGHTS_NAME, lists().HF_WEIGHTS_NAME]
        repo = name.removeprefix(HUB).strip("/")
        wanted = f"the file {' or '.join(names)} of the CLIP {name}"
        return hub_file(repo, names, wanted, f"give {FOLDER}FOLDER, or {instead}")
    for usual in _USUAL_NAMES:
        if (folder / usual).is_file():
            return folder / usual
    others = [p for end in ("safetensors", "bin", "pth", "pt") for p in folder.glob(f"*.{end}")]
    if len(others) != 1:
        several = ", ".join(sorted(path.name for path in others)[:3])
        raise RequestError(
            f"{folder} has {f'several files of weights ({several})' if others else 'no weights'}; "
            f"name one file as pretrained, or {instead}"
        )
    return others[0]


def _described(folder: Path, instead: str) -> dict[str, Any]:
    """``open_clip_config.json`` of a folder. Raises RequestError where it cannot be read."""
    path = folder / DESCRIPTION
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RequestError(
            f"{folder} has no {DESCRIPTION}, which says what belongs to CLIP weights; copy it from "
            f"where the weights come from, or {instead}"
        ) from None
    except (OSError, ValueError) as error:
        raise RequestError(
            f"{path} cannot be read ({error}); copy it again, or {instead}"
        ) from None
    if not isinstance(described, dict):
        raise RequestError(f"{path} holds no table of settings; copy it again, or {instead}")
    return described


def _belongings(folder: Path, instead: str) -> dict[str, Any]:
    """``quick_gelu``, ``preprocess`` and ``description`` of a Checkpoint. Older descriptions are
    the architecture alone, without a name around it.
    """
    described = _described(folder, instead)
    model_cfg = described.get("model_cfg", described)
    quick_gelu = isinstance(model_cfg, dict) and bool(model_cfg.get("quick_gelu", False))
    settings = described.get("preprocess_cfg") or {}
    try:
        return {
            "quick_gelu": quick_gelu,
            "preprocess": _of_images(settings),
            "description": folder / DESCRIPTION,
        }
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(("preprocess_cfg", *map(str, problem["loc"])))
        raise RequestError(
            f"{folder / DESCRIPTION}: {where}: {problem['msg'].lower()}; correct it, or {instead}"
        ) from None


def _of_images(settings: Any) -> dict[str, Any]:
    return _Preprocess.model_validate(settings).model_dump(exclude_none=True)


def _of_a_file(model: str, path: Path, instead: str) -> dict[str, Any]:
    """From the description beside it; else, of a file in the hub's cache, from the tag whose
    weights it is.
    """
    if path.with_name(DESCRIPTION).is_file():
        return _belongings(path.parent, instead)
    repo = origin(path).partition("@")[0]
    for tag in lists().list_pretrained_tags_by_model(model):
        known = lists().get_pretrained_cfg(model, tag)
        if known.get("hf_hub", "").rpartition("/")[0] == repo:
            return _of_a_tag(known)
    return {"assumed": True}


def _of_a_tag(known: Mapping[str, Any]) -> dict[str, Any]:
    quick_gelu = bool(known.get("quick_gelu", False))
    return {"quick_gelu": quick_gelu, "preprocess": _of_images(dict(known))}


def _tagged(model: str, tag: str, instead: str) -> Checkpoint:
    known = lists().get_pretrained_cfg(model, tag)
    if not known:
        architecture(ClipConfig(model=model), instead)
        tags = ", ".join(lists().list_pretrained_tags_by_model(model)) or "none"
        raise RequestError(
            f"pretrained={tag} is neither a file nor a tag of {model} (its tags: {tags}); "
            f"name one of them, or {instead}"
        )
    repo, _, file = known["hf_hub"].rpartition("/")
    names = [lists().HF_SAFE_WEIGHTS_NAME, lists().HF_WEIGHTS_NAME]
    if file:
        names = [Path(file).with_suffix(".safetensors").name, file]
    wanted = (
        f"the file {' or '.join(dict.fromkeys(names))} of the CLIP weights {model}:{tag} "
        f"(hub: {repo})"
    )
    path = hub_file(repo, names, wanted, f"give a file by pretrained=PATH, or {instead}")
    return Checkpoint(model, path, **_of_a_tag(known))

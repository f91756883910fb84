"""CLIP weights of open_clip and what belongs to them, however they are named: by a tag, a file, a
folder, ``hf-hub:`` or ``local-dir:``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

from merbench.api import RequestError
from merbench.api.did_you_mean import did_you_mean
from merbench_encoders.clip.config import FOLDER, HUB, UNTRAINED, ClipConfig, is_place
from merbench_encoders.clip.description import (
    DESCRIPTION,
    described_settings,
    image_settings,
    read_description,
)
from merbench_encoders.hub import hub_file, origin
from merbench_encoders.tower import digest

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
        model_cfg = read_description(folder, instead).get("model_cfg")
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
        return _folder_checkpoint(config, instead)
    name = config.pretrained
    if name in UNTRAINED:
        return Checkpoint(config.model)
    assert name is not None
    if is_place(name) or Path(name).expanduser().is_dir():
        folder = _folder(name, instead)
        settings = described_settings(folder, instead)
        return Checkpoint(config.model, _weights(name, folder, instead), **settings)
    path = Path(name).expanduser()
    if path.is_file():
        return Checkpoint(config.model, path, **_file_settings(config.model, path, instead))
    return _tag_checkpoint(config.model, name, instead)


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


def _folder_checkpoint(config: ClipConfig, instead: str) -> Checkpoint:
    """Architecture and weights of one folder."""
    if config.pretrained not in (*UNTRAINED, "openai"):
        raise RequestError(
            f"model={config.model} brings its own weights, and pretrained={config.pretrained} "
            "names others; leave one of them out"
        )
    architecture(config, instead)
    folder = _folder(config.model, instead)
    untrained = config.pretrained in UNTRAINED
    weights = None if untrained else _weights(config.model, folder, instead)
    return Checkpoint(f"{FOLDER}{folder}", weights, **described_settings(folder, instead))


def _folder(name: str, instead: str) -> Path:
    """The folder that a name stands for, with its description there (a hub's: its snapshot)."""
    if name.startswith(HUB):
        repo = name.removeprefix(HUB).strip("/")
        sought = f"{DESCRIPTION} of the CLIP {name}"
        return hub_file(repo, [DESCRIPTION], sought, f"give {FOLDER}FOLDER, or {instead}").parent
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
        sought = f"the file {' or '.join(names)} of the CLIP {name}"
        return hub_file(repo, names, sought, f"give {FOLDER}FOLDER, or {instead}")
    for usual in _USUAL_NAMES:
        if (folder / usual).is_file():
            return folder / usual
    suffixes = ("safetensors", "bin", "pth", "pt")
    files = [path for suffix in suffixes for path in folder.glob(f"*.{suffix}")]
    if len(files) != 1:
        names = ", ".join(sorted(path.name for path in files)[:3])
        raise RequestError(
            f"{folder} has {f'several files of weights ({names})' if files else 'no weights'}; "
            f"name one file as pretrained, or {instead}"
        )
    return files[0]


def _file_settings(model: str, path: Path, instead: str) -> dict[str, Any]:
    """From the description beside it; else, of a file in the hub's cache, from the tag whose
    weights it is.
    """
    if path.with_name(DESCRIPTION).is_file():
        return described_settings(path.parent, instead)
    repo = origin(path).partition("@")[0]
    for tag in lists().list_pretrained_tags_by_model(model):
        tag_config = lists().get_pretrained_cfg(model, tag)
        if tag_config.get("hf_hub", "").rpartition("/")[0] == repo:
            return _tag_settings(tag_config)
    return {"assumed": True}


def _tag_settings(tag_config: Mapping[str, Any]) -> dict[str, Any]:
    quick_gelu = bool(tag_config.get("quick_gelu", False))
    return {"quick_gelu": quick_gelu, "preprocess": image_settings(dict(tag_config))}


def _tag_checkpoint(model: str, tag: str, instead: str) -> Checkpoint:
    tag_config = lists().get_pretrained_cfg(model, tag)
    if not tag_config:
        architecture(ClipConfig(model=model), instead)
        tags = ", ".join(lists().list_pretrained_tags_by_model(model)) or "none"
        raise RequestError(
            f"pretrained={tag} is neither a file nor a tag of {model} (its tags: {tags}); "
            f"name one of them, or {instead}"
        )
    repo, _, file = tag_config["hf_hub"].rpartition("/")
    names = [lists().HF_SAFE_WEIGHTS_NAME, lists().HF_WEIGHTS_NAME]
    if file:
        names = [Path(file).with_suffix(".safetensors").name, file]
    sought = (
        f"the file {' or '.join(dict.fromkeys(names))} of the CLIP weights {model}:{tag} "
        f"(hub: {repo})"
    )
    path = hub_file(repo, names, sought, f"give a file by pretrained=PATH, or {instead}")
    return Checkpoint(model, path, **_tag_settings(tag_config))

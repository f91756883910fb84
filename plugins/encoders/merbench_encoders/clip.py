"""CLIP towers of open_clip (Radford et al. 2021, 2103.00020; Cherti et al. 2023, 2212.07143)."""

from __future__ import annotations

import difflib
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from merbench.api import RequestError
from merbench_encoders.hub import hub_file, origin
from merbench_encoders.letter_case import LetterCase, lowered
from merbench_encoders.pieces import PieceRows
from merbench_encoders.tower import TowerConfig, digest

_OTHER_TOWERS = (
    "hf_model_name",
    "hf_tokenizer_name",
    "no_causal_mask",
    "embed_cls",
    "tokenizer_kwargs",
)


class ClipConfig(TowerConfig):
    """Which CLIP."""

    model: str = "ViT-B-32"
    """An architecture of ``open_clip.list_models()``."""
    pretrained: str | None = "openai"
    """A tag of ``open_clip.list_pretrained()`` or a file (safetensors, or torch's with tensors
    only); None or ``random`` = untrained.
    """


class ClipTextConfig(ClipConfig):
    """Which CLIP, and how texts go into it."""

    lower: LetterCase = "auto"
    """Read in lower case, where its tokenizer tells it from upper case; ``auto``: a text that has
    no lower-case letter.
    """


@cache
def _lists() -> Any:
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


def _architecture(config: ClipConfig) -> dict[str, Any]:
    """The model's settings. Raises RequestError for an unknown model."""
    import open_clip  # see _lists

    if config.model not in open_clip.list_models():
        near = difflib.get_close_matches(config.model, open_clip.list_models(), 3, 0.0)
        raise RequestError(
            f"open_clip has no model {config.model!r}; did you mean {', '.join(near)}?"
        )
    return open_clip.get_model_config(config.model)


@dataclass(frozen=True)
class Checkpoint:
    """Weights and what belongs to them, however they were named. ``path`` None: untrained.

    ``preprocess``: fields of open_clip's PreprocessCfg (mean, std, interpolation, resize_mode) that
    differ from its defaults. ``quick_gelu``: the activation they were trained with.
    """

    path: Path | None = None
    quick_gelu: bool = False
    preprocess: Mapping[str, Any] = field(default_factory=dict)


_OF_IMAGES = ("mean", "std", "interpolation", "resize_mode", "fill_color")
"""Of PreprocessCfg; the size of the images belongs to the architecture."""


def checkpoint(config: ClipConfig, instead: str) -> Checkpoint:
    """What a tag or a file stands for. Raises RequestError where it is out of reach.

    A file is taken with the ``open_clip_config.json`` beside it, as the hub's repositories have it.
    """
    name = config.pretrained
    if name is None or name == "random":
        return Checkpoint()
    if (path := Path(name).expanduser()).is_file():
        beside = path.with_name("open_clip_config.json")
        described = json.loads(beside.read_text()) if beside.exists() else {}
        quick_gelu = bool(described.get("model_cfg", {}).get("quick_gelu", False))
        return Checkpoint(path, quick_gelu, _of_images(described.get("preprocess_cfg", {})))
    lists = _lists()
    known = lists.get_pretrained_cfg(config.model, name)
    if not known:
        _architecture(config)
        tags = ", ".join(lists.list_pretrained_tags_by_model(config.model)) or "none"
        raise RequestError(
            f"pretrained={name} is neither a file nor a tag of {config.model} (its tags: {tags}); "
            f"name one of them, or {instead}"
        )
    repo, _, file = known["hf_hub"].rpartition("/")
    names = [lists.HF_SAFE_WEIGHTS_NAME, lists.HF_WEIGHTS_NAME]
    if file:
        names = [Path(file).with_suffix(".safetensors").name, file]
    wanted = (
        f"the file {' or '.join(dict.fromkeys(names))} of the CLIP weights {config.model}:{name} "
        f"(hub: {repo})"
    )
    path = hub_file(repo, names, wanted, f"give a file by pretrained=PATH, or {instead}")
    return Checkpoint(path, bool(known.get("quick_gelu", False)), _of_images(known))


def _of_images(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: settings[key] for key in _OF_IMAGES if settings.get(key) is not None}


def clip_digest(config: ClipConfig, instead: str) -> dict[str, str]:
    """Name -> SHA-256 of the weights; nothing for an untrained tower."""
    path = checkpoint(config, instead).path
    return (
        {f"clip:{config.model}:{Path(str(config.pretrained)).name}": digest([path])} if path else {}
    )


def clip_source(config: ClipConfig, instead: str) -> dict[str, str]:
    """Name, as in ``clip_digest`` -> where the weights come from."""
    path = checkpoint(config, instead).path
    return (
        {f"clip:{config.model}:{Path(str(config.pretrained)).name}": origin(path)} if path else {}
    )


def load_clip(config: ClipConfig, instead: str) -> nn.Module:
    """The whole model. Raises RequestError for an unknown model, and, ending with ``instead``, for
    absent or unreadable weights.
    """
    weights = checkpoint(config, instead)
    _architecture(config)
    import open_clip  # see _lists

    before = logging.root.manager.disable
    try:
        logging.disable(logging.WARNING)  # open_clip warns that an untrained tower is untrained
        return open_clip.create_model(
            config.model,
            str(weights.path) if weights.path else None,
            force_quick_gelu=weights.quick_gelu,
            force_preprocess_cfg=dict(weights.preprocess),
            pretrained_text=False,
            weights_only=True,
        )
    except Exception as error:
        first = str(error).strip().split("\n")[0]
        raise RequestError(
            f"{weights.path or config.model} cannot be loaded as {config.model} ({first}); "
            f"give weights of this model, or {instead}"
        ) from error
    finally:
        logging.disable(before)


def joint_width(config: ClipConfig) -> int:
    """D of the space that both towers project into."""
    return int(_architecture(config)["embed_dim"])


class TextNet(nn.Module):
    """CLIP's text transformer with its token states: causal, so that what follows a token never
    changes it.
    """

    attn_mask: Tensor

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        text: Any = getattr(model, "text", model)
        self.token_embedding, self.transformer, self.ln_final = (
            text.token_embedding,
            text.transformer,
            text.ln_final,
        )
        self.positional_embedding, self.text_projection = (
            text.positional_embedding,
            text.text_projection,
        )
        self.register_buffer("attn_mask", text.attn_mask, persistent=False)

    def forward(self, x_BLW: Tensor) -> Tensor:
        """Embedded tokens [B, L, W] -> states in the joint space [B, L, D]."""
        length = x_BLW.shape[1]
        x_BLW = self.transformer(
            x_BLW + self.positional_embedding[:length], attn_mask=self.attn_mask[:length, :length]
        )
        x_BLW = self.ln_final(x_BLW)
        return (
            self.text_projection(x_BLW)
            if isinstance(self.text_projection, nn.Linear)
            else x_BLW @ self.text_projection
        )


class Tokenizer:
    """CLIP's byte-pair tokenizer: ``length`` tokens at most, the start and the end of text among
    them.
    """

    def __init__(self, model: str, lower: LetterCase = "no") -> None:
        import open_clip  # see _lists

        self.bpe: Any = open_clip.get_tokenizer(model)
        self.length: int = self.bpe.context_length
        self.lower: LetterCase = lower
        if self.bpe.encode("GOOD") == self.bpe.encode("good"):
            self.lower = "no"  # it ignores case, so there is nothing to report

    def __call__(self, texts: Sequence[str | None]) -> PieceRows:
        read, measured = lowered(texts, self.lower)
        coded = [None if text is None else self.bpe.encode(text) for text in read]
        kept = [[] if ids is None else self._framed(ids) for ids in coded]
        present = [ids for ids in coded if ids is not None]
        n_cut = sum(len(ids) > self.length - 2 for ids in present)
        measured = {"truncated_rate": n_cut / max(1, len(present)), **measured}
        flat_T = torch.tensor([i for ids in kept for i in ids] or [0])
        piece_T2 = torch.stack((flat_T, torch.full_like(flat_T, -1)), 1)
        return PieceRows(piece_T2, torch.tensor([len(ids) for ids in kept]), 0, measured)

    def _framed(self, ids: list[int]) -> list[int]:
        return [self.bpe.sot_token_id, *ids[: self.length - 2], self.bpe.eot_token_id]


def load_text(config: ClipTextConfig, instead: str) -> tuple[TextNet, Tokenizer]:
    """The text tower and its tokenizer. Raises RequestError as ``load_clip``, and for a model whose
    text tower is of another kind.
    """
    text = _architecture(config)["text_cfg"]
    if any(text.get(key) for key in _OTHER_TOWERS) or "siglip" in config.model.lower():
        raise RequestError(
            f"{config.model} has no causal CLIP text tower; "
            "choose a model that has, such as ViT-B-32, ViT-B-16 or ViT-L-14"
        )
    return TextNet(load_clip(config, instead)), Tokenizer(config.model, config.lower)

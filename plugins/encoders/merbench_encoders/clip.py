"""CLIP towers of open_clip (Radford et al. 2021, 2103.00020; Cherti et al. 2023, 2212.07143)."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME
from torch import Tensor, nn

from merbench.api import Config, RequestError
from merbench_encoders.hub import hub_file


class ClipConfig(Config):
    """Which CLIP."""

    model: str = "ViT-B-32"
    """An architecture of ``open_clip.list_models()``."""
    pretrained: str | None = "openai"
    """A tag of ``open_clip.list_pretrained()`` or a file (safetensors, or a torch file of plain tensors); None or ``random`` = untrained."""
    tuned: bool = False


def _weights(config: ClipConfig, instead: str) -> tuple[Path | None, bool]:
    """The weights' file and whether they were trained with QuickGELU."""
    name = config.pretrained
    if name in (None, "random"):
        return None, False
    if (path := Path(name).expanduser()).is_file():
        return path, False
    known = open_clip.get_pretrained_cfg(config.model, name)
    if not known.get("hf_hub"):
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(config.model)) or "none"
        raise RequestError(f"pretrained={name} is neither a file nor a tag of {config.model} (its tags: {tags}); name one of them, or {instead}")
    repo, _, file = known["hf_hub"].rpartition("/")
    names = [Path(file).with_suffix(".safetensors").name, file] if file else [HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME]
    return hub_file(repo, names, f"the CLIP weights {config.model}:{name} ({repo})", instead), known.get("quick_gelu", False)


def load_clip(config: ClipConfig, instead: str) -> tuple[nn.Module, Path | None]:
    """The whole model and the file of its weights. Raises RequestError for an unknown model, unknown or unreadable weights."""
    if config.model not in open_clip.list_models():
        near = difflib.get_close_matches(config.model, open_clip.list_models(), 3, 0.0)
        raise RequestError(f"open_clip has no model {config.model!r}; did you mean {', '.join(near)}?")
    path, quick = _weights(config, instead)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return open_clip.create_model(
                config.model, str(path) if path else None, force_quick_gelu=quick, pretrained_text=False, weights_only=True
            ), path
    except Exception as error:
        first = str(error).strip().split("\n")[0]
        raise RequestError(f"open_clip cannot load {path or 'an untrained tower'} as {config.model}: {first}; give weights of this model, or {instead}") from error


class TextNet(nn.Module):
    """CLIP's text transformer with its token states: causal, so that what follows a token never changes it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        text = getattr(model, "text", model)
        self.token_embedding, self.transformer, self.ln_final = text.token_embedding, text.transformer, text.ln_final
        self.positional_embedding, self.text_projection = text.positional_embedding, text.text_projection
        self.register_buffer("attn_mask", text.attn_mask, persistent=False)

    def forward(self, x_BLW: Tensor) -> Tensor:
        """Embedded tokens [B, L, W] -> states in the joint space [B, L, D]."""
        length = x_BLW.shape[1]
        x_BLW = self.transformer(x_BLW + self.positional_embedding[:length], attn_mask=self.attn_mask[:length, :length])
        x_BLW = self.ln_final(x_BLW)
        if isinstance(self.text_projection, nn.Linear):
            return self.text_projection(x_BLW)
        return x_BLW @ self.text_projection


class Tokenizer:
    """CLIP's byte-pair tokenizer, which also says what it cut off."""

    def __init__(self, model: str) -> None:
        self.bpe: Any = open_clip.get_tokenizer(model)
        self.length: int = self.bpe.context_length

    def __call__(self, texts: Sequence[str | None]) -> tuple[Tensor, Tensor, float]:
        """ids [N, context length], lengths [N] up to and with the end token (0 for a missing text), share of texts cut to the context length."""
        ids_NL = torch.zeros(len(texts), self.length, dtype=torch.long)
        length_N = torch.zeros(len(texts), dtype=torch.long)
        cut = 0
        for i, text in enumerate(texts):
            if text is not None:
                ids = self.bpe.encode(text)
                cut += len(ids) > self.length - 2
                ids = [self.bpe.sot_token_id, *ids[: self.length - 2], self.bpe.eot_token_id]
                ids_NL[i, : len(ids)] = torch.tensor(ids)
                length_N[i] = len(ids)
        return ids_NL, length_N, cut / max(1, int((length_N > 0).sum()))


def load_text(config: ClipConfig, instead: str) -> tuple[TextNet, Tokenizer, int, Path | None]:
    """``(text tower, tokenizer, joint width, file of the weights)``. Raises RequestError also for a model of another kind of text tower."""
    settings = open_clip.get_model_config(config.model) or {}
    text = settings.get("text_cfg", {})
    if any(text.get(key) for key in ("hf_model_name", "hf_tokenizer_name", "no_causal_mask", "embed_cls", "tokenizer_kwargs")) or "siglip" in config.model.lower():
        raise RequestError(f"{config.model} has no causal CLIP text tower; choose a model that has, such as ViT-B-32, ViT-B-16 or ViT-L-14")
    model, path = load_clip(config, instead)
    return TextNet(model), Tokenizer(config.model), settings["embed_dim"], path

"""CLIP towers of open_clip (Radford et al. 2021, 2103.00020; Cherti et al. 2023, 2212.07143)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from merbench.api import RequestError
from merbench_encoders.apostrophes import with_apostrophes
from merbench_encoders.clip.config import ClipConfig, ClipTextConfig, is_place
from merbench_encoders.clip.weights import architecture, checkpoint
from merbench_encoders.letter_case import LetterCase, lowered
from merbench_encoders.word_pieces import PieceRows

_OTHER_TOWERS = (
    "hf_model_name",
    "hf_tokenizer_name",
    "no_causal_mask",
    "embed_cls",
    "tokenizer_kwargs",
)


def load_clip(config: ClipConfig, instead: str) -> nn.Module:
    """The whole model. Raises RequestError for an unknown model, and, ending with ``instead``, for
    absent or unreadable weights.
    """
    weights = checkpoint(config, instead)
    architecture(config, instead)
    import open_clip  # see clip.weights.lists
    from transformers.initialization import no_init_weights

    previous_level = logging.root.manager.disable
    try:
        logging.disable(logging.WARNING)  # open_clip warns that an untrained tower is untrained
        with no_init_weights() if weights.path else nullcontext():  # all of them are read below
            net = open_clip.create_model(
                weights.architecture,
                load_weights=False,
                force_quick_gelu=weights.quick_gelu,
                force_preprocess_cfg=dict(weights.preprocess),
                pretrained_text=False,
            )
        if weights.path:
            open_clip.load_checkpoint(net, str(weights.path), weights_only=True)
        return net
    except Exception as error:
        first_line = str(error).strip().split("\n")[0]
        raise RequestError(
            f"{weights.path or config.model} cannot be loaded as {config.model} ({first_line}); "
            f"give weights of this model, or {instead}"
        ) from error
    finally:
        logging.disable(previous_level)


def joint_width(config: ClipConfig, instead: str) -> int:
    """D of the space that both towers project into."""
    return int(architecture(config, instead)["embed_dim"])


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
        if self.text_projection is None:  # the width of the tower is that of the joint space
            return x_BLW
        if isinstance(self.text_projection, nn.Linear):
            return self.text_projection(x_BLW)
        return x_BLW @ self.text_projection


class Tokenizer:
    """CLIP's byte-pair tokenizer: ``length`` tokens at most, the start and the end of text among
    them.
    """

    def __init__(self, model: str, lower: LetterCase = "no", apostrophes: bool = False) -> None:
        import open_clip  # see clip.weights.lists

        self.bpe: Any = open_clip.get_tokenizer(model)
        self.length: int = self.bpe.context_length
        self.lower: LetterCase = lower
        self.apostrophes = apostrophes
        if self.bpe.encode("GOOD") == self.bpe.encode("good"):
            self.lower = "no"  # it ignores case, so there is nothing to report

    def __call__(self, texts: Sequence[str | None]) -> PieceRows:
        texts_read, measured = lowered(texts, self.lower)
        if self.apostrophes:
            texts_read, mended = with_apostrophes(texts_read)
            measured |= mended
        coded = [None if text is None else self.bpe.encode(text) for text in texts_read]
        piece_ids = [[] if ids is None else self._framed(ids) for ids in coded]
        present = [ids for ids in coded if ids is not None]
        n_cut = sum(len(ids) > self.length - 2 for ids in present)
        measured = {"truncated_rate": n_cut / max(1, len(present)), **measured}
        flat_T = torch.tensor([i for ids in piece_ids for i in ids] or [0])
        piece_T2 = torch.stack((flat_T, torch.full_like(flat_T, -1)), 1)
        return PieceRows(piece_T2, torch.tensor([len(ids) for ids in piece_ids]), 0, measured)

    def _framed(self, ids: list[int]) -> list[int]:
        return [self.bpe.sot_token_id, *ids[: self.length - 2], self.bpe.eot_token_id]


def load_text(config: ClipTextConfig, instead: str) -> tuple[TextNet, Tokenizer]:
    """The text tower and its tokenizer. Raises RequestError as ``load_clip``, and for a model whose
    text tower is of another kind.
    """
    text = architecture(config, instead)["text_cfg"]
    siglip = not is_place(config.model) and "siglip" in config.model.lower()
    at_end = text.get("pool_type", "argmax") in ("argmax", "eos")
    if siglip or not at_end or any(text.get(key) for key in _OTHER_TOWERS):
        raise RequestError(
            f"{config.model} has no causal CLIP text tower; "
            "choose a model that has, such as ViT-B-32, ViT-B-16 or ViT-L-14"
        )
    architecture_name = checkpoint(config, instead).architecture
    return TextNet(load_clip(config, instead)), Tokenizer(
        architecture_name, config.lower, config.apostrophes
    )

"""Tiny random pretrained networks, saved as their libraries save them."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    ClapAudioConfig,
    ClapAudioModelWithProjection,
    ClapFeatureExtractor,
    DebertaV2Config,
    DebertaV2Model,
    HubertConfig,
    HubertModel,
    RobertaConfig,
    RobertaModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
)

CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "film",
    "was",
    "good",
    "bad",
    "bor",
    "##ing",
    "a",
    "very",
    "not",
    "##s",
]
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "vocab_size": len(PIECES),
}
WAVES = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
    "conv_dim": (8, 8), "conv_kernel": (10, 3), "conv_stride": (5, 2), "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "vocab_size": 4,
}  # fmt: skip
CLAP = {
    "spec_size": 64, "num_mel_bins": 16, "window_size": 4, "patch_size": 4, "patch_stride": (4, 4), "patch_embeds_hidden_size": 8,
    "hidden_size": 16, "depths": (1, 1), "num_attention_heads": (2, 2), "num_hidden_layers": 2, "projection_dim": 12,
}  # fmt: skip


def tiny_clip(folder: Path, settings: dict = CLIP, name: str = "tiny-clip") -> Path:
    """The weights of a CLIP, whose architecture open_clip is told of by this name."""
    (folder / f"{name}.json").write_text(json.dumps(settings))
    open_clip.add_model_config(folder / f"{name}.json")
    torch.manual_seed(0)
    save_file(open_clip.create_model(name).state_dict(), folder / f"{name}.safetensors")
    return folder / f"{name}.safetensors"


def tiny_text(folder: Path, family: str = "bert") -> Path:
    """``family``: bert, roberta or deberta; with a word-piece tokenizer over PIECES."""
    relative = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]}
    kind, settings = {
        "bert": (BertModel, BertConfig(**SIZES, max_position_embeddings=12)),
        "roberta": (
            RobertaModel,
            RobertaConfig(**SIZES, max_position_embeddings=12, pad_token_id=0),
        ),
        "deberta": (
            DebertaV2Model,
            DebertaV2Config(**SIZES, max_position_embeddings=12, **relative),
        ),
    }[family]
    folder = folder / family
    torch.manual_seed(0)
    kind(settings).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(PIECES))
    BertTokenizerFast(
        vocab=str(folder / "vocab.txt"), vocab_file=str(folder / "vocab.txt")
    ).save_pretrained(folder)
    return folder


def tiny_speech(folder: Path, name: str) -> Path:
    """``name``: group or layer (wav2vec 2.0 with either norm), hubert or wavlm; at 8 kHz."""
    family, settings = {
        "group": (Wav2Vec2Model, Wav2Vec2Config(**WAVES, feat_extract_norm="group")),
        "layer": (
            Wav2Vec2Model,
            Wav2Vec2Config(**WAVES, feat_extract_norm="layer", do_stable_layer_norm=True),
        ),
        "hubert": (HubertModel, HubertConfig(**WAVES, feat_extract_norm="group")),
        "wavlm": (
            WavLMModel,
            WavLMConfig(**WAVES, feat_extract_norm="layer", num_buckets=8, max_bucket_distance=16),
        ),
    }[name]
    torch.manual_seed(0)
    family(settings).save_pretrained(folder / name)
    Wav2Vec2FeatureExtractor(sampling_rate=8000, do_normalize=name != "hubert").save_pretrained(
        folder / name
    )
    return folder / name


def tiny_clap(folder: Path, fused: bool = False) -> Path:
    """At 8 kHz, with an input of 1 s."""
    folder = folder / ("fused" if fused else "clap")
    torch.manual_seed(0)
    ClapAudioModelWithProjection(ClapAudioConfig(**CLAP, enable_fusion=fused)).save_pretrained(
        folder
    )
    truncation = "fusion" if fused else "rand_trunc"
    sizes = {
        "feature_size": 16,
        "sampling_rate": 8000,
        "hop_length": 80,
        "max_length_s": 1,
        "fft_window_size": 256,
        "frequency_max": 4000,
    }
    ClapFeatureExtractor(**sizes, truncation=truncation).save_pretrained(folder)
    return folder

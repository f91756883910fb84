"""Pretrained models of the transformers library, by hub name or local folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn

from merbench.api import LATER, RequestError
from merbench_encoders.hub import WEIGHTS, hub_folder, origin
from merbench_encoders.model_packages import PACKAGED, full_name
from merbench_encoders.tower import TowerConfig, digest
from merbench_encoders.word_pieces import SENTENCE_SETTINGS

ModelName = Annotated[str, AfterValidator(full_name)]

_READERS = (
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
)
"""What turns texts and waves into the model's input."""
LOWEST_RATE, HIGHEST_RATE = 1_000, 384_000
"""Samples a second that sound can have."""
_LATER = (
    "pooler",
    "masked_spec_embed",
    "position_ids",
)  # tensors that checkpoints may lack: nothing here reads them


class HfConfig(TowerConfig):
    """Which model."""

    model: ModelName
    """A model of the hub, a folder made by ``save_pretrained()``, ``package:NAME`` (an installed
    package that holds one), or ``minilm`` (sentence-transformers/all-MiniLM-L6-v2).
    """
    pretrained: Literal["weights", "random"] = "weights"
    """``random``: its architecture, untrained."""


class LayerConfig(HfConfig):
    """Which model, and what is read of it."""

    layer: int = -1
    """Which hidden state is read: 0 = the embeddings, -1 = the last layer."""
    mean_layers: Annotated[int, Field(ge=1), LATER] = 1
    """The mean of so many hidden states is read, of which ``layer`` is the last (of BERT's last
    four: Devlin et al. 2019, table 7).
    """


def find(config: HfConfig, instead: str) -> Path:
    """The model's folder. Raises RequestError where it is out of reach."""
    return hub_folder(
        config.model,
        config.pretrained == "weights",
        f"the transformers model {config.model}",
        instead,
    )


def hf_digest(config: HfConfig, instead: str) -> dict[str, str]:
    """Name -> SHA-256 of configuration, weights and what reads its input; nothing for an untrained
    model.
    """
    if config.pretrained == "random":
        return {}
    folder = find(config, instead)
    weights, readers = (
        sorted({p for pattern in weight_names for p in folder.glob(pattern) if p.is_file()})
        for weight_names in (WEIGHTS, _READERS)
    )
    settings = folder / "config.json"
    if not settings.is_file():
        raise RequestError(
            f"{folder} has no config.json, which says what its weights are; give a folder made by "
            f"save_pretrained(), or {instead}"
        )
    files = [settings, *weights, *readers]
    # Of a packaged model it is as published, and runs that are known by the rest keep their ids.
    limit = folder / SENTENCE_SETTINGS
    if config.model not in PACKAGED and limit.is_file():
        files.append(limit)
    return {f"transformers:{Path(config.model).name}": digest(files)}


def hf_source(config: HfConfig, instead: str) -> dict[str, str]:
    """Name, as in ``hf_digest`` -> where the model comes from."""
    if config.pretrained == "random":
        return {}
    source = origin(find(config, instead), config.model)
    return {f"transformers:{Path(config.model).name}": source}


def wave_source(config: HfConfig, instead: str, assumed: str) -> dict[str, str]:
    """As ``hf_source``; with what is ``assumed`` where no file of the model says how waves are made
    ready for it.
    """
    sources = hf_source(config, instead)
    if not sources or input_settings(find(config, instead)):
        return sources
    unsaid = f"; no preprocessor_config.json beside it: {assumed} assumed"
    return {name: source + unsaid for name, source in sources.items()}


def load_net(
    config: HfConfig, instead: str, kind: str = "AutoModel", **changes: Any
) -> tuple[nn.Module, Path]:
    """``(model, folder)``; ``changes`` are of its configuration. Raises RequestError where it is
    out of reach, unreadable or incomplete.
    """
    folder = find(config, instead)
    import transformers  # takes longer than a hub needs to say that a model is out of reach

    model_class = getattr(transformers, kind)
    missing: Sequence[str] = ()
    try:
        with _quiet(transformers.utils.logging):
            settings = _configuration(model_class, folder)
            settings.update({k: v for k, v in changes.items() if hasattr(settings, k)})
            if config.pretrained == "random":
                untrained = getattr(model_class, "from_config", None) or model_class._from_config
                # Not in its configuration's precision, in which nothing can be learned.
                return untrained(settings, dtype=torch.float32), folder
            net, info = model_class.from_pretrained(
                folder,
                config=settings,
                local_files_only=True,
                weights_only=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        missing = [name for name in info["missing_keys"] if not any(p in name for p in _LATER)]
    except Exception as error:
        first_line = str(error).strip().split("\n")[0]
        raise RequestError(
            f"{folder} cannot be loaded as a transformers model ({first_line}); "
            f"give a folder made by save_pretrained(), or {instead}"
        ) from error
    if missing:
        raise RequestError(
            f"the weights in {folder} lack {len(missing)} tensors ({min(missing)}); "
            f"give complete weights, or {instead}"
        )
    return net, folder


def _configuration(model_class: Any, folder: Path) -> Any:
    """What ``model_class`` is built from. Where it is one tower of a model that was saved whole
    (CLAP), the whole is read first: it gives its towers settings that they may lack themselves.
    """
    from transformers import AutoConfig

    settings = AutoConfig.from_pretrained(folder, local_files_only=True)
    own_class = getattr(model_class, "config_class", None)
    if own_class is None or isinstance(settings, own_class):
        return settings
    tower = getattr(settings, own_class.base_config_key, None)
    if not isinstance(tower, own_class):
        raise ValueError(f"it is a model of type {settings.model_type}")
    return tower


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """No progress bar and no report of tensors: those that matter are a RequestError here."""
    previous_level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(previous_level)


def load_hf(config: LayerConfig, instead: str, **changes: Any) -> tuple[nn.Module, Path]:
    """``load_net`` of one plain encoder whose hidden states can be read."""
    net, folder = load_net(config, instead, **changes)
    depth = getattr(net.config, "num_hidden_layers", 0)
    if not depth or net.config.is_encoder_decoder:
        raise RequestError(
            f"{config.model} is not one plain encoder with hidden states; "
            f"choose a model that is, or {instead}"
        )
    if getattr(net, "pooler", None) is not None:
        net.pooler = None  # Steps are never pooled
    if not -depth - 1 <= config.layer <= depth:
        raise RequestError(
            f"layer={config.layer} is no hidden state of {config.model}; "
            f"give one of {-depth - 1} to {depth}"
        )
    if config.mean_layers > (most := config.layer % (depth + 1) + 1):
        raise RequestError(
            f"mean_layers={config.mean_layers} with layer={config.layer} goes below the embeddings "
            f"of {config.model}; give {most} at most"
        )
    return net, folder


def input_embeddings(net: Any, instead: str) -> nn.Embedding:
    """The table of a network's word pieces. RequestError where it has none: CANINE hashes
    characters, I-BERT's gives a scale beside the vectors.
    """
    try:
        table = net.get_input_embeddings()
    except NotImplementedError:  # raised by transformers for a network without such a table
        table = None
    if not isinstance(table, nn.Embedding):
        raise RequestError(
            f"{type(net).__name__} has no plain table of word pieces, in whose place other vectors "
            f"could go in; choose a model that has one, such as BERT or RoBERTa, or {instead}"
        )
    return table


def input_settings(folder: Path) -> dict[str, Any]:
    """How waves are made ready for a model, as its own files say: ``preprocessor_config.json``, or
    the part of ``processor_config.json`` where a processor was saved as a whole.
    """
    file, processor_file = folder / "preprocessor_config.json", folder / "processor_config.json"
    if not file.exists():
        file = processor_file
    if not file.exists():
        return {}
    repair = "copy it from where the weights come from, or choose another model"
    try:
        settings = json.loads(file.read_text())
        settings = settings.get("feature_extractor", {}) if file is processor_file else settings
        rate = settings.get("sampling_rate", LOWEST_RATE)
    except (ValueError, AttributeError):
        raise RequestError(f"{file} holds no settings in JSON; {repair}") from None
    if not isinstance(rate, int) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise RequestError(
            f"{file} has a sampling_rate of {rate!r}, which is no whole number from "
            f"{LOWEST_RATE:,} to {HIGHEST_RATE:,}; {repair}"
        )
    return dict(settings)


def hidden_state(net: Any, layer: int, mean_layers: int = 1, **inputs: Any) -> Tensor:
    """[B, L, D]: one hidden state, or the mean of several, ``layer`` the last of them; the model's
    last one as it returns it itself, norm included. RequestError where their lengths differ.
    """
    depth = net.config.num_hidden_layers
    if mean_layers == 1 and layer in (-1, depth):
        return net(**inputs).last_hidden_state
    out = net(**inputs, output_hidden_states=True)
    if mean_layers == 1:
        return out.hidden_states[layer]
    end = layer % (depth + 1) + 1
    states = [*out.hidden_states[:depth], out.last_hidden_state][end - mean_layers : end]
    if len({state.shape for state in states}) > 1:  # as of SEW, which squeezes time between ends
        raise RequestError(
            f"the {mean_layers} hidden states up to layer={layer} differ in length; "
            "leave mean_layers=1"
        )
    return torch.stack(states).mean(0)

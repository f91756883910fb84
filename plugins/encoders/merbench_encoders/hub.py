"""Files of pretrained models on the Hugging Face hub: from its local cache, else over a network that answers at once."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError

from merbench.api import RequestError

SECONDS = 3.0  # the client's own retries would keep a user without a network waiting for a minute
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")


def _cached(repo: str, name: str) -> Path | None:
    found = try_to_load_from_cache(repo, name)
    return Path(found) if isinstance(found, str) else None


def _absent(wanted: str, repo: str, reason: object, instead: str) -> RequestError:
    first = str(reason).strip().split("\n")[0]
    return RequestError(
        f"{wanted} is neither in the cache {constants.HF_HUB_CACHE} nor to be had from {constants.ENDPOINT} ({type(reason).__name__}: {first}); "
        f"run 'hf download {repo}' where there is a network and point HF_HUB_CACHE at that cache, or {instead}"
    )


def hub_file(repo: str, names: Sequence[str], wanted: str, instead: str) -> Path:
    """The first of ``names`` that ``repo`` has. ``wanted`` and ``instead`` go into the sentence of the RequestError: what was asked for, and
    how to do without it."""
    for name in names:
        if path := _cached(repo, name):
            return path
    reason: Exception = FileNotFoundError(f"{repo} has no {' or '.join(names)}")
    try:
        for name in names:
            try:
                get_hf_file_metadata(hf_hub_url(repo, name), timeout=SECONDS)
            except EntryNotFoundError:
                continue
            return Path(hf_hub_download(repo, name, etag_timeout=SECONDS))
    except Exception as error:  # whatever the network does, the user is told the same
        reason = error
    raise _absent(wanted, repo, reason, instead) from None


def hub_folder(model: str, weights: bool, wanted: str, instead: str) -> Path:
    """The folder of a transformers model: ``model`` itself where it is a local directory, else the hub's cached or downloaded snapshot.

    ``weights`` False: its configuration and tokenizer are enough. Raises RequestError as ``hub_file``.
    """
    if Path(model).is_dir():
        return Path(model)
    if model.startswith((".", "/", "~")):
        raise RequestError(f"{wanted}: there is no folder {model}; name a folder made by save_pretrained() or a model of the hub, or {instead}")
    try:
        config = _cached(model, "config.json")
        if config and (not weights or any(next(config.parent.glob(pattern), None) for pattern in WEIGHTS)):
            return config.parent
        get_hf_file_metadata(hf_hub_url(model, "config.json"), timeout=SECONDS)
        wants = ["*.json", "*.txt", "*.model"]
        if weights:
            safe = any(fnmatch(name, WEIGHTS[0]) for name in HfApi().list_repo_files(model))
            wants.append(WEIGHTS[0] if safe else WEIGHTS[1])
        return Path(snapshot_download(model, allow_patterns=wants, etag_timeout=SECONDS))
    except Exception as error:  # whatever the network does, the user is told the same
        raise _absent(wanted, model, error, instead) from None

"""Files of pretrained models on the Hugging Face hub: from its local cache, else over a network
that answers at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeVar

from huggingface_hub import (
    HfApi,
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import EntryNotFoundError, HFValidationError

from merbench.api import RequestError
from merbench_encoders.model_packages import (
    PREFIX,
    WEIGHTS,
    how_to_install,
    named_package,
    package_origin,
    packaged_folder,
    short_name_meant,
)

T = TypeVar("T")

SECONDS = 4.0


def _cached(repo: str, name: str) -> Path | None:
    cached = try_to_load_from_cache(repo, name)
    return Path(cached) if isinstance(cached, str) else None


def origin(path: Path, model: str = "") -> str:
    """Where a file or folder comes from: ``repository@revision`` where it lies in the hub's cache,
    the name of the package it lies in (``model`` may be a ``package:NAME``), else its name here.
    """
    if package := package_origin(path, model):
        return package
    parts = path.absolute().parts
    if "snapshots" not in parts[1:-1]:
        return f"{path.name} (local)"
    at = parts.index("snapshots")
    return f"{parts[at - 1].removeprefix('models--').replace('--', '/')}@{parts[at + 1]}"


def _soon(ask: Callable[[], T]) -> T:
    """What ``ask()`` returns or raises, or TimeoutError. In a thread: some calls of the client, and
    a dead name server, know no timeout.
    """
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(ask())
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        return answer.result(SECONDS)
    except TimeoutError:
        raise TimeoutError(f"no answer in {SECONDS:.0f} seconds") from None


def _ask(repo: str, name: str) -> None:
    """Raise what the hub answers about a file."""
    _soon(lambda: get_hf_file_metadata(hf_hub_url(repo, name), timeout=SECONDS))


def _absent(sought: str, repo: str, reason: object, instead: str) -> RequestError:
    first_line = str(reason).strip().split("\n")[0]
    return RequestError(
        f"{sought} is neither in the cache {constants.HF_HUB_CACHE} nor to be had from "
        f"{constants.ENDPOINT} "
        f"({type(reason).__name__}: {first_line}); "
        f"{how_to_install(repo) or short_name_meant(repo)}"
        f"run 'hf download {repo}' where there is a network and point HF_HUB_CACHE at that cache, "
        f"or {instead}"
    )


def _no_name(repo: str, reason: Exception, instead: str) -> RequestError:
    first_line = str(reason).strip().split("\n")[0].rstrip(".")
    return RequestError(
        f"{repo!r} is no name of a model on the hub ({first_line}); "
        f"write ORGANISATION/NAME, or {instead}"
    )


def hub_file(repo: str, names: Sequence[str], sought: str, instead: str) -> Path:
    """The first of ``names`` that ``repo`` has.

    Raises RequestError within seconds; ``sought`` (what was asked for) and ``instead`` (how to do
    without it) go into its sentence.
    """
    reason: Exception = FileNotFoundError(f"{repo} has no {' or '.join(names)}")
    try:
        for name in names:
            path = _cached(repo, name)
            if path:
                return path
        for name in names:
            try:
                _ask(repo, name)
            except EntryNotFoundError:
                continue
            return Path(hf_hub_download(repo, name, etag_timeout=SECONDS))
    except HFValidationError as error:
        raise _no_name(repo, error, instead) from None
    except Exception as error:  # whatever the network does, the user gets the same sentence
        reason = error
    raise _absent(sought, repo, reason, instead) from None


def hub_folder(model: str, weights: bool, sought: str, instead: str) -> Path:
    """The folder of a transformers model: ``model`` itself where it is a local directory, else the
    hub's cached snapshot, else an installed package's, else the hub's downloaded one.

    ``weights`` False: its configuration and tokenizer are enough. Raises RequestError as
    ``hub_file``.
    """
    if Path(model).is_dir():
        return Path(model)
    if model.startswith(PREFIX):
        return named_package(model)
    if model.startswith((".", "/", "~")):
        raise RequestError(
            f"there is no folder {model}; "
            f"name another (made by save_pretrained()) or a model of the hub, or {instead}"
        )
    try:
        config = _cached(model, "config.json")
        if config and (
            not weights or any(next(config.parent.glob(pattern), None) for pattern in WEIGHTS)
        ):
            return config.parent
        if folder := packaged_folder(model):
            return folder
        _ask(model, "config.json")
        about = _soon(lambda: HfApi().model_info(model, timeout=SECONDS))
        names = [file.rfilename for file in about.siblings or () if "/" not in file.rfilename]
        wants = ["*.json", "*.txt", "*.model"]
        if weights:
            wants.append(
                WEIGHTS[0] if any(fnmatch(name, WEIGHTS[0]) for name in names) else WEIGHTS[1]
            )
        # Not snapshot_download, which waits without end on a hub that falls silent. By its
        # configuration a folder is known: that comes last.
        for name in sorted(names, key="config.json".__eq__):
            if any(fnmatch(name, want) for want in wants):
                path = hf_hub_download(model, name, etag_timeout=SECONDS)
        return Path(path).parent
    except RequestError:
        raise
    except HFValidationError as error:
        raise _no_name(model, error, instead) from None
    except Exception as error:  # whatever the network does, the user gets the same sentence
        raise _absent(sought, model, error, instead) from None

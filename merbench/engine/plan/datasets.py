"""A data set by name, read from its folder or made by its factory; without a name the default."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from merbench.api import Config, Corpus, RequestError
from merbench.api.events import Note, Watch
from merbench.data.folder.read import read_folder
from merbench.data.home import find_folder, missing_message, unknown_message
from merbench.data.soundness import faults
from merbench.engine.plan.settings import configured, parse_settings
from merbench.host.catalog import Catalog, faults_named
from merbench.results.dataset_name import ordered
from merbench.results.spec import canonical

SETTING = "dataset."
"""What stands before a setting of the data set in ``--set``."""


def with_settings(
    name: str | None, settings: Mapping[str, Any]
) -> tuple[str | None, dict[str, Any]]:
    """``("sample", {"dataset.seed": 1, "train.lr": 1})`` -> ``("sample:seed=1", {"train.lr": 1})``.

    A data set with settings is another data set, so it is known by a name that has them: in specs,
    tracks and boards, and wherever a data set may be named.
    """
    own_settings = {key: value for key, value in settings.items() if key.startswith(SETTING)}
    if not own_settings:
        return name, dict(settings)
    if name is None:
        key = min(own_settings)
        raise RequestError(
            f"{key} is a setting of a data set and stands in its name, such as "
            f"sample:{key.removeprefix(SETTING)}={_text(own_settings[key])}"
        )
    pairs = [
        f"{key.removeprefix(SETTING)}={_text(own_settings[key])}" for key in sorted(own_settings)
    ]
    if wrong := [pair for pair in pairs if "," in pair or ":" in pair]:
        raise RequestError(
            f"{SETTING}{wrong[0]}: a setting of a data set holds no comma and no colon"
        )
    run_settings = {key: value for key, value in settings.items() if key not in own_settings}
    return ordered(f"{name}{',' if ':' in name else ':'}{','.join(pairs)}"), run_settings


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value)


def open_or_default(
    catalog: Catalog, homes: Sequence[Path], name: str | None, watch: Watch
) -> Corpus:
    """The data set; without a name MOSI where it is on the machine, else the generated one, and a
    sentence that says which and why.
    """
    if name is None:
        folder = find_folder("mosi", list(homes))
        name = "mosi" if folder else "sample"
        reason = "no MOSI here (merbench data show mosi says where it was looked for)"
        watch(Note(sentence=f"dataset {name}: {f'found in {folder}' if folder else reason}"))
    corpus = open_dataset(catalog, name, homes)
    for note in corpus.notes:
        watch(Note(sentence=f"note: {note}"))
    return corpus


def open_dataset(catalog: Catalog, name: str, homes: Sequence[Path]) -> Corpus:
    """A declared data set, or a folder of that name under one of ``homes``. RequestError where
    there is neither.

    ``name`` may hold settings of a data set that is made: ``sample:seed=1,train=200``.
    """
    name, _, listed = name.partition(":")
    set_by_user = _settings_in_name(name, listed) if listed else {}
    declared = name in catalog.names("dataset")
    folder = None if declared else find_folder(name, list(homes))
    if not declared and folder is None:
        raise RequestError(unknown_message(name, list(homes), catalog.names("dataset")))
    if set_by_user and (folder or catalog.component("dataset", name).folder):
        raise RequestError(
            f"data set {name} is read from a folder and has no settings; leave them out"
        )
    if folder:
        return read_folder(folder)
    component = catalog.component("dataset", name)
    if component.folder:
        folder = find_folder(component.folder, list(homes))
        if folder is None:
            raise RequestError(missing_message(name, list(homes), component.obtain))
        return read_folder(folder)
    factory = catalog.load(component)
    kind = getattr(factory, "Config", Config)
    config = configured(kind, set_by_user, SETTING.rstrip("."), f"dataset {name}")
    with faults_named(f"dataset {name} ({component.target}) cannot be made"):
        corpus = load_made(factory(config), partial(open_dataset, catalog, homes=homes))
    if not isinstance(corpus, Corpus):
        raise RequestError(
            f"load() of dataset {name} ({component.target}) returned a {type(corpus).__name__}; "
            "it is to return a Corpus"
        )
    if fault := next(faults(corpus), ""):
        raise RequestError(f"dataset {name} ({component.target}): {fault}; fix its load()")
    # Of equal settings one name, however they are written, and of the usual ones none. It is the
    # declared name, by which the data set opens again, whatever the factory calls it.
    changed = config.model_dump(mode="json", exclude_defaults=True)
    pairs = ",".join(f"{key}={_text(value)}" for key, value in changed.items())
    return replace(corpus, name=ordered(f"{name}:{pairs}") if pairs else name)


def _settings_in_name(name: str, listed: str) -> dict[str, Any]:
    """``listed``: ``seed=1,train=200``. RequestError where it says two things of one setting."""
    settings: dict[str, Any] = {}
    for pair in listed.split(","):
        [(key, value)] = parse_settings((pair,), f"--dataset {name}:").items()
        if settings.setdefault(key, value) != value:
            raise RequestError(
                f"{SETTING}{key} is {_text(settings[key])} and {_text(value)} by the name of the "
                f"data set and the settings beside it ({name}:{listed}); leave one of the two out"
            )
    return settings


def load_made(dataset: Any, open_another: Callable[[str], Corpus]) -> Corpus:
    """What a factory's data set loads. One whose ``load`` has a parameter wraps others: it is given
    ``open_another``, which opens one by name.
    """
    wraps = bool(inspect.signature(dataset.load).parameters)
    corpus: Corpus = dataset.load(open_another) if wraps else dataset.load()
    return corpus

"""What was typed -> what is to be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from merbench.api.errors import RequestError
from merbench.api.material.types import MODALITIES
from merbench.bench.options import RunOptions
from merbench.cli.shared.options import PARTS

_UNCHANGED = (
    "model", "data", "device", "threads", "jobs", "determinism", "vectors", "store", "force",
    "weights", "as_json",
)  # fmt: skip
"""Options that RunOptions takes as they are."""


def gather(ablations: tuple[str, ...], **given: Any) -> RunOptions:
    """Parsed options -> RunOptions. RequestError in one sentence for what is not of the form asked
    for.
    """
    from merbench.engine.plan.datasets import with_settings
    from merbench.engine.plan.plan import Request

    dataset, settings = with_settings(given["dataset"], _settings(given))
    request = Request(
        model=given["model"],
        task=given["task"],
        protocol=given["protocol"],
        settings=settings,
        streams=_by_modality(given["streams"], "--stream"),  # type: ignore[arg-type]
        modalities=_modalities(given["modalities"]),
        ablations=ablations,
        thresholds=given["thresholds"],
        allow_leak=given["allow_leak"],
        text_tower=given["text_tower"],
        labels=given.get("labels", ""),
        missing=",".join(given.get("missing", ())),
    )
    return RunOptions(
        request=request,
        dataset=dataset,
        seeds=_seeds(given["seeds"], given["seed_list"]),
        init_from=given.get("init_from"),
        log=_log(given.get("log", ())),
        **{name: given[name] for name in _UNCHANGED},
    )


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """``--part``, ``--encoder``, ``--set`` and ``--epochs`` as settings; later ones win."""
    from merbench.engine.plan.settings import parse_settings

    settings: dict[str, Any] = {}
    for slot, name in parse_settings(given["parts"], "--part").items():
        if slot not in PARTS:
            raise RequestError(
                f"--part {slot}={name}: a part is one of {', '.join(PARTS)}; "
                "encoders are named with --encoder MODALITY=NAME"
            )
        settings[slot.replace("-", "_")] = name
    for modality, name in _by_modality(given["encoders"], "--encoder").items():
        settings[f"encoder.{modality}"] = name
    for key, value in parse_settings(given["settings"], "--set").items():
        settings[key.replace("label-encoder.", "label_encoder.")] = value
    if given["epochs"]:
        settings["train.epochs"] = given["epochs"]
    return settings


def _seeds(count: int | None, seeds: Sequence[int]) -> tuple[int, ...]:
    if count and seeds:
        raise RequestError("--seeds N and --seed K exclude each other; give one of them")
    return tuple(dict.fromkeys(seeds)) or tuple(range(count or 3))


def _modalities(names: str | None) -> tuple[Any, ...] | None:
    if names is None:
        return None
    modalities = tuple(name.strip() for name in names.split(","))
    for name in modalities:
        if name not in MODALITIES:
            raise RequestError(
                f"--modalities {names}: unknown modality {name!r}; "
                f"there are {', '.join(MODALITIES)}"
            )
    return modalities


def _log(pairs: Sequence[str]) -> dict[str, str]:
    where_by_logger = {}
    for pair in pairs:
        name, sign, where = pair.partition("=")
        if not sign or not name or not where:
            raise RequestError(
                f"--log {pair!r} is not of the form NAME=WHERE, such as tensorboard=FOLDER"
            )
        where_by_logger[name] = where
    return where_by_logger


def _by_modality(pairs: Sequence[str], option: str) -> dict[str, str]:
    named: dict[str, str] = {}
    for pair in pairs:
        modality, sign, name = pair.partition("=")
        if not sign or not name or modality not in MODALITIES:
            raise RequestError(
                f"{option} {pair!r} is not of the form MODALITY=NAME with a modality of "
                f"{', '.join(MODALITIES)}"
            )
        named[modality] = name
    return named

"""What was typed -> what is to be run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from merbench.api.errors import RequestError
from merbench.api.material.types import MODALITIES
from merbench.bench.options import RunOptions, Wording, build_options

OPTIONS = Wording(
    part="--part {key}={value}",
    encoder="--encoder {key}={value}",
    epochs="--epochs {value}",
    settings="--set",
    value=lambda value: "none" if value is None else str(value),
)


def gather(ablations: tuple[str, ...], **typed: Any) -> RunOptions:
    """Parsed options -> RunOptions. RequestError in one sentence for what is not of the form asked
    for.
    """
    from merbench.engine.plan.settings import parse_settings

    parts = parse_settings(typed["parts"], "--part")
    settings = parse_settings(typed["settings"], "--set")
    keywords = {
        **typed,
        "ablations": ablations,
        "parts": {slot.replace("-", "_"): name for slot, name in parts.items()},
        "encoders": _by_modality(typed["encoders"], "--encoder"),
        "settings": {
            key.replace("label-encoder.", "label_encoder."): value
            for key, value in settings.items()
        },
        "streams": _by_modality(typed["streams"], "--stream"),
        "modalities": _modalities(typed["modalities"]),
        "missing": ",".join(typed.get("missing", ())),
        "seeds": _seeds(typed.get("seeds"), typed.get("seed_list", ())),
        "log": _log(typed.get("log", ())),
    }
    return build_options(keywords, OPTIONS)


def _seeds(count: int | None, seeds: Sequence[int]) -> tuple[int, ...]:
    if count and seeds:
        raise RequestError("--seeds N and --seed K exclude each other; give one of them")
    return tuple(dict.fromkeys(seeds)) or tuple(range(count or 3))


def _modalities(names: str | None) -> tuple[Any, ...] | None:
    if names is None:
        return None
    modalities = tuple(name.strip() for name in names.replace("+", ",").split(","))
    for name in modalities:
        if name not in MODALITIES:
            raise RequestError(
                f"--modalities {names}: unknown modality {name!r}; "
                f"there are {', '.join(MODALITIES)}"
            )
    return modalities


def _log(pairs: Sequence[str]) -> dict[str, str]:
    place_of_logger = {}
    for pair in pairs:
        name, sign, where = pair.partition("=")
        if not sign or not name or not where:
            raise RequestError(
                f"--log {pair!r} is not of the form NAME=WHERE, such as tensorboard=FOLDER"
            )
        place_of_logger[name] = where
    return place_of_logger


def _by_modality(pairs: Sequence[str], option: str) -> dict[str, str]:
    name_of_modality: dict[str, str] = {}
    for pair in pairs:
        modality, sign, name = pair.partition("=")
        if not sign or not name or modality not in MODALITIES:
            raise RequestError(
                f"{option} {pair!r} is not of the form MODALITY=NAME with a modality of "
                f"{', '.join(MODALITIES)}"
            )
        name_of_modality[modality] = name
    return name_of_modality

"""What a run is: everything that decides its numbers, in a canonical form whose hash names it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from merbench.api.declarations.config import LATER, Config
from merbench.api.declarations.train_settings_and_ranges import TrainConfig


class PartSpec(Config):
    """A part by name, with every setting filled in."""

    name: str
    config: dict[str, Any] = {}


class RunSpec(Config):
    """One run but for its seed and fold. Paths, devices and versions are not in it.

    ``parts``: slot (``fusion``, ``head``, ``label_encoder``, ``model``, ``encoder.text``,
    ``objective.task``, ...) -> part. ``streams``: modality -> the stream it reads. ``stages``: the
    recipe's, as data. ``ablation``: names of the ablations, joined by ``+``;
    it stands as ``variant`` in records and ids.
    """

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    model: str
    ablation: Annotated[str, Field(alias="variant")] = ""
    dataset: str
    task: str
    protocol: str
    streams: dict[str, str]
    parts: dict[str, PartSpec]
    stages: list[dict[str, Any]] = []
    train: TrainConfig
    views: Annotated[dict[str, list[str]], LATER] = {}
    """Name -> the transforms that make it, in turn; ``parts`` has them as ``view.NAME.TRANSFORM``.
    """
    labels: Annotated[str, LATER] = ""
    """How train labels are hidden; empty = all that are known are used."""
    missing: Annotated[str, LATER] = ""
    """What train rows lack, at which rates (``--missing``); empty = nothing is taken away."""
    thresholds: str = "fixed:0.5"
    allow_leak: bool = False
    init_from: Annotated[str, LATER] = ""
    """``series`` of the runs whose weights these start from, each seed from the run of the same
    seed; empty = from none.
    """

    @property
    def drawn_train_rows(self) -> bool:
        """Whether what train rows keep differs from seed to seed."""
        return bool(self.labels or self.missing)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def run_id(spec: RunSpec, contents: Mapping[str, str], seed: int, fold: int | None) -> str:
    """16 hex digits. ``contents``: content hashes of what the run reads (``data`` and each
    pretrained file by name).
    """
    return _digest(
        {"spec": spec.identity(), "contents": dict(contents), "seed": seed, "fold": fold}
    )


def series(spec: RunSpec, contents: Mapping[str, str]) -> str:
    """16 hex digits for all runs of one spec on the same contents, whatever their seed and fold."""
    return _digest({"spec": spec.identity(), "contents": dict(contents)})


def _digest(content: Mapping[str, Any]) -> str:
    return sha256(canonical(content).encode()).hexdigest()[:16]

"""What open_clip saves beside weights: the architecture and how images are prepared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from merbench.api import RequestError

DESCRIPTION = "open_clip_config.json"
"""What open_clip saves beside weights: ``model_cfg`` and ``preprocess_cfg``."""


class _Preprocess(BaseModel, strict=False):
    """Fields of open_clip's PreprocessCfg but the size of images, which belongs to the
    architecture; None: open_clip's own default.
    """

    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    interpolation: Literal["bicubic", "bilinear", "random"] | None = None
    resize_mode: Literal["shortest", "longest", "squash"] | None = None
    fill_color: int | None = None


def read_description(folder: Path, instead: str) -> dict[str, Any]:
    """``open_clip_config.json`` of a folder. Raises RequestError where it cannot be read."""
    path = folder / DESCRIPTION
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RequestError(
            f"{folder} has no {DESCRIPTION}, which says what belongs to CLIP weights; copy it from "
            f"where the weights come from, or {instead}"
        ) from None
    except (OSError, ValueError) as error:
        raise RequestError(
            f"{path} cannot be read ({error}); copy it again, or {instead}"
        ) from None
    if not isinstance(described, dict):
        raise RequestError(f"{path} holds no table of settings; copy it again, or {instead}")
    return described


def described_settings(folder: Path, instead: str) -> dict[str, Any]:
    """``quick_gelu``, ``preprocess`` and ``description`` of a Checkpoint. Older descriptions are
    the architecture alone, without a name around it.
    """
    described = read_description(folder, instead)
    model_cfg = described.get("model_cfg", described)
    quick_gelu = isinstance(model_cfg, dict) and bool(model_cfg.get("quick_gelu", False))
    settings = described.get("preprocess_cfg") or {}
    try:
        return {
            "quick_gelu": quick_gelu,
            "preprocess": image_settings(settings),
            "description": folder / DESCRIPTION,
        }
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(("preprocess_cfg", *map(str, problem["loc"])))
        raise RequestError(
            f"{folder / DESCRIPTION}: {field}: {problem['msg'].lower()}; correct it, or {instead}"
        ) from None


def image_settings(settings: Any) -> dict[str, Any]:
    return _Preprocess.model_validate(settings).model_dump(exclude_none=True)

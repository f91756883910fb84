"""Where and with what a run was made."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from merbench.version import VERSION

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "open_clip_torch",
    "transformers",
    "pluggy",
    "pydantic",
    "safetensors",
)


WHERE_USED = {
    "av": "av",
    "pillow": "PIL",
    "torchvision": "torchvision",
    "timm": "timm",
    "peft": "peft",
    "tokenizers": "tokenizers",
    "accelerate": "accelerate",
    "opensmile": "opensmile",
}
"""Package -> its module: named where this process has loaded it."""


@cache
def _git() -> dict[str, Any]:
    """Commit of the checkout that merbench runs from; empty where it is not a checkout."""
    house = Path(__file__).parents[2]

    def ask(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(house), *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()

    try:
        return {
            "commit": ask("rev-parse", "HEAD"),
            "dirty": bool(ask("status", "--porcelain", "--untracked-files=no", str(house))),
        }
    except (OSError, subprocess.SubprocessError):
        return {}


@cache
def installed(package: str) -> str | None:
    """Its version here; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def packages() -> dict[str, str]:
    """Versions of what is always used, and of what this process has loaded so far."""
    used = [package for package, module in WHERE_USED.items() if module in sys.modules]
    versions = {package: installed(package) for package in (*PACKAGES, *used)}
    return {package: version for package, version in versions.items() if version}


def version_order(version: str) -> tuple[list[int], bool, str]:
    """What versions are sorted by: 0.9 before 0.10, 1.0rc1 before 1.0; words come first."""
    release = re.match(r"(\d{1,9}\.)*\d{1,9}", version)
    numbers = release.group() if release else ""
    suffix = version[len(numbers) :]
    return [int(number) for number in numbers.split(".") if number], suffix == "", suffix


def describe(device: str, threads: int, determinism: str) -> dict[str, Any]:
    """The record's ``provenance``. ``device``, ``threads`` and ``determinism`` (off, prefer,
    strict) as the run used them.
    """
    return {
        "merbench": VERSION,
        "git": _git(),
        "python": sys.version.split()[0],
        "packages": packages(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "device": device,
        "threads": threads,
        "deterministic": determinism != "off",
        "determinism": determinism,
    }

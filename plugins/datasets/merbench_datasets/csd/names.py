"""Which files are sequences, and what stream and modality each becomes."""

from __future__ import annotations

import re
from pathlib import Path

from merbench.api import DataError, Modality

_END = ".csd"
_MODALITY: dict[Modality, str] = {
    "video": r"visual|facet|openface|video|face",
    "audio": r"acoustic|audio|covarep|opensmile|wav",
    "text": r"language|word|glove|bert|text|phone",
}


def stream_name(path: Path, modality: Modality, words: bool) -> str:
    """``CMU_MOSI_Visual_Facet_42`` -> ``video.facet-42``; ``CMU_MOSI_TimestampedWords`` ->
    ``text.words``.
    """
    stem = re.sub(r"^CMU_MOSE?I_|Visual_?|Acoustic_?", "", path.stem, flags=re.IGNORECASE)
    name = "-".join(re.findall(r"[a-z0-9]+", stem.lower()))
    return (
        "text.words"
        if words and name == "timestampedwords"
        else f"{'text' if words else modality}.{name or 'csd'}"
    )


def modality_of(path: Path) -> Modality:
    for modality, pattern in _MODALITY.items():
        if re.search(pattern, path.stem, flags=re.IGNORECASE):
            return modality
    raise DataError(
        f"{path.name} does not say its modality; "
        "add it alone, with --form csd --set modality=audio (or text, video)"
    )


def csd_files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(
            p for p in path.iterdir() if p.suffix.lower() == _END and not p.name.startswith(".")
        )
    return [path] if path.suffix.lower() == _END else []

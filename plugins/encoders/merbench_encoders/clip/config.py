"""Which CLIP: architecture and weights by a tag, a file, a folder, hf-hub: or local-dir:."""

from __future__ import annotations

from typing import Annotated

from merbench.api import LATER
from merbench_encoders.letter_case import LetterCase
from merbench_encoders.tower import TowerConfig

HUB, FOLDER = "hf-hub:", "local-dir:"
UNTRAINED = (None, "random")
"""Values of ``pretrained``."""


class ClipConfig(TowerConfig):
    """Which CLIP."""

    model: str = "ViT-B-32"
    """An architecture of ``open_clip.list_models()``; or ``hf-hub:ORGANISATION/NAME`` or
    ``local-dir:FOLDER``, which bring architecture and weights.
    """
    pretrained: str | None = "openai"
    """A tag of ``open_clip.list_pretrained()``, a file (safetensors, or torch's with tensors only),
    a folder with one, or ``hf-hub:``; None or ``random`` = untrained. Where ``model`` brings
    weights, those are meant by ``openai``.
    """


class ClipTextConfig(ClipConfig):
    """Which CLIP, and how texts go into it."""

    lower: LetterCase = "auto"
    """Read in lower case, where its tokenizer distinguishes the cases; ``auto``: a text without a
    lower-case letter.
    """
    apostrophes: Annotated[bool, LATER] = False
    """``dont`` is read as ``don't``: contractions that lost their apostrophe get it back."""


def is_place(name: str) -> bool:
    return name.startswith((HUB, FOLDER))

"""What the label encoders of this package that read words share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from merbench.api import (
    LabelSpace,
    Lexicon,
    Queries,
    RequestError,
    TextForm,
    label_texts,
    label_word_vectors,
)


def word_vectors(
    part: str,
    space: LabelSpace,
    lexicon: Lexicon | None,
    text: TextForm = "word",
    template: str = "a person who feels {}",
    otherwise: str = "",
) -> Tensor:
    """[C, D]: unit vectors, the mean of the known words of each label text. RequestError, naming
    ``part``, where the run has no vectors (``otherwise``: what helps then but giving some), knows
    no word of a label or cannot tell two apart.
    """
    texts = label_texts(space, text, template)
    vectors_CD = label_word_vectors(part, space, lexicon, texts, otherwise)
    return F.normalize(torch.from_numpy(vectors_CD), dim=1)


def require_own_words(part: str, own: LabelSpace, queries: Queries, way_out: str) -> None:
    """RequestError where ``part``, which has weights for each of its own labels, is to read
    others.
    """
    if queries.space is not None and queries.space.words != own.words:
        raise RequestError(
            f"{part} learned weights for {', '.join(own.words)} and cannot read other labels; "
            f"{way_out}"
        )

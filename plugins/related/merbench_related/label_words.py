"""Vectors of label words, and other places for them: what the label encoders of this package that
read words share.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from merbench.api import (
    Context,
    LabelSpace,
    RequestError,
    TextForm,
    check_label_vectors,
    label_texts,
)


def word_vectors(
    space: LabelSpace,
    context: Context,
    part: str,
    text: TextForm = "word",
    template: str = "a person who feels {}",
) -> Tensor:
    """[C, D]: unit vectors, the mean of the known words of each label text. RequestError, naming
    ``part``, where the run has no vectors, knows no word of a label or cannot tell two apart.
    """
    if context.lexicon is None:
        raise RequestError(
            f"{part} reads word vectors and this run has none; "
            "put files under MERBENCH_DATA/vectors, "
            "name one with --vectors FILE, or set label_encoder.vectors=learned"
        )
    texts = label_texts(space, text, template)
    vectors_CD, known_C = context.lexicon.phrases(texts)
    check_label_vectors(space, vectors_CD, known_C, texts)
    return F.normalize(torch.from_numpy(vectors_CD), dim=1)


def derangement(size: int) -> np.ndarray:
    """[size]: a fixed random permutation that leaves nothing in its place."""
    rng = np.random.default_rng(0)
    order = rng.permutation(size)
    while size > 1 and (order == np.arange(size)).any():
        order = rng.permutation(size)
    return order

"""Cosines of transcripts and label words against numpy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from merbench.api import (
    Lexicon,
    RequestError,
    Vectors,
    label_texts,
)
from merbench.testing import tiny
from merbench_baselines.floors.zero_shot import TEMPERATURES, ZeroShot
from tests.plugins.baselines.floors.made_splits import Embed, Same, predict, tokens, views, words


@pytest.mark.parametrize("kind", tiny.SPACES)
@pytest.mark.parametrize("form", ["word", "gloss"])
def test_zero_shot_is_softmax_of_cosines(kind, form):
    context = tiny.context(kind)
    table = context.lexicon.table(tiny.VOCAB)[0]
    train, valid = views(kind, words)
    model = ZeroShot(ZeroShot.Config(text=form), context, {"text": Embed(torch.from_numpy(table))})
    model.fit(train, valid)
    label = context.lexicon.phrases(label_texts(context.space, form))[0]
    label /= np.linalg.norm(label, axis=1, keepdims=True)
    means = np.array(
        [table[[int(t) for t in row]].mean(0) if row else np.zeros(12) for row in tokens(valid)]
    )
    cosine = means @ label.T / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)

    def predicted(temperature):
        vectors = []
        for space, near in zip(
            context.space.tasks, context.space.split_logits(cosine), strict=True
        ):
            p = np.exp(near / temperature)
            p /= p.sum(1, keepdims=True)
            vectors.append(p @ np.array(space.anchors) if space.kind == "score" else p)
        return vectors[0] if len(vectors) == 1 else np.column_stack(vectors)

    actual = predict(model, valid).numpy()
    assert np.allclose(actual, predicted(float(model.temperature)), atol=1e-4)
    if kind == "score":
        errors = [np.abs(predicted(t) - valid.target.numpy()).mean() for t in TEMPERATURES.tolist()]
        assert np.abs(actual - valid.target.numpy()).mean() == pytest.approx(min(errors), abs=1e-5)
        empty = [i for i, row in enumerate(tokens(valid)) if not row]
        assert empty and np.allclose(actual[empty], 0, atol=1e-6)  # as near to every anchor


def test_zero_shot_needs_vectors_that_know_the_labels():
    context = tiny.context()
    with pytest.raises(RequestError, match="vectors"):
        ZeroShot(ZeroShot.Config(), replace(context, lexicon=None), {"text": Same(12)})
    with pytest.raises(RequestError, match="width"):
        ZeroShot(ZeroShot.Config(), context, {"text": Same(3)})
    few = Lexicon((Vectors("few", ("positive", "negative"), np.eye(2, 12, dtype=np.float32)),))
    with pytest.raises(RequestError, match="neutral"):
        ZeroShot(ZeroShot.Config(), replace(context, lexicon=few), {"text": Same(12)})

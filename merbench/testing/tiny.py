"""Tiny spaces, contexts, sequences and batches for testing parts without a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from merbench.api import (
    GLOSSES,
    MODALITIES,
    SENTIMENT,
    Batch,
    Context,
    Corpus,
    FeatureRows,
    LabelCounts,
    LabelSpace,
    Lexicon,
    Modality,
    Protocol,
    Rows,
    Split,
    Steps,
    Stream,
    StreamSpec,
    Task,
    TextRows,
    Vectors,
    WordRows,
    words_of,
)
from merbench.api.material.types import SpaceKind

_WORDS = ("happy", "sad", "anger", "surprise", "disgust", "fear")
_GLOSSES = tuple(GLOSSES[word] for word in _WORDS)
EMOTIONS = LabelSpace(kind="multilabel", words=_WORDS, glosses=_GLOSSES)
CLASSES = LabelSpace(kind="class", words=_WORDS, glosses=_GLOSSES)
JOINT = LabelSpace.joint(SENTIMENT, EMOTIONS)
SPACES: Mapping[SpaceKind, LabelSpace] = {
    "score": SENTIMENT,
    "class": CLASSES,
    "multilabel": EMOTIONS,
    "joint": JOINT,
}
VOCAB = ("the", "film", "was", "good", "bad", "great", "boring", "very", "not", "sp")


def lexicon(width: int = 12, seed: int = 0) -> Lexicon:
    """Random vectors for VOCAB and for every word of the label words and glosses."""
    words = dict.fromkeys(VOCAB)
    for space in SPACES.values():
        for text in (*space.words, *space.glosses):
            words.update(dict.fromkeys(words_of(text)))
    matrix = np.random.default_rng(seed).normal(size=(len(words), width)).astype(np.float32)
    return Lexicon((Vectors("tiny", tuple(words), matrix, sha256="tiny"),))


def context(
    kind: SpaceKind = "score",
    modalities: Sequence[Modality] = MODALITIES,
    width: int = 6,
    n_train: int = 32,
    words: bool = False,
) -> Context:
    """A context whose streams are ``features`` of the given width (text: ``words`` where asked)."""
    space = SPACES[kind]
    streams = {
        m: StreamSpec(f"{m}.tiny", m, "words")
        if words and m == "text"
        else StreamSpec(f"{m}.tiny", m, "features", width)
        for m in modalities
    }
    n = len(space.words)
    counts = LabelCounts(
        np.full(n, float(n_train)), np.full(n, n_train / n), np.eye(n) * n_train / n
    )
    return Context(space=space, streams=streams, n_train=n_train, counts=counts, lexicon=lexicon())


def steps(
    size: int = 5, length: int = 4, width: int = 6, seed: int = 0, missing: Sequence[int] = ()
) -> Steps:
    """Random steps [size, length, width] of varying length; the rows in ``missing`` are masked
    altogether.
    """
    draw = torch.Generator().manual_seed(seed)
    x_BLD = torch.randn(size, length, width, generator=draw)
    length_B = torch.randint(1, length + 1, (size,), generator=draw)
    length_B[0] = length
    mask_BL = torch.arange(length) < length_B[:, None]
    mask_BL[list(missing)] = False
    return Steps(x_BLD, mask_BL)


def parts(
    size: int = 5,
    modalities: Sequence[Modality] = MODALITIES,
    width: int = 6,
    seed: int = 0,
    length: int = 4,
) -> dict[Modality, Steps]:
    """Steps for each modality, of different lengths."""
    return {m: steps(size, length + i, width, seed=seed + i) for i, m in enumerate(modalities)}


def rows(spec: StreamSpec, size: int = 8, seed: int = 0, longest: int = 5) -> Rows:
    """Random rows of a ``features``, ``words`` or ``strings`` stream."""
    draw = torch.Generator().manual_seed(seed)
    length_N = torch.randint(1, longest + 1, (size,), generator=draw)
    start_N = length_N.cumsum(0) - length_N
    total = int(length_N.sum())
    if spec.kind == "strings":
        texts = [
            " ".join(VOCAB[i] for i in torch.randint(len(VOCAB), (n,), generator=draw))
            for n in length_N.tolist()
        ]
        return TextRows(spec, np.array(texts), torch.ones(size, dtype=torch.long))
    if spec.kind == "words":
        return WordRows(
            spec, torch.randint(len(VOCAB), (total,), generator=draw), start_N, length_N, VOCAB
        )
    assert spec.width is not None
    values = torch.randn(total, spec.width, generator=draw)
    return FeatureRows(
        spec, values, start_N, length_N, torch.zeros(spec.width), torch.ones(spec.width)
    )


def targets(space: LabelSpace, size: int, seed: int = 0) -> Tensor:
    """Random targets of the space's kind."""
    draw = torch.Generator().manual_seed(seed)
    if space.kind == "joint":
        return torch.column_stack([targets(part, size, seed) for part in space.parts])
    if space.kind == "score":
        return torch.rand(size, generator=draw) * 6 - 3
    if space.kind == "class":
        return torch.randint(len(space.words), (size,), generator=draw)
    return (torch.rand(size, len(space.words), generator=draw) < 0.3).float()


def batch(context: Context, inputs: Mapping[Modality, object], size: int, seed: int = 0) -> Batch:
    """A batch of the given inputs with random targets."""
    return Batch(
        ids_B=torch.arange(size), inputs=dict(inputs), target=targets(context.space, size, seed)
    )


def corpus(kind: SpaceKind = "score", size: int = 24, seed: int = 0) -> Corpus:
    """A data set of ``size`` utterances (half train, the rest valid and test): words, transcripts,
    audio and video of varying length.

    The last row of each split lacks audio. The target is unrelated to the inputs: good for
    memorising, not for learning. Of a joint task every fifth row lacks the score, and every fourth
    the labels.
    """
    draw = np.random.default_rng(seed)
    ids = np.array([f"v{i // 3}_{i % 3}" for i in range(size)])
    length = draw.integers(1, 6, size)
    start = np.cumsum(length) - length
    words = draw.integers(0, len(VOCAB), int(length.sum())).astype(np.int32)
    texts = np.array(
        [" ".join(VOCAB[w] for w in words[s : s + n]) for s, n in zip(start, length, strict=True)]
    )
    n = size // 4
    split = Split(np.arange(2 * n), np.arange(2 * n, 3 * n), np.arange(3 * n, size))
    streams = {
        "text.words": Stream("text.words", "text", "words", words, start, length, vocab=VOCAB)
    }
    streams["text.transcript"] = Stream.of_rows("text.transcript", "text", "strings", texts)
    for modality, width in (("audio", 6), ("video", 5)):
        steps = draw.integers(1, 5, size)
        if modality == "audio":
            steps[[2 * n - 1, 3 * n - 1, size - 1]] = 0
        values = draw.normal(size=(int(steps.sum()), width)).astype(np.float32)
        name, start = f"{modality}.tiny", np.cumsum(steps) - steps
        streams[name] = Stream(
            name,
            modality,  # type: ignore[arg-type]
            "features",
            values,
            start,
            steps,
        )
    target, known = targets(SPACES[kind], size, seed).numpy(), None
    if kind == "joint":
        known = np.ones(target.shape, dtype=bool)
        known[::5, 0] = known[1::4, 1:] = False
    protocol = Protocol((split,), ("text.words", "audio.tiny", "video.tiny"))
    return Corpus(
        "tiny",
        ids,
        np.array([i.split("_")[0] for i in ids]),
        texts,
        {"task": Task(SPACES[kind], target, known)},
        streams,
        {"standard": protocol},
        lexicon=lexicon(),
    )

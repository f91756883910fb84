"""Honest and leaking feature streams of known making, for the audit's tests and for its error
rates.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from merbench.api import SENTIMENT, Corpus, Protocol, Split, Stream, Task


@dataclass(frozen=True)
class Law:
    """Deviations of what differs between videos: log gain and log noise of the features, their
    offset, the mean of the labels.
    """

    signal: float = 1.0
    gain: float = 0.5
    noise: float = 0.3
    offset: float = 1.0
    mood: float = 0.8
    width: int = 40
    videos: int = 93


def honest(rng: np.random.Generator, law: Law = Law()) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(features [N, D], scores [N], video [N])``, about 24 rows a video."""
    video = np.repeat(np.arange(law.videos), np.maximum(6, rng.poisson(24, law.videos)))
    y = np.clip(
        law.mood * rng.normal(size=law.videos)[video] + 1.2 * rng.normal(size=len(video)), -3, 3
    )
    hidden = (
        np.stack([y, np.sign(y), rng.normal(size=len(video))], axis=1)
        @ rng.normal(size=(3, law.width))
        / np.sqrt(3)
    )
    gain, noise = (
        np.exp(scale * rng.normal(size=law.videos))[video, None] for scale in (law.gain, law.noise)
    )
    offset = law.offset * rng.normal(size=(law.videos, law.width))[video]
    return (
        0.3 * law.signal * gain * hidden + offset + noise * rng.normal(size=hidden.shape),
        y,
        video,
    )


def leaked(
    rng: np.random.Generator,
    x: np.ndarray,
    y: np.ndarray,
    video: np.ndarray,
    share: float,
    binary: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """``(features [N, 20], seen [V])``: the last hidden layer of a small network trained on the
    labels of a share of the videos.
    """
    seen = rng.permutation(video.max() + 1) < share * (video.max() + 1)
    z, goal = (x - x.mean(axis=0)) / x.std(axis=0), np.where(y > 0, 1.0, -1.0) if binary else y / 3
    known = seen[video]
    seed = int(rng.integers(2**31))
    net = MLPRegressor(
        hidden_layer_sizes=(32, 20),
        activation="tanh",
        learning_rate_init=5e-3,
        batch_size=500,
        max_iter=60,
        random_state=seed,
    )
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        net.fit(z[known], goal[known])
    for weight, bias in zip(net.coefs_[:2], net.intercepts_[:2], strict=True):
        z = np.tanh(z @ weight + bias)
    return z, seen


def corpus_of(y: np.ndarray, video: np.ndarray, **streams: np.ndarray) -> Corpus:
    """Streams of one step a row; the first 60 % of the rows train, the next 20 % validate."""
    n = len(y)
    videos = np.array([f"v{v:03d}" for v in video])
    splits = (Split(*np.split(np.arange(n), [int(0.6 * n), int(0.8 * n)])),)
    return Corpus(
        name="made",
        ids=np.array([f"{v}_{i}" for i, v in enumerate(videos)]),
        videos=videos,
        texts=np.array([""] * n),
        tasks={"sentiment": Task(SENTIMENT, y.astype(np.float32))},
        streams={
            name: Stream.of_rows(name, "audio", "features", x.astype(np.float32))
            for name, x in streams.items()
        },
        protocols={"standard": Protocol(splits, tuple(streams)[:1])},
    )

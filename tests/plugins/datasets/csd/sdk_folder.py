"""Small computational sequences, made here, and their segments cut by brute force."""

import h5py
import numpy as np

from merbench.api import Source
from merbench.data.intake.add import add
from merbench_datasets.csd.form import Csd

VIDEOS = ("a_x", "b", "c", "d")


FOLDS = (
    'standard_train_fold = ["a_x", "d"]\nstandard_valid_fold = ["b"]\nstandard_test_fold = ["c"]\n'
)


def write(path, videos, metadata=None):
    """``videos``: name -> {dataset: array}."""
    with h5py.File(path, "w") as file:
        root = file.create_group(path.stem)
        data = root.create_group("data")
        for video, parts in videos.items():
            group = data.create_group(video)
            for name, value in parts.items():
                group[name] = value
        for key, text in (metadata or {}).items():
            root[f"metadata/{key}"] = [text]
    return path


def ticks(count, step, start=0.0):
    edges = start + step * np.arange(count + 1)
    return np.stack([edges[:-1], edges[1:]], axis=1)


class Sdk:
    """A folder as the SDK leaves it: labels, words, two feature streams and a file of folds.
    Attributes hold what was written.
    """

    def __init__(self, path):
        self.path = path
        path.mkdir()
        rng = np.random.default_rng(0)
        self.segments = {v: ticks(3, 2.0, 1.0) for v in VIDEOS}
        self.labels = {v: np.round(rng.uniform(-3, 3, (3, 7)), 3) for v in VIDEOS}
        for v in VIDEOS:
            self.labels[v][:, 1:] = rng.integers(0, 2, (3, 6)) / 3
        self.words = {
            v: (
                np.array([[w] for w in rng.choice([b"so", b"sp", b"good", "é".encode()], 20)]),
                ticks(20, 0.4),
            )
            for v in VIDEOS
        }
        self.facet = {
            v: (rng.normal(size=(30, 3)).astype(np.float32), ticks(30, 0.25)) for v in VIDEOS
        }
        self.sound = {v: (rng.normal(size=(90, 2)), ticks(90, 0.08)) for v in VIDEOS}
        self.facet["b"][0][4, 1] = -np.inf
        self.save()

    def save(self):
        self.write("CMU_MOSEI_Labels", {v: (self.labels[v], self.segments[v]) for v in VIDEOS})
        self.write("CMU_MOSEI_TimestampedWords", self.words)
        self.write("CMU_MOSEI_VisualFacet42", self.facet)
        self.write("CMU_MOSEI_COVAREP", self.sound)
        (self.path / "cmu_mosei_std_folds.py").write_text(FOLDS)

    def write(self, name, videos, **more):
        return write(
            self.path / f"{name}.csd",
            {v: {"features": f, "intervals": i} for v, (f, i) in videos.items()},
            **more,
        )

    def inside(self, stream, video, k):
        """Brute force: the numbers of the steps whose middle lies in segment k."""
        start, end = self.segments[video][k]
        return [n for n, (s, e) in enumerate(stream[video][1]) if start <= (s + e) / 2 < end]


def put(home, source, name="mine", **options):
    return add(
        name,
        home,
        Source(source),
        Csd(Csd.Config(**options)),
        "csd",
        options,
        lambda *message: None,
    )


def rows_of(corpus, name):
    stream = corpus.streams[name]
    parts = zip(corpus.ids.tolist(), stream.start, stream.length, strict=True)
    return {
        interval: (
            np.asarray(stream.values[s : s + n]),
            None if stream.times is None else stream.times[s : s + n],
        )
        for interval, s, n in parts
    }

"""Train statistics counted when a data set is added, so that a run can start without reading every
value: ``statistics.safetensors``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from merbench.api.errors import DataError
from merbench.api.first_line import first_line
from merbench.api.material.corpus import Corpus
from merbench.data.streams.train_statistics import Statistics, train_statistics
from merbench.data.streams.valid_steps import steps_key
from merbench.results.files import write_atomic

FILE = "statistics.safetensors"


def write_statistics(folder: Path, corpus: Corpus) -> None:
    """Of every feature stream with a checksum, over the train rows of every split: all of them, and
    those that know each task's target.
    """
    arrays: dict[str, np.ndarray] = {}
    for stream in corpus.streams.values():
        if stream.kind != "features" or not stream.sha256:
            continue
        for split in (s for p in corpus.protocols.values() for s in p.splits):
            for rows in (split.train, *(t.known_rows(split.train) for t in corpus.tasks.values())):
                key = steps_key(stream, rows)
                if f"{key}.mean" in arrays:
                    continue
                statistics = train_statistics(stream, rows)
                arrays[f"{key}.mean"] = statistics.mean_D
                arrays[f"{key}.scale"] = statistics.scale_D
                arrays[f"{key}.counts"] = np.array([statistics.not_finite, statistics.steps])
    if arrays:
        write_atomic(folder / FILE, save(dict(sorted(arrays.items()))))


def read_statistics(folder: Path) -> dict[str, Statistics]:
    """By ``steps_key``. DataError for a file that is not as ``write_statistics`` made it."""
    path = folder / FILE
    try:
        arrays = load_file(path)
        keys = {name.partition(".")[0] for name in arrays}
        return {
            key: Statistics(
                arrays[f"{key}.mean"],
                arrays[f"{key}.scale"],
                *(int(n) for n in arrays[f"{key}.counts"]),
            )
            for key in sorted(keys)
        }
    except (OSError, SafetensorError, LookupError, TypeError) as error:
        raise DataError(
            f"{path} cannot be read ({first_line(error)}); delete it, and what it holds is counted "
            "where it is needed"
        ) from None

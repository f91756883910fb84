from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from merbench.api import Stream
from merbench.data.streams.train_statistics import Statistics, train_statistics
from merbench.data.streams.valid_steps import steps_key, valid_steps


def ragged(rows, **more):
    length = np.array([len(r) for r in rows])
    return Stream(
        "audio.x",
        "audio",
        "features",
        np.concatenate(rows),
        np.cumsum(length) - length,
        length,
        **more,
    )


def draw(seed=0, n=12, width=3):
    rng = np.random.default_rng(seed)
    return [
        rng.normal(size=(k, width)) * [1, 1e5, 1e-4][:width] + [0, 1e6, 3][:width]
        for k in rng.integers(0, 6, n)
    ]


@pytest.fixture(params=[2**21, 12], ids=["one block", "many blocks"])
def blocks(request, monkeypatch):
    monkeypatch.setattr("merbench.data.streams.valid_steps.BLOCK", request.param)
    return request.param


def resident(path):
    """Kilobytes of a mapped file that count as memory of this process."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    sizes, ours = [], False
    for line in lines:
        first = line.split()[0]
        if not first.endswith(":"):
            ours = line.endswith(str(path))
        elif ours and first == "Rss:":
            sizes.append(int(line.split()[1]))
    return sum(sizes)


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="smaps are Linux's")
def test_what_was_read_of_a_mapped_file_does_not_stay_in_memory(tmp_path, blocks):
    path = tmp_path / "values"
    np.arange(2**18, dtype=np.float32).tofile(path)
    values = np.asarray(np.memmap(path, np.float32, "r").reshape(-1, 2**12))
    stream = Stream.of_rows("audio.x", "audio", "features", values)
    assert values.sum() > 0 and resident(path) == 1024
    steps = np.concatenate([*valid_steps(stream, np.arange(len(values)))])
    assert resident(path) == 0
    np.testing.assert_array_equal(steps.ravel(), np.arange(2**18))


def test_valid_steps_in_order_and_bounded(blocks):
    rows = draw()
    order = np.array([7, 0, 11, 3, 3])
    parts = list(valid_steps(ragged(rows), order))
    np.testing.assert_array_equal(np.concatenate(parts), np.concatenate([rows[i] for i in order]))
    longest = max(map(len, rows))
    assert max(map(len, parts)) <= blocks // 3 + longest
    assert len(next(iter(valid_steps(ragged(rows), np.array([], dtype=int))))) == 0


def test_statistics_equal_scikit_learn(blocks):
    rows = [r.astype(np.float32) for r in draw()]
    train = np.array([1, 4, 6, 7, 10])
    rows[1][-1, 1], rows[4][-1, 2] = np.nan, -np.inf
    assert len(rows[1]) and len(rows[4])
    statistics = train_statistics(ragged(rows), train)
    flat = np.concatenate([rows[i] for i in train]).astype(np.float64)
    reference = StandardScaler().fit(np.where(np.isfinite(flat), flat, np.nan))
    np.testing.assert_allclose(statistics.mean_D, reference.mean_, rtol=1e-6)
    np.testing.assert_allclose(statistics.scale_D, reference.scale_, rtol=1e-5)
    assert statistics.not_finite == 2 and statistics.steps == len(flat)
    assert statistics.mean_D.dtype == statistics.scale_D.dtype == np.float32


def test_statistics_see_train_rows_and_real_steps_only():
    rows = draw()
    train = np.array([2, 3, 8])
    before = train_statistics(ragged(rows), train)
    for i in set(range(12)) - set(train.tolist()):
        rows[i][:] = 1e9
    after = train_statistics(ragged(rows), train)
    np.testing.assert_array_equal(before.mean_D, after.mean_D)
    np.testing.assert_array_equal(before.scale_D, after.scale_D)


def test_dimensions_without_deviation_or_without_values():
    x = np.full((40, 4), np.nan)
    x[:, 0], x[0, 1], x[:, 2] = 0.1, 7.0, np.linspace(0, 1, 40)
    x[-1, 0] += 1e-8  # one unit in the last place of float32: rounding, not a deviation
    statistics = train_statistics(Stream.of_rows("audio.x", "audio", "features", x), np.arange(40))
    assert statistics.mean_D[[0, 1, 3]].tolist() == pytest.approx([0.1, 7.0, 0.0])
    assert statistics.scale_D[[0, 1, 3]].tolist() == [1, 1, 1] and statistics.scale_D[2] != 1
    assert statistics.not_finite == 39 + 40


def test_values_beyond_float32_are_not_finite():
    x = np.array([[1.0], [3.0], [1e300]])
    statistics = train_statistics(Stream.of_rows("audio.x", "audio", "features", x), np.arange(3))
    assert statistics == (2.0, 1.0, 1, 3)


def test_statistics_are_stored_under_the_steps_they_are_of():
    stream = ragged([np.full((n, 2), n) for n in (1, 2, 3, 2)], sha256="one")
    rows = np.array([0, 2])
    keys = [
        steps_key(stream, rows),
        steps_key(stream, rows[:1]),
        steps_key(stream, np.array([0, 1])),
        steps_key(replace(stream, sha256="two"), rows),
        steps_key(replace(stream, start=stream.start + 1), rows),
        steps_key(replace(stream, length=stream.length - 1), rows),
    ]
    assert len(set(keys)) == len(keys)
    elsewhere = replace(stream, start=stream.start + np.array([0, 1, 0, 1]))
    assert steps_key(elsewhere, rows) == keys[0], "other rows are not asked for"
    stored = Statistics(np.ones(2), np.ones(2), 5, 6)
    knowing = replace(stream, statistics={keys[0]: stored})
    assert train_statistics(knowing, rows) == stored
    assert train_statistics(knowing, rows[:1]).steps == 1


def test_no_train_row():
    statistics = train_statistics(ragged(draw()), np.array([], dtype=int))
    assert (
        statistics.mean_D.tolist() == [0, 0, 0]
        and statistics.scale_D.tolist() == [1, 1, 1]
        and statistics.steps == 0
    )

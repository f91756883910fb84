"""The digest of the source: of all that decides a run's numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from merbench.results.provenance import source_digest


@pytest.mark.parametrize(
    "name",
    [
        "engine/splits.py",
        "api/lexicon.py",
        "data/streams.py",
        "data/vectors.py",
        "results/metrics.py",
        "results/seeds.py",
        "mult.py",
    ],
)
def test_a_change_of_what_decides_numbers_changes_the_digest(monkeypatch, name):
    sound, before = Path.read_bytes, source_digest(["merbench_baselines"])
    assert source_digest(["merbench_baselines"]) == before
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: sound(path) + b"#" * path.as_posix().endswith(f"/{name}")
    )
    assert source_digest(["merbench_baselines"]) != before

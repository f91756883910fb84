"""A store that is written to, merged into or cleared of what is damaged: killed at any moment and
asked again.
"""

from __future__ import annotations

import pytest
from safetensors.numpy import save

from merbench.results.records.predictions import read_predictions
from merbench.results.store.corrections import Correction, digest, replaced_name
from merbench.results.store.history import write_correction
from merbench.results.store.merge import merge
from merbench.results.store.store import Store
from tests.kills import content, resumes
from tests.report.made import put, record, spec


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "store"
    root.mkdir()
    return root


def readable(root):
    store = Store(root)
    list(store.records())
    assert not store.warnings


def put_one(root, miss):
    store = Store(root)
    store.require_writable()
    run, rows = record(0, miss, spec(), weights_sha256=f"{miss}")
    store.put(run, rows, save({}, {"sha256": f"{miss}"}))


def runs(root):
    """All that the store holds; of predictions what they say, because the library that writes them
    orders their facts by chance.
    """
    files = content(root)
    predictions = [
        name for name in files if name.endswith(".safetensors") and "weights" not in name
    ]
    return files | {name: str(read_predictions(root / name)) for name in predictions}


def test_a_run_is_put(root):
    resumes(root, lambda: put_one(root, 0.5), lambda: readable(root), result=runs)


def test_a_run_is_put_again_with_other_results(root):
    """Readers find the earlier pair or the new one, and the earlier one is in ``replaced/``."""
    put_one(root, 0.5)
    resumes(root, lambda: put_one(root, 0.6), lambda: readable(root), result=runs)


def test_a_store_is_merged(root, tmp_path):
    source = Store(tmp_path / "source")
    put_one(source.root, 0.5)
    put_one(source.root, 0.6)
    put(source, 0.7, spec("mult"), range(2))
    put(Store(root), 0.7, spec("mult"), [1])

    def call():
        store = Store(root)
        store.require_writable()
        list(merge(source.root, store))

    resumes(root, call, lambda: readable(root))


def test_what_supersedes_a_run_here_stays_on_its_tracks(root, tmp_path):
    source, here = Store(tmp_path / "source"), Store(root)
    ((earlier,), (now,)) = (put(source, miss, spec(), [0]) for miss in (0.5, 0.8))
    write_correction(
        source.root,
        Correction(
            old={replaced_name(earlier): digest(earlier)},
            new={now.run_id: digest(now)},
            reason="a fault",
            date="2026-01-01",
        ),
    )
    (run,) = put(here, 0.5, spec(), [0])
    here.update(run, None, run.track.model_copy(update={"streams": ["another"]}))

    def call():
        store = Store(root)
        store.require_writable()
        list(merge(source.root, store))
        assert len(store.get(now.run_id).tracks) == 2

    resumes(root, call, lambda: readable(root), result=runs)


def test_a_damaged_run_is_set_aside(root):
    put(Store(root), 0.5, spec(), [0])
    (path,) = (root / "runs").glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    resumes(root, lambda: list(Store(root).records()))

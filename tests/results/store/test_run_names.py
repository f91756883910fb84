"""Every command that takes a run takes it by its id, a beginning of it, or a file of it."""

from __future__ import annotations

import pytest

import merbench
from merbench.api import RequestError
from merbench.results.store.run_names import as_run_ids
from merbench.results.store.store import Store
from tests.report.made import put, spec


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("named") / "runs")
    for model in ("tfn", "lmf"):
        put(store, 0.5, spec(model), range(2))
    return store


def test_a_run_is_named_by_its_id_its_beginning_or_a_file_of_it(store):
    first, second, *_ = (record.run_id for record in store.records())
    for name in (first, first[:6], store.file(first, ".json"), store.file(first, ".safetensors")):
        assert as_run_ids(store, str(name)) == first
        both = as_run_ids(store, f"{name}, {second}")
        assert both.replace(" ", "") == f"{first},{second}"
    assert as_run_ids(store, str(store.root / "weights" / "x.safetensors")).endswith(
        "x.safetensors"
    )


@pytest.mark.parametrize(
    "row", ["tfn", "tfn (train.lr=0.1, fusion.hidden=8)", "mine v1.json", "a/b", ""]
)
def test_what_names_no_run_stays_as_it_is(store, row):
    assert as_run_ids(store, row) == row


def test_files_of_another_store_and_of_none_are_refused(store, tmp_path):
    other = Store(tmp_path / "other")
    (record,) = put(other, 0.5, spec("tfn"), [5])
    for name in (
        f"{other.root}/runs/{record.run_id}.json",
        f"tfn, {other.root}/runs/{record.run_id}.json",
    ):
        with pytest.raises(RequestError, match=rf"is of another store; .*where {record.run_id} is"):
            as_run_ids(store, name)
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(RequestError, match=r"--run .*a\.json is no run of a store"):
        as_run_ids(store, str(tmp_path / "a.json"), "--run")


def test_functions_take_runs_by_their_files(store):
    files = {(r.spec.model, r.seed): str(store.file(r.run_id, ".json")) for r in store.records()}
    a, b = files["tfn", 0], files["lmf", 0]
    averaged = merbench.ensemble([a, b], store=store.root)
    assert [line.name.partition(" ")[0] for line in averaged.lines[:2]] == ["tfn", "lmf"]
    assert merbench.compare(a, b, store.root).differences.keys()
    result = merbench.supersede(a, b, reason="for a test", store=store.root)
    assert (result.old, result.new) == ("tfn", "lmf")

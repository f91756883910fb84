"""Stores brought together: all that fits is copied once, and nothing else."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from merbench.api import RequestError
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.results.records.record import Record
from merbench.results.store.merge import merge
from merbench.results.store.store import Store
from merbench.runs.run import run
from merbench.testing import tiny
from tests.conftest import loads
from tests.tiny_runs import MACHINE


@pytest.fixture(scope="module")
def made(catalog, tmp_path_factory):
    """A store with the seeds 0 to 2, and one with 2 to 4."""
    corpus, root = tiny.corpus(), tmp_path_factory.mktemp("made")
    plan = resolve(Request("late-fusion-dnn", settings={"train.epochs": 1}), catalog, corpus, None)
    run(plan, corpus, [0, 1, 2], Store(root / "first"), MACHINE)
    run(plan, corpus, [2, 3, 4], Store(root / "second"), MACHINE)
    return root


@pytest.fixture
def stores(made, tmp_path):
    """Copies of the two, and an empty one."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Store(tmp_path / "first"), Store(tmp_path / "second"), Store(tmp_path / "into")


def hows(source: Store, into: Store) -> list[str]:
    return [one.how for one in merge(source.root, into)]


def content(store: Store) -> dict[str, bytes]:
    return {
        str(p.relative_to(store.root)): p.read_bytes()
        for p in sorted(store.root.rglob("*"))
        if p.is_file()
    }


def test_every_run_is_there_afterwards_with_all_its_files_and_merging_again_changes_nothing(stores):
    first, second, into = stores
    assert hows(first, into) == ["copied"] * 3
    assert sorted(hows(second, into)) == ["copied", "copied", "there"]
    assert {r.seed for r in into.records()} == set(range(5))
    whole = {**content(second), **content(first)}
    after = content(into)
    assert after == {name: whole[name] for name in after} and len(after) == 15
    assert hows(first, into) == hows(second, into) == ["there"] * 3
    assert content(into) == after


def test_weights_are_copied_also_where_the_run_is_there_without(stores):
    first, _, into = stores
    hows(first, into)
    (gone, *_) = sorted((into.root / "weights").glob("*"))
    gone.unlink()
    assert hows(first, into) == ["there"] * 3
    assert into.has_weights(gone.stem) and content(into) == content(first)


def test_one_run_with_two_results_is_a_conflict_and_stays_as_it_was(stores):
    first, second, into = stores
    hows(first, into)
    (record,) = [r for r in second.records() if r.seed == 2]
    rows = second.predictions(record.run_id)
    second.put(record, type(rows)(rows.ids, rows.videos, rows.target, rows.prediction + 0.25))
    before = content(into)
    (conflict,) = [one for one in merge(second.root, into) if one.how == "conflict"]
    assert conflict.run_id == record.run_id and "differ by up to 0.25" in conflict.why
    assert {k: v for k, v in content(into).items() if k in before} == before


def test_a_done_run_goes_before_a_failed_one(stores):
    first, second, into = stores
    (shared,) = [r for r in second.records() if r.seed == 2]
    failed = shared.model_copy(update={"status": "failed", "error": "no memory", "metrics": None})
    first.put(failed)
    hows(first, into)
    assert into.get(shared.run_id).status == "failed"
    hows(second, into)
    assert into.get(shared.run_id) == shared
    assert "there" in hows(first, into) and into.get(shared.run_id) == shared


def the_shared_run(store: Store) -> Record:
    return next(r for r in store.records() if r.seed == 2)


def test_of_two_searches_the_longer_one_stays_whichever_store_is_merged_first(stores, tmp_path):
    first, second, _ = stores
    short = {"search": "a", "trials": 3, "seconds": 9.0}
    first.update(the_shared_run(first), short)
    for search in (None, {**short, "seconds": 10.5}, {"search": "b", "trials": 20, "seconds": 1.0}):
        second.update(the_shared_run(second), search)
        merged = []
        for number, order in enumerate([(first, second), (second, first)]):
            into = Store(tmp_path / f"{search and search['seconds']} {number}")
            for source in order:
                assert "conflict" not in hows(source, into)
            merged.append(the_shared_run(into).tuned_by)
        assert merged == [search or short] * 2


@pytest.mark.parametrize("failed_here", [False, True])
def test_a_failed_run_leaves_its_tracks_and_its_search_to_the_done_one(stores, failed_here):
    first, second, _ = stores
    shared = the_shared_run(first)
    track = shared.track.model_copy(update={"leaks": ["audio.covarep"]})
    search = {"search": "a", "trials": 3, "seconds": 9.0}
    failed = {"status": "failed", "error": "no memory", "metrics": None, "track": track}
    first.put(shared.model_copy(update={**failed, "tuned_by": search}))
    source, into = (second, first) if failed_here else (first, second)
    hows(source, into)
    after = the_shared_run(into)
    assert (after.status, after.tuned_by) == ("done", search)
    assert after.tracks == [shared.track, track]


def spoil_spec(store, name):
    record = store.get(name)
    store.put(
        record.model_copy(
            update={"spec": record.spec.model_copy(update={"thresholds": "tuned_on_valid"})}
        ),
        store.predictions(name),
    )


def spoil_seed(store, name):
    store.put(store.get(name).model_copy(update={"seed": 77}), store.predictions(name))


def spoil_rows(store, name):
    rows = store.predictions(name)
    store.put(
        store.get(name),
        type(rows)(rows.ids[1:], rows.videos[1:], rows.target[1:], rows.prediction[1:]),
    )


def spoil_values(store, name):
    rows = store.predictions(name)
    store.put(
        store.get(name), type(rows)(rows.ids, rows.videos, rows.target, rows.prediction * np.nan)
    )


def spoil_weights(store, name):
    other = next(p for p in sorted(store.root.glob("weights/*")) if p.stem != name)
    shutil.copy(other, store.weights(name))


def cut(folder):
    def spoil(store, name):
        path = store.root / folder / f"{name}.{'json' if folder == 'json' else 'safetensors'}"
        path = store.runs / f"{name}.json" if folder == "json" else path
        path.write_bytes(path.read_bytes()[:-9])

    return spoil


def flip(folder):
    """The lowest bit of the last byte, which is a tensor's."""

    def spoil(store, name):
        path = store.root / folder / f"{name}.safetensors"
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_spec,
        spoil_seed,
        spoil_rows,
        spoil_values,
        spoil_weights,
        cut("json"),
        cut("runs"),
        cut("weights"),
        flip("runs"),
        flip("weights"),
    ],
)
def test_what_is_not_whole_or_not_what_it_says_is_refused_and_its_store_left_alone(stores, spoil):
    first, _, into = stores
    name = sorted(p.stem for p in first.runs.glob("*.json"))[1]
    spoil(first, name)
    before = content(first)
    found = {one.run_id: one for one in merge(first.root, into)}
    assert found[name].how == "refused" and found[name].why
    assert [one.how for one in found.values()].count("copied") == 2
    assert into.get(name) is None and content(first) == before


def test_what_is_no_store_is_told(stores, tmp_path):
    into = stores[2]
    with pytest.raises(RequestError, match="is not a store"):
        list(merge(tmp_path, into))
    with pytest.raises(RequestError, match="name another"):
        list(merge(stores[0].root, stores[0]))


def test_the_command_names_what_it_refuses_and_ends_with_1(stores, merbench):
    first, second, into = stores
    done = merbench(
        "store",
        "merge",
        str(first.root),
        str(second.root),
        "--into",
        str(into.root),
        "--json",
        check=True,
    )
    assert {k: loads(done.stdout)[k] for k in ("copied", "there", "conflict", "refused")} == {
        "copied": 5, "there": 1, "conflict": 0, "refused": 0,
    }  # fmt: skip
    name = next(first.runs.glob("*.json")).stem
    (first.runs / f"{name}.json").write_text("{")
    told = merbench("store", "merge", str(first.root), "--into", str(into.root))
    assert (
        told.returncode == 1
        and name in told.stderr
        and told.stdout == "0 copied, 2 there, 0 conflict, 1 refused\n"
    )

"""Nothing is lost: atomic writes, corrupt records set aside, read-only stores refused before
training.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from merbench.api import RequestError, TrainConfig
from merbench.report.scores.runs_of_a_store import StoreSource
from merbench.results.files import write_atomic
from merbench.results.records.predictions import Predictions
from merbench.results.records.reading import UnreadableError, read_record
from merbench.results.records.record import Cost, Metrics, Record, Track
from merbench.results.spec import RunSpec, canonical, run_id
from merbench.results.store import root_folder
from merbench.results.store.store import DAMAGE, Store

FORK = multiprocessing.get_context("fork")


def spec(**changed) -> RunSpec:
    base = {
        "model": "m",
        "dataset": "d",
        "task": "t",
        "protocol": "p",
        "streams": {},
        "parts": {},
        "train": TrainConfig(),
    }
    return RunSpec(**(base | changed))


def record(name: str = "0123456789abcdef", **changed) -> Record:
    base = {
        "run_id": name, "status": "done", "started": "2026-11-20", "spec": spec(), "seed": 0, "space": {"kind": "score", "words": []},
        "track": Track(dataset="d", revision="r", task="t", protocol="p", streams=[]), "counts": {"test": 2}, "contents": {},
        "metrics": Metrics(valid={"mae": 1.0}, test={"mae": 1.0, "corr": None}), "source_digest": "x", "provenance": {},
        "cost": Cost(seconds=1, peak_bytes=1, parameters=1, trainable=1),
    }  # fmt: skip
    return Record(**(base | changed))


def predictions() -> Predictions:
    return Predictions(["a_1", "b_2"], ["a", "b"], np.array([0.5, -1.0]), np.array([0.25, 1.5]))


def test_what_is_put_comes_back(tmp_path):
    store = Store(tmp_path)
    store.put(record(), predictions())
    assert store.get(record().run_id) == record()
    back = store.predictions(record().run_id)
    assert list(back.ids) == ["a_1", "b_2"] and list(back.videos) == ["a", "b"]
    assert np.array_equal(back.target, [0.5, -1.0]) and np.array_equal(back.prediction, [0.25, 1.5])
    assert [r.run_id for r in store.records()] == [record().run_id]
    assert not store.warnings


@pytest.mark.parametrize(
    "damage",
    [
        lambda runs, name: (runs / f"{name}.json").write_text("{"),
        lambda runs, name: (runs / f"{name}.json").write_bytes(b"\xff\xfe"),
        lambda runs, name: (runs / f"{name}.json").write_text(
            (runs / f"{name}.json").read_text().replace('"seed"', '"sead"')
        ),
        lambda runs, name: (runs / f"{name}.json").write_text(
            (runs / f"{name}.json").read_text().replace('"schema_number": 1', '"schema_number": 0')
        ),
        lambda runs, name: (runs / f"{name}.json").write_text(
            (runs / f"{name}.json").read_text().replace(name, "f" * 16)
        ),
        lambda runs, name: (runs / f"{name}.safetensors").write_bytes(
            (runs / f"{name}.safetensors").read_bytes()[:-3]
        ),
        lambda runs, name: (runs / f"{name}.safetensors").unlink(),
    ],
)
def test_a_damaged_record_is_set_aside_and_told_never_deleted(tmp_path, damage):
    store = Store(tmp_path)
    store.put(record(), predictions())
    name = record().run_id
    damage(store.runs, name)
    left = (store.runs / f"{name}.json").read_bytes()
    assert store.get(name) is None
    (warning,) = store.warnings
    assert name in warning and "set-aside" in warning
    assert (tmp_path / "set-aside" / f"{name}.json").read_bytes() == left
    store.put(record(), predictions())
    assert store.get(name) == record()


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_one_flipped_bit_is_noticed(tmp_path, suffix):
    """In the record those flips that leave it valid are not: it has no digest of itself."""
    store = Store(tmp_path)
    store.put(record(), predictions())
    path = store.runs / f"{record().run_id}.{suffix}"
    whole = path.read_bytes()
    for place in range(0, len(whole), 19):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            got = store.read(record().run_id)
        except (*DAMAGE, UnreadableError):
            continue
        assert suffix == "json" and got != record()


def test_what_cannot_be_opened_or_is_newer_stays_where_it_is(tmp_path, monkeypatch):
    store, name = Store(tmp_path), record().run_id
    store.put(record(), predictions())
    store.put(record("f" * 16), predictions())
    path, opened = store.runs / f"{name}.json", Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda self: forbidden() if self == path else opened(self)
    )
    with pytest.raises(RequestError, match=r"cannot be read \(Permission denied\)"):
        store.get(name)
    assert [r.run_id for r in store.records()] == ["f" * 16]
    monkeypatch.undo()
    path.write_text(path.read_text().replace('"schema_number": 1', '"schema_number": 2, "new": 1'))
    with pytest.raises(RequestError, match="install a newer merbench"):
        store.get(name)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(RequestError, match="is no file"):
        store.get(name)
    assert [r.run_id for r in store.records()] == ["f" * 16]
    assert len(store.warnings) == 2 and not (tmp_path / "set-aside").exists()
    assert path.is_fifo()


def forbidden():
    raise PermissionError(13, "Permission denied")


def test_predictions_of_another_training_of_the_same_run_are_noticed(tmp_path, monkeypatch):
    """As a kill between the two files of `run --force` leaves them."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    store, name = Store(tmp_path), record().run_id
    store.put(record(), predictions())
    old = (store.runs / f"{name}.json").read_bytes()
    store.put(record(started="2027-01-01"), predictions())
    (store.runs / f"{name}.json").write_bytes(old)
    assert StoreSource(store).records() == []
    assert store.get(name) is None and "another training" in store.warnings[0]
    store.put(record(), predictions())
    store.update(store.get(name), {"trials": 2, "seconds": 1.0})
    assert store.get(name).tuned_by


def test_an_update_loses_nothing_that_another_process_has_added(tmp_path):
    store = Store(tmp_path)
    store.put(record(), predictions())

    def stand_on(revision: str) -> None:
        for number in range(5):
            track = record().track.model_copy(update={"revision": f"{revision}{number}"})
            store.update(record(), None, track)

    processes = [FORK.Process(target=stand_on, args=(revision,)) for revision in "abc"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    store.update(record(), {"trials": 2, "seconds": 1.0})
    kept = store.get(record().run_id)
    assert {t.revision for t in kept.tracks} == {"r", *(f"{r}{n}" for r in "abc" for n in range(5))}
    assert kept.tuned_by and not list((tmp_path / "claims").iterdir())


ODD = {
    "metrics that are nan": {"metrics": Metrics(valid={}, test={"mae": float("nan")})},
    "no metrics": {"metrics": None},
    "a score without words": {"space": {"kind": "score", "words": [], "anchors": [1.0]}},
    "a search without trials": {"tuned_by": {"seconds": 1}},
    "a fold beyond its protocol's": {"fold": 5, "folds": 5},
    "folds without a fold": {"folds": 2**70},
    "a history without epochs": {"history": [{"epoch": "one"}]},
    "losses that are a list": {"history": [{"epoch": 1, "loss": [1]}]},
    "a score by epoch that is a text": {"history": [{"epoch": 1, "mae": "x"}]},
    "a loss that is a list": {"history": [{"epoch": 1, "loss": {"l1": [1]}}]},
    "a commit that is a number": {"provenance": {"git": 1e308}},
    "a start that is no date": {"started": "now"},
    "packages that are a list": {"provenance": {"packages": ["torch"]}},
    "other numbers of rows": {"counts": {"test": 3}},
    "endless seconds": {
        "cost": Cost(seconds=float("inf"), peak_bytes=1, parameters=1, trainable=1)
    },
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_record_is_left_out_by_name_and_the_rest_goes_on(tmp_path, odd):
    store = Store(tmp_path)
    strange = record(**ODD[odd])
    store.put(strange, predictions())
    text = json.dumps(strange.model_dump(mode="python"))  # which keeps what is not finite
    (store.runs / f"{strange.run_id}.json").write_text(text)
    store.put(record("f" * 16), predictions())
    source = StoreSource(store)
    assert [r.run_id for r in source.records()] == ["f" * 16]
    (warning,) = source.warnings
    assert record().run_id in warning and "left out" in warning
    assert [r.run_id for r in store.records()] == ["f" * 16]


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "9" * 50 + ".5e999"])
def test_a_number_that_is_not_finite_is_refused_wherever_it_stands(tmp_path, number):
    path = tmp_path / f"{record().run_id}.json"
    sound = record().model_dump_json()
    places = [
        match.span(1) for match in re.finditer(r"[:\[,](-?[0-9.]+(?:e-?\d+)?)(?=[,}\]])", sound)
    ]
    assert len(places) > 10
    for start, end in places:
        path.write_text(f"{sound[:start]}{number}{sound[end:]}")
        with pytest.raises(ValueError):
            read_record(path)
    path.write_text(record(error="NaN, Infinity, 1e999").model_dump_json())
    assert read_record(path).error


@pytest.mark.parametrize("field", ["seed", "fold"])
def test_a_truth_value_is_no_number(tmp_path, field):
    path = tmp_path / f"{record().run_id}.json"
    path.write_text(json.dumps({**json.loads(record().model_dump_json()), field: True}))
    with pytest.raises(ValueError, match=f"(?s){field}.*valid integer"):
        read_record(path)


def test_a_file_of_old_predictions_without_digest_is_read(tmp_path):
    store = Store(tmp_path)
    store.put(record(), predictions())
    arrays = {"target": predictions().target, "prediction": predictions().prediction}
    rows = {"ids": json.dumps(["a_1", "b_2"]), "videos": json.dumps(["a", "b"])}
    (store.runs / f"{record().run_id}.safetensors").write_bytes(save(arrays, metadata=rows))
    assert store.get(record().run_id) == record() and StoreSource(store).records() == [record()]


def test_setting_aside_twice_keeps_both(tmp_path):
    store = Store(tmp_path)
    for text in ("{", "["):
        store.runs.mkdir(exist_ok=True)
        (store.runs / "abc.json").write_text(text)
        assert store.get("abc") is None
    assert sorted(p.read_text() for p in (tmp_path / "set-aside").iterdir()) == ["[", "{"]


@pytest.mark.parametrize("name", ["abc", "a[b]c"])
def test_setting_aside_replaces_nothing_that_was_set_aside_before(tmp_path, name):
    store, aside = Store(tmp_path), tmp_path / "set-aside"
    store.runs.mkdir()
    for text in "[{(":
        (store.runs / f"{name}.json").write_text(text)
        assert store.get(name) is None
        if text == "{":  # of two the first is gone, and the place of the second is taken
            (aside / f"{name}.json").unlink()
    assert sorted(path.read_text() for path in aside.iterdir()) == ["(", "{"]


def test_a_written_file_has_the_mode_that_any_new_file_has(tmp_path):
    (tmp_path / "plain").write_text("")
    write_atomic(tmp_path / "atomic", b"")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(
        os,
        "fsync",
        lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")),
    )
    with pytest.raises(RequestError, match=r"No space left.*--store"):
        Store(tmp_path).put(record(), predictions())


def test_a_store_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "store").write_text("")
    with pytest.raises(RequestError, match="--store"):
        Store(tmp_path / "store").require_writable()


def test_a_store_that_was_unmounted_in_mid_run_is_noticed(tmp_path):
    store = Store(tmp_path / "disk")
    store.require_writable()
    store.put(record(), predictions())
    store.root.rename(tmp_path / "away")
    for beneath in (False, True):
        if beneath:
            store.root.mkdir()
        with pytest.raises(RequestError, match=r"unmounted.*same command again"):
            store.put(record("f" * 16), predictions())
        assert not store.runs.exists()
    store.root.rmdir()
    (tmp_path / "away").rename(store.root)
    store.put(record("f" * 16), predictions())
    assert len(list(store.records())) == 2


def test_a_disk_that_is_unmounted_before_the_first_run_of_a_new_store_is_noticed(tmp_path):
    (tmp_path / "disk").mkdir()
    store = Store(tmp_path / "disk/new")
    store.require_writable()
    (tmp_path / "disk").rename(tmp_path / "away")
    (tmp_path / "disk").mkdir()
    with pytest.raises(RequestError, match="unmounted"):
        store.put(record(), predictions())
    assert not store.root.exists()


def test_a_store_that_takes_nothing_more_is_told_before_a_run(tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    store.require_writable()
    store.require_room()

    def read_only(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(root_folder, "TemporaryFile", read_only)
    with pytest.raises(RequestError, match=r"Read-only.*same command again"):
        store.require_room()
    store.require_same_folder()


def test_many_may_ask_at_once_whether_a_store_can_be_written(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Store(tmp_path / "new").require_writable(), range(200)))
    assert not (tmp_path / "new").exists(), "asking leaves nothing"


def test_weights_are_never_those_of_an_earlier_training(tmp_path):
    store, name = Store(tmp_path), record().run_id
    old = save({"w": np.zeros(1)}, metadata={"sha256": "old"})
    store.put(record(weights_sha256="old"), predictions(), old)
    assert store.has_weights(name) and store.weights(name).read_bytes() == old
    store.put(record(weights_sha256="new"), predictions())
    assert not store.has_weights(name)
    store.put(record(weights_sha256="new"), predictions(), old)
    assert not store.has_weights(name)
    with pytest.raises(
        RequestError,
        match=r"not those of the run.s record; run it again with --force",
    ):
        store.weights(name)


@pytest.mark.parametrize(("cut", "n_replaced"), [(0.5, 0), (0.25, 1)])
def test_equal_predictions_with_other_thresholds_are_another_result(tmp_path, cut, n_replaced):
    store = Store(tmp_path)
    store.put(record(thresholds=[0.5]), predictions())
    store.put(record(thresholds=[cut], started="2027-01-01"), predictions())
    assert store.get(record().run_id).thresholds == [cut]
    assert len(list((tmp_path / "replaced").glob("*.json"))) == n_replaced


def test_run_id_depends_on_everything_that_decides_the_numbers_and_on_nothing_else():
    def name(other=None, data="x", seed=0, fold=None):
        return run_id(other or spec(), {"data": data}, seed, fold)

    assert name() == name()
    changed = (
        name(data="y"),
        name(seed=1),
        name(fold=0),
        name(spec(train=TrainConfig(lr=2e-3))),
        name(spec(model="n")),
    )
    assert len({name(), *changed}) == 6


def test_fields_that_came_later_leave_the_ids_of_the_first_records():
    """What decides the id, of a record of the first version, which knew neither ``init_from`` nor
    ``train.stack``.
    """
    first = json.loads(Path(__file__).with_name("first_version.json").read_text())
    published = RunSpec(**first["spec"])

    def name(spec):
        return run_id(spec, first["contents"], first["seed"], first["fold"])

    assert name(published) == first["run_id"]
    for other in (
        published.model_copy(update={"init_from": "x"}),
        with_train(published, stack=True),
    ):
        assert name(other) != first["run_id"]


def with_train(spec, **changes):
    return spec.model_copy(update={"train": spec.train.model_copy(update=changes)})


def test_canonical_json_ignores_order():
    assert canonical({"b": 1, "a": [1.5, None]}) == '{"a":[1.5,null],"b":1}'
    with pytest.raises(ValueError, match="Out of range"):
        canonical({"a": float("nan")})


def test_a_record_is_plain_json(tmp_path):
    store = Store(tmp_path)
    store.put(record(), predictions())
    assert json.loads((store.runs / f"{record().run_id}.json").read_text())["metrics"]["test"] == {
        "mae": 1.0,
        "corr": None,
    }


def test_a_record_with_the_name_of_a_pattern_takes_no_other_with_it(make, tmp_path):
    from merbench.results.store.store import Store
    from merbench.runs.run import run
    from tests.tiny_runs import MACHINE

    plan, corpus = make("majority")
    store = Store(tmp_path / "store")
    (record,) = run(plan, corpus, [0], store, MACHINE)
    (store.runs / "*.json").write_text("no record")
    assert store.get("*") is None
    assert store.get(record.run_id) == record and not (store.runs / "*.json").exists()

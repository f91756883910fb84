"""Weights to start from that have seen evaluated rows: refused, or permanently marked."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from merbench.api import RequestError
from merbench.engine.model.initial_weights import weights_of_run
from merbench.engine.plan.plan import Request
from merbench.engine.plan.start_weights import Start
from merbench.engine.resolve import resolve
from merbench.engine.restore import plan_of
from merbench.results.records.record import Record
from merbench.results.store.store import Store
from merbench.runs.init_from import named, seen_by, start_from
from merbench.runs.run import run
from merbench.testing import tiny
from tests.report.made import put, spec
from tests.tiny_runs import MACHINE, in_folds

TINY = in_folds(tiny.corpus())
MORE = dataclasses.replace(
    TINY, protocols={**TINY.protocols, "four": in_folds(tiny.corpus(), 4).protocols["folds"]}
)


@pytest.fixture
def go_on(catalog, store):
    """Starts runs on ``corpus`` from those of another protocol or data set, of which ``here`` are
    on the machine.
    """

    def plan(protocol, corpus=MORE, **more):
        settings = {"train.epochs": 1, "train.batch_size": 8}
        return resolve(
            Request("late-fusion-dnn", protocol=protocol, settings=settings, **more),
            catalog,
            corpus,
            None,
        )

    def start(record, here):
        return start_from(store, record, [0], seen_by(store, record, {c.name: c for c in here}.get))

    def go_on(before, protocol, corpus=MORE, here=(MORE,), **more):
        record = (
            before
            if isinstance(before, Record)
            else run(plan(before), MORE, [0], store, MACHINE)[0]
        )
        made = plan(protocol, corpus, start=start(record, here), **more)
        return made, run(made, corpus, [0], store, MACHINE)[0]

    return go_on


def test_damaged_weights_are_not_started_from(go_on, store):
    _, record = go_on("standard", "standard")
    path = store.weights(record.run_id)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(RequestError, match=r"are damaged .*--force"):
        go_on(record, "standard")
    with pytest.raises(RequestError, match=r"cannot be read .*--force"):
        weights_of_run(Start("x", {(0, None): path}), 0, None)


def test_weights_that_a_later_fold_lacks_are_told_before_any_fold_is_trained(go_on, store):
    with pytest.raises(RequestError, match="there is no fold 3 among them"):
        go_on("folds", "four", allow_leak=True)
    assert not [record for record in store.records() if record.spec.init_from]


@pytest.mark.parametrize("protocol", ["standard", "folds"])
def test_the_same_protocol_is_gone_on_with_fold_by_fold(go_on, protocol):
    _, record = go_on(protocol, protocol)
    assert record.status == "done" and not record.track.leaks and not record.spec.allow_leak


@pytest.mark.parametrize(
    ("before", "after"), [("standard", "folds"), ("folds", "four"), ("four", "folds")]
)
def test_rows_that_another_protocol_evaluates_are_refused_or_marked(go_on, before, after, catalog):
    with pytest.raises(
        RequestError,
        match=rf"of the valid and test rows of protocol {after} of tiny .*--allow-leak",
    ):
        go_on(before, after)
    if before == "standard":
        plan, record = go_on(before, after, allow_leak=True)
        assert (
            record.track.leaks == ["initial weights"]
            and "LEAKS: initial weights" in record.track.title
        )
        assert plan_of(record.spec, catalog, MORE, None).spec == plan.spec, (
            "the stored run is still known"
        )
        with pytest.raises(
            RequestError, match="were trained on protocol folds of tiny, with a leak"
        ):
            go_on(record, "folds", allow_leak=False)


def test_rows_that_changed_since_cannot_be_told_apart(go_on):
    fewer = dataclasses.replace(MORE.protocols["standard"].splits[0], train=np.arange(11))
    changed = dataclasses.replace(
        MORE,
        protocols={"standard": dataclasses.replace(MORE.protocols["standard"], splits=(fewer,))},
    )
    with pytest.raises(RequestError, match="whose rows were others than they are here"):
        go_on("standard", "standard", changed, here=(changed,))


def test_another_data_set_is_asked_for_utterances_that_it_shares(go_on):
    apart = dataclasses.replace(
        MORE,
        name="apart",
        videos=np.array([f"x{v}" for v in MORE.videos]),
        texts=np.array([""] * len(MORE)),
    )
    _, record = go_on("standard", "standard", apart)
    assert record.status == "done" and not record.track.leaks and not record.notes
    twin = dataclasses.replace(MORE, name="twin")
    with pytest.raises(RequestError, match="of protocol standard of twin"):
        go_on("standard", "standard", twin)
    _, record = go_on("standard", "standard", twin, here=())
    assert record.notes == [
        "the initial weights were trained on protocol standard of tiny, which is not here as it was: shared utterances were not checked"
    ]


def test_what_the_start_started_from_counts_as_well(go_on):
    apart = dataclasses.replace(
        MORE,
        name="apart",
        videos=np.array([f"x{v}" for v in MORE.videos]),
        texts=np.array([""] * len(MORE)),
    )
    _, between = go_on("standard", "standard", apart)
    with pytest.raises(RequestError, match="through protocol standard of tiny"):
        go_on(between, "folds", here=(MORE, apart))


def test_a_file_of_the_store_is_its_run_and_one_of_another_store_says_how_to_bring_it(tmp_path):
    store, other = Store(tmp_path / "mine"), Store(tmp_path / "the other")
    run_id, other_id = (put(s, 0.5, spec(), [0])[0].run_id for s in (store, other))
    assert named(store, run_id) == named(store, str(store.file(run_id, ".json")))
    assert named(store, f"{store.root}/runs/{run_id}.safetensors").run_id == run_id
    merge = f"merbench store merge '{other.root}' --into {store.root} brings its runs here"
    for name, shown in ((other.file(other_id, ".json"), other_id), (other.root, "RUN")):
        with pytest.raises(RequestError) as refusal:
            named(store, str(name))
        assert f"--init-from {name} is of another store; {merge}" in str(refusal.value)
        assert f"where {shown} is to be named" in str(refusal.value)


@pytest.mark.parametrize("name", ["model.pt", "a/b", "weights.safetensors"])
def test_weights_without_a_record_are_no_start(store, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(RequestError, match=r"is no run of a store; .*give the id of a run"):
        named(store, name)

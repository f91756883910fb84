"""Which runs make a row, and under which name a reader tells two rows apart."""

from __future__ import annotations

from merbench.api import TrainConfig
from merbench.report.scores.missing_runs import no_run
from merbench.report.scores.rows.differing_settings import differing_settings
from merbench.report.scores.rows.entries import Entry, collect, rows_named
from merbench.report.scores.rows.pooled_seeds import whole_seeds
from tests.report.made import record, spec

FIELDS = ("tuned_by", "source_digest", "track", "contents")
TUNED = {"study": "s", "trials": 30, "seconds": 60.0}


def one(seed=0, **changes):
    changed = {k: changes.pop(k) for k in FIELDS if k in changes}
    return record(seed, 0.5, spec(**changes), **changed)[0]


def names(groups):
    settings = differing_settings(groups)
    return [Entry(tuple(rows), s).name for rows, s in zip(groups, settings, strict=True)]


def test_names_say_how_specs_differ():
    assert names([[one()], [one(model="mult")], [one(variant="no-x")]]) == [
        "merclip",
        "mult",
        "merclip no-x",
    ]
    assert names([[one()], [one(lr=0.002, tuned_by=TUNED)]]) == ["merclip untuned", "merclip tuned"]
    assert names([[one()], [one(lr=0.002)]]) == [
        "merclip (train.lr=0.001)",
        "merclip (train.lr=0.002)",
    ]
    by_corr = TrainConfig(lr=1e-3, epochs=3, select="corr")
    assert names([[one()], [one(train=by_corr)]]) == [
        "merclip (train.select=empty)",
        "merclip (train.select=corr)",
    ]
    assert names([[one(width=32)], [one()], [one(lr=0.01)]]) == [
        "merclip (fusion.width=32, train.lr=0.001)",
        "merclip (fusion.width=64, train.lr=0.001)",
        "merclip (fusion.width=64, train.lr=0.01)",
    ]
    assert names([[one()], [one(source_digest="fedcba9876")]]) == [
        "merclip (source abcdef0)",
        "merclip (source fedcba9)",
    ]
    assert names([[one()], [one(lr=0.1)], [one(lr=0.2, tuned_by=TUNED)]])[2] == "merclip tuned"
    tuned = [[one(lr=0.2, tuned_by=TUNED)], [one(lr=0.3, tuned_by=TUNED | {"trials": 8})]]
    assert names(tuned) == ["merclip tuned", "merclip tuned (after 8 trials)"]
    assert names([*tuned, [one()]])[2] == "merclip untuned"


def test_rows_are_distinguished_whatever_differs():
    many = [
        [one(width=w, lr=lr, source_digest=d)]
        for w in (1, 2)
        for lr in (0.1, 0.2)
        for d in ("aaaaaaaa", "bbbbbbbb")
    ]
    assert len(set(names(many))) == len(many)


def test_boards_are_tracks_and_rows_never_mix_sources():
    other = one(model="mult").track.model_copy(update={"streams": ["text.words"]})
    records = [
        one(1),
        one(0),
        one(0, model="ridge"),
        one(2, source_digest="x"),
        one(model="mult", track=other),
    ]
    first, second = collect(records, {"ridge"})
    assert first.track == other
    assert [(e.name, e.floor, [r.seed for r in e.records]) for e in second.entries] == [
        ("merclip (source abcdef0)", False, [0, 1]),
        ("merclip (source x)", False, [2]),
        ("ridge", True, [0]),
    ]
    assert (
        collect(records, set(), dataset="mosi") == []
        and len(collect(records, set(), track="AUDIO")) == 1
    )


def test_runs_on_streams_that_were_extracted_anew_are_a_row_of_their_own():
    """The track, of ids, labels and splits, is the same; the seeds of each are whole."""
    first, again = {"data": "1" * 64}, {"data": "2" * 64}
    seeds = ((0, first), (1, first), (0, again), (2, again))
    (board,) = collect([one(seed, contents=contents) for seed, contents in seeds], set())
    rows = {e.name: list(whole_seeds(e.records)) for e in board.entries}
    assert rows == {"merclip (data 1111111)": [0, 1], "merclip (data 2222222)": [0, 2]}


def test_a_row_is_found_by_what_any_table_shows_of_it():
    records = [one(), one(lr=0.002), one(lr=0.5, tuned_by=TUNED), one(model="mult", tuned_by=TUNED)]
    (board,) = collect(
        [r.model_copy(update={"run_id": str(i)}) for i, r in enumerate(records)], set()
    )

    def found(text):
        return [e.name for e in rows_named(text, board.entries)]

    assert {e.label for e in board.entries} == {"merclip", "mult"}
    assert found("merclip tuned") == ["merclip tuned"]
    assert found("merclip untuned train.lr=0.001") == ["merclip untuned (train.lr=0.001)"]
    assert found("merclip untuned (train.lr=0.001)") == ["merclip untuned (train.lr=0.001)"]
    assert found("mult") == found("mult tuned") == ["mult"]  # as merbench tune shows it
    assert len(found("merclip")) == 3 and len(found("merclip untuned")) == 2
    assert found("mult (floor)") == ["mult"]  # as a floor stands at a terminal
    assert found("tfn") == []


def test_a_name_keeps_its_row_when_a_larger_store_shows_more_settings():
    small, large = (0.001, 0.002), (0.001, 0.002, 0.003)
    first = [one(model=model, lr=lr) for model in ("tfn", "mult") for lr in small]
    more = [
        one(model=model, lr=lr, tuned_by=TUNED if lr == 0.003 else None)
        for model in ("tfn", "mult")
        for lr in large
    ]
    boards = []
    for records in (first, more):
        numbered = [r.model_copy(update={"run_id": str(i)}) for i, r in enumerate(records)]
        boards += collect(numbered, set())
    before, after = (board.entries for board in boards)
    for entry in before:
        (kept,) = rows_named(entry.name, after)
        assert kept.label == entry.label
        assert kept.first.spec.train.lr == entry.first.spec.train.lr
    assert {e.name for e in before} != {e.name for e in after}
    assert not rows_named("tfn (train.lr=0.1)", after)


def test_a_store_without_the_runs_asked_for_says_what_it_has():
    assert "merbench run --model merclip makes some" in no_run([], "runs", "mosi")
    assert "it has runs of sample:seed=1" in no_run([one(dataset="sample:seed=1")], "runs", "mosi")
    assert "did you mean 'mosei'" in no_run([one(dataset="mosei")], "runs", "mosi")
    assert "shows the tracks" in no_run([one(dataset="mosi")], "runs", "mosi", "folds")


def test_a_data_set_is_found_in_whatever_order_its_settings_are_given():
    records = [one(dataset="sample:seed=1,train=9")]
    assert len(collect(records, (), "sample:train=9,seed=1")) == 1
    assert not collect(records, (), "sample:seed=1")

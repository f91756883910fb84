"""A row that another supersedes leaves the ranking and stays everywhere else, with the reason."""

from __future__ import annotations

import dataclasses
import json
import os
import re

import numpy as np
import pytest
from safetensors.numpy import save

import merbench as api
from merbench.api import RequestError
from merbench.bench.python_session import catalog
from merbench.cli.look.leaderboard.rejected import refuse_unexplained
from merbench.functions.look.pull import pulled
from merbench.report.folder.read import read, titled
from merbench.report.folder.write import unwritten
from merbench.report.scores.board.board_scores import score
from merbench.report.scores.cache import Cache
from merbench.report.scores.compare import side
from merbench.report.scores.rows.entries import collect
from merbench.report.scores.runs_of_a_store import StoreSource
from merbench.report.site.board_page.page import board_page
from merbench.report.tables.board_sheet import as_json, sheet
from merbench.report.tables.tidy import tidy
from merbench.report.verify.board import check_rows
from merbench.results.store.corrections import Correction, by_old_run, digest, faults, original
from merbench.results.store.history import read_corrections, replaced_runs, write_correction
from merbench.results.store.merge import merge
from merbench.results.store.store import Store
from tests.report.made import corpus, put, put_board, record, spec
from tests.report.verify.test_verify import known

WHY = "audio was standardised by test rows"


@pytest.fixture(scope="module")
def corrected(tmp_path_factory):
    """``tfn`` was run again under its own ids and came out worse; ``mult`` gave way to ``lmf``."""
    store = Store(tmp_path_factory.mktemp("history") / "store")
    put(store, 0.5, spec("tfn"), range(2))
    put(store, 0.8, spec("tfn"), range(2))
    put(store, 0.4, spec("mult"), range(2))
    put(store, 0.7, spec("lmf"), range(2))
    put(store, 0.9, spec("merclip"), range(2))
    api.supersede("tfn", reason=WHY, store=store.root)
    api.supersede("mult", "lmf", reason="one epoch too many", store=store.root)
    return store


def board_of(store):
    source = StoreSource(store)
    (board,) = collect(source.records(), (), corrections=source.corrections())
    return source, board, score(board, source, Cache(None))


@pytest.fixture(scope="module")
def page(corrected):
    return board_of(corrected)


def test_a_superseded_row_is_not_ranked_and_is_shown_with_its_reason(page):
    _, board, scores = page
    assert [*scores.standings] == ["lmf", "tfn", "merclip"] == [*scores.rows]
    old = [e for e in board.superseded if e.label == "tfn"]
    assert [len(e.records) for e in old] == [2] and len(board.superseded) == 2
    name = old[0].name
    assert name.startswith("tfn (superseded 20")
    assert (
        scores.superseded[name].summary["mae"].mean < 0.6 < scores.rows["tfn"].summary["mae"].mean
    )
    table = sheet(board, scores, superseded=True)
    rows = {row["name"]: row for row in as_json(board, scores, table)["rows"]}
    assert rows[name]["superseded"]["by"] == ["tfn"] and rows[name]["standing"] is None
    assert rows[name]["superseded"]["reason"] == WHY
    lines = [line for line in tidy([(board, scores, table)]) if line["group"] == "superseded"]
    assert {line["model"] for line in lines} == {"tfn", "mult"} and lines[0]["rank"] is None
    assert name not in {row.name for row in sheet(board, scores).rows}
    assert any(WHY in note and note.startswith(f"{name}, MAE 0.") for note in table.notes)
    text = board_page(board, scores, {})
    assert 'value="superseded">' in text, "folded until one asks for it"
    assert f"<b>{name}</b>, MAE 0." in text and WHY in text
    assert "2 superseded rows</summary>" in text


def test_old_and_new_can_be_compared(page):
    source, board, _ = page
    old = board.superseded[0].name
    assert side(board, source, old).seeds.keys() == side(board, source, "tfn").seeds.keys()


def test_an_ensemble_takes_the_runs_of_now_and_not_those_they_replaced(corrected):
    lines = api.ensemble(["tfn", "merclip"], store=corrected.root).lines
    assert [len(line.scored) for line in lines] == [2, 2, 2, 1]
    now = corrected.predictions(next(r.run_id for r in corrected.records() if r.seed == 0
                                     and r.spec.model == "tfn"))  # fmt: skip
    assert np.array_equal(lines[0].scored[0].rows.prediction, now.prediction)


@pytest.fixture(scope="module")
def built(page, tmp_path_factory):
    source, board, scores = page
    path = tmp_path_factory.mktemp("board") / "one"
    put_board(path, board, scores, source)
    return path


def failures(folder):
    truth = dataclasses.replace(known(), floors=set(), closed_forms=set())
    return [f.sentence for f in check_rows(folder, folder.by(()), truth)[0]]


def test_a_folder_keeps_the_history_and_verifies(built, page):
    folder = read(built)
    assert failures(folder) == [] and len(folder.corrections) == 2
    (same,) = titled([folder])
    assert [e.name for e in same.board.superseded] == [e.name for e in page[1].superseded]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("gone", "superseded run .* is gone"),
        ("altered", "is not the one it was made for"),
        ("no reason", "no correction says why"),
        ("circle", "are superseded by its superseded ones"),
    ],
)
def test_verify_sees_what_was_done_to_the_history(built, change, sentence):
    folder = read(built)
    old = next(r for r in folder.records if "~" in r.run_id)
    others = tuple(r for r in folder.records if r is not old)
    if change == "gone":
        folder = dataclasses.replace(folder, records=others)
    elif change == "altered":
        test = {**old.metrics.test, "mae": 0.1}
        lie = old.model_copy(update={"metrics": old.metrics.model_copy(update={"test": test})})
        folder = dataclasses.replace(folder, records=(*others, lie))
    elif change == "no reason":
        kept = tuple(c for c in folder.corrections if old.run_id not in c.old)
        folder = dataclasses.replace(folder, corrections=kept)
    else:
        first = folder.corrections[0]
        back = first.model_copy(update={"old": first.new, "new": first.old})
        folder = dataclasses.replace(folder, corrections=(*folder.corrections, back))
    assert any(re.search(sentence, text) for text in failures(folder))


def test_a_circle_is_found_however_long():
    def one(old, new, day=1):
        return Correction(old={old: old}, new={new: new}, reason="x", date=f"2026-01-0{day}")

    chain = [one("a", "b"), one("b", "c"), one("c", "d")]
    digests = {name: name for name in "abcd"}
    assert list(faults(chain, digests)) == []
    assert len(list(faults([*chain, one("d", "a")], digests))) == 4
    first = one("a", "b", 1)
    assert by_old_run([one("a", "c", 2), first])["a"] == first


def test_pull_and_merge_carry_corrections_and_replace_what_they_correct(built, corrected, tmp_path):
    mine = Store(tmp_path / "mine")
    put(mine, 0.5, spec("tfn"), range(2))
    old = {r.run_id: digest(r) for r in mine.records()}
    runs = list(pulled(built.parent, mine, catalog(), lambda name: corpus()))
    assert {run.how for run in runs} == {"copied", "there"}, [run for run in runs if run.why]
    other = Store(tmp_path / "other")
    list(merge(corrected.root, other))
    for store in (mine, other):
        assert read_corrections(store.root) == read_corrections(corrected.root)
        _, board, scores = board_of(store)
        assert [*scores.standings] == ["lmf", "tfn", "merclip"] and len(board.superseded) == 2
    kept = {original(r.run_id): digest(r) for name in old for r in replaced_runs(mine, name)}
    assert kept == old
    stale = Store(tmp_path / "stale")
    put(stale, 0.5, spec("tfn"), range(2))
    again = list(merge(stale.root, mine))
    assert [(run.how, run.why) for run in again] == [("there", "the one here supersedes it")] * 2


def test_what_supersedes_a_run_comes_with_its_weights_and_stays_on_the_tracks_of_both(
    built, corrected, tmp_path
):
    mine, theirs, boards = (Store(tmp_path / name) for name in ("mine", "theirs", "boards"))
    list(merge(corrected.root, theirs))
    here = put(mine, 0.5, spec("tfn"), range(2))
    elsewhere = here[0].track.model_copy(update={"streams": ["text.words"]})
    for store in (mine, boards):
        for run in here:
            store.put(run, record(run.seed, 0.5, run.spec)[1])
            store.update(run, None, elsewhere)
    weights = theirs.root / "weights" / f"{here[0].run_id}.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(save({}))
    newer = theirs.get(here[0].run_id)
    list(merge(theirs.root, mine))
    list(pulled(built.parent, boards, catalog(), lambda name: corpus()))
    for store in (mine, boards):
        run = store.get(here[0].run_id)
        assert run.metrics == newer.metrics and run.also_on == [elsewhere]
    assert (mine.root / "weights" / weights.name).read_bytes() == weights.read_bytes()


def test_a_published_result_changes_only_with_a_reason(built, tmp_path):
    refuse_unexplained(read(built))
    store = Store(tmp_path)
    put(store, 0.3, spec("tfn"), range(2))
    source = StoreSource(store)
    (other,) = collect(source.records(), ())
    with pytest.raises(RequestError, match=r"publishes run [0-9a-f]{16} of tfn with other results"):
        refuse_unexplained(unwritten(built, other, source))
    refuse_unexplained(unwritten(tmp_path / "new", other, source))


def test_the_same_predictions_added_up_to_another_last_digit_are_no_other_result(built):
    folder = read(built)
    first, *others = folder.records
    test = first.metrics.test | {"mae": first.metrics.test["mae"] + 1e-15}
    metrics = first.metrics.model_copy(update={"test": test})
    again = first.model_copy(update={"metrics": metrics})
    refuse_unexplained(dataclasses.replace(folder, records=(again, *others)))
    with pytest.raises(RequestError, match="with other results"):
        predicted = dict(folder.predicted) | {first.run_id: folder.predicted[first.run_id] + 1}
        refuse_unexplained(
            dataclasses.replace(folder, records=(again, *others), predicted=predicted)
        )


def test_a_published_run_that_failed_when_it_was_made_again_is_another_result(built):
    folder = read(built)
    first, *others = folder.records
    failed = first.model_copy(update={"status": "failed", "metrics": None})
    left = {run: array for run, array in folder.predicted.items() if run != first.run_id}
    with pytest.raises(RequestError, match="with other results"):
        refuse_unexplained(dataclasses.replace(folder, records=(failed, *others), predicted=left))


def test_a_published_result_is_not_dropped(built, corrected, tmp_path):
    store = Store(tmp_path)
    put(store, 0.9, spec("merclip"), range(2))
    source = StoreSource(store)
    (other,) = collect(source.records(), ())
    with pytest.raises(RequestError, match=r"publishes 8 runs that this store does not .*mult"):
        refuse_unexplained(unwritten(built, other, source))


def test_a_run_with_equal_results_replaces_nothing(tmp_path):
    store = Store(tmp_path)
    (kept,) = put(store, 0.5, spec("tfn"), [0])
    put(store, 0.5, spec("tfn"), [0])
    assert replaced_runs(store, kept.run_id) == []
    with pytest.raises(RequestError, match="no run of tfn was made again with other results"):
        api.supersede("tfn", reason="x", store=tmp_path)
    put(store, 0.6, spec("tfn"), [0])
    (old,) = replaced_runs(store, kept.run_id)
    assert old.model_copy(update={"run_id": kept.run_id}) == kept
    before, now = store.predictions(old.run_id), record(0, 0.5, spec("tfn"))[1]
    assert np.array_equal(before.prediction, now.prediction)


def test_what_cannot_be_superseded_is_one_sentence(corrected, merbench):
    words = ("leaderboard", "supersede", "--store", str(corrected.root), "--reason")
    for asked, sentence in (
        (("x", "tfm", "lmf"), "did you mean 'tfn'"),
        (("x", "tfn", "tfn"), "are one row; name the row that takes its place"),
        (("", "tfn", "lmf"), "--reason: String should have at least 1 character"),
        (("by me@home.org", "tfn", "lmf"), "leave e-mail addresses out"),
    ):
        done = merbench(*words, *asked)
        assert done.returncode == 2 and sentence in done.stderr, done.stderr
    assert len(read_corrections(corrected.root)) == 2
    shown = merbench("leaderboard", "--store", str(corrected.root), "--format", "json", check=True)
    rows = json.loads(shown.stdout)[0]["rows"]
    assert sum("superseded" in row for row in rows) == 2


def test_a_correction_that_cannot_be_read_is_reported_and_changes_nothing(tmp_path):
    store = Store(tmp_path)
    put(store, 0.5, spec("tfn"), [0])
    write_correction(
        tmp_path, Correction(old={"a": "a"}, new={"b": "b"}, reason="x", date="2026-01-01")
    )
    (tmp_path / "corrections" / "0.json").write_text("{")
    source = StoreSource(store)
    assert len(source.corrections()) == 1 and "0.json cannot be read" in source.warnings[0]
    (board,) = collect(source.records(), (), corrections=source.corrections())
    assert len(board.entries) == 1 and not board.superseded


def test_a_correction_cannot_name_a_file_outside_its_store(tmp_path):
    """What looks like a damaged record there would be set aside."""
    store, mine = Store(tmp_path / "store"), tmp_path / "mine.json"
    put(store, 0.5, spec("tfn"), [0])
    mine.write_text("{}")
    names = {"../../mine": "x"}
    stated = {"schema_number": 1, "old": names, "new": names, "reason": "x", "date": "2026-01-01"}
    (store.root / "corrections").mkdir()
    (store.root / "corrections/0.json").write_text(json.dumps(stated))
    warnings: list[str] = []
    assert not read_corrections(store.root, warnings.append) and "0.json" in warnings[0]
    list(merge(store.root, Store(tmp_path / "into")))
    with pytest.raises(RequestError, match="leaves the folder"):
        store.get("../../mine")
    assert mine.read_text() == "{}"


def test_a_pipe_in_the_place_of_a_correction_keeps_nobody_waiting(tmp_path):
    (tmp_path / "corrections").mkdir()
    os.mkfifo(tmp_path / "corrections/0.json")
    warnings: list[str] = []
    assert not read_corrections(tmp_path, warnings.append) and "no file" in warnings[0]

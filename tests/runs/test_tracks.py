"""What is one run for several tracks stands on each that was asked for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import merbench as api
from merbench.results.store.claims import Claims
from merbench.results.store.merge import merge
from merbench.results.store.store import Store
from merbench.runs.run import run
from tests.tiny_runs import MACHINE


def test_a_run_that_reads_nothing_of_what_differs_stands_on_every_track(home, tmp_path):
    np.savez(tmp_path / "v.npz", word=np.array(["a"]), vector=np.ones((1, 2), dtype=np.float32))
    asked = {"store": tmp_path / "s", "progress": False, "data": home}
    api.run("majority", "tiny", **asked)
    api.run("majority", "tiny", vectors=[str(tmp_path / "v.npz")], **asked)
    (record,) = Store(tmp_path / "s").records()
    assert len(record.also_on) == 1
    boards = api.leaderboard(tmp_path / "s").boards
    assert [list(scores.rows) for _, scores in boards] == [["majority"], ["majority"]]
    assert len({board.title for board, _ in boards}) == 2
    api.run("majority", "tiny", **asked)
    assert next(Store(tmp_path / "s").records()) == record

    api.run("majority", "tiny", **{**asked, "store": tmp_path / "t"})
    assert [merged.how for merged in merge(tmp_path / "s", Store(tmp_path / "t"))] == ["there"]
    assert next(Store(tmp_path / "t").records()).also_on == record.also_on


def test_a_run_made_again_stays_on_its_tracks_and_says_that_its_settings_were_searched(
    home, tmp_path
):
    asked = {"store": tmp_path / "s", "progress": False, "data": home}
    api.run("majority", "tiny", **asked)
    store = Store(tmp_path / "s")
    (record,) = store.records()
    other = record.track.model_copy(update={"streams": ["text.words"]})
    before = store.update(record, {"trials": 3, "seconds": 1.0}, other)
    api.run("majority", "tiny", force=True, **asked)
    (again,) = store.records()
    assert (again.track, again.also_on) == (record.track, [other])
    assert again.tuned_by == before.tuned_by


def test_what_a_study_names_stands_on_each_of_its_tracks_and_is_run_once(home, tmp_path):
    with (home / "tiny/dataset.toml").open("a") as file:
        again = 'modality = "audio"\nkind = "features"\nfile = "x.npz"\narray = "audio"\n'
        file.write(f'[streams."audio.y"]\n{again}')
    boards = []
    for streams in (["audio.x"], ["audio.x", "audio.y"]):
        text = 'models = [{ name = "late-fusion-dnn", modalities = ["video"] }]\n'
        text += "seeds = 1\nfloors = false\nsettings.train.epochs = 1\n"
        for name in streams:
            text += '[[tracks]]\ndataset = "tiny"\n'
            text += f'streams.audio = "{name}"\n'
        (tmp_path / "study.toml").write_text(text)
        keywords = {"store": tmp_path / "s", "data": home, "progress": False}
        status = api.study_run(tmp_path / "study.toml", **keywords)
        assert len(status.to_pandas()) == len(streams)
        boards.append([b.track.streams[0] for b, _ in api.leaderboard(tmp_path / "s").boards])
        assert len(list(Store(tmp_path / "s").records())) == 1
    assert boards == [["audio.x"], ["audio.x", "audio.y"]]


@pytest.mark.parametrize("stack", [False, True])
def test_a_run_that_another_process_made_meanwhile_stands_on_the_tracks_of_both(
    make, store, monkeypatch, stack
):
    plan, corpus = make(settings={"train.epochs": 1, "train.stack": stack})
    other_track = plan.track.model_copy(update={"streams": ["text.words"]})
    other, search = dataclasses.replace(plan, track=other_track), {"trials": 3, "seconds": 1.0}
    hold, waits = Claims.hold, []

    def made_while_it_waits(claims, run_id, *tell_wait):
        if not waits:
            waits.append(run_id)
            run(other, corpus, [0, 1], store, MACHINE)
        return hold(claims, run_id, *tell_wait)

    monkeypatch.setattr(Claims, "hold", made_while_it_waits)
    for record in run(plan, corpus, [0, 1], store, MACHINE, tuned_by=search):
        assert record.tracks == [other_track, plan.track] and record.tuned_by == search
        assert record == store.get(record.run_id)

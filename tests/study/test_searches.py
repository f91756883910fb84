"""A study that tunes first: equal searches, then runs with what they found."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from merbench.api import Ablation, RunError
from merbench.study.searches import Tuner, fitting
from tests.conftest import loads
from tests.tiny_runs import STUDY

TUNED = STUDY.partition('[[tracks]]\ndataset = "tiny"\nprotocol')[0].replace(
    'models = ["late-fusion-dnn", "lmf", "tfn"]\nseeds = 3',
    'models = [{ name = "tfn", ablations = ["no-products"] }]\nseeds = 2\ntune = { trials = 2, pruner = "none", defaults = true }',
)


@pytest.fixture
def study(merbench, home, tmp_path):
    (tmp_path / "S.toml").write_text(TUNED)
    return lambda *words: merbench("study", words[0], "S.toml", "--data", str(home), *words[1:])


def test_the_search_is_made_once_and_its_winner_is_run_with_its_variants(study, tmp_path):
    before = loads(study("run", "--dry-run", "--json").stdout)
    assert [r["model"] for r in before["runs"]] == ["tfn default"] * 2
    assert [c["model"] for c in before["after_tuning"]] == ["tfn", "tfn no-products"]
    assert not (tmp_path / "runs/runs").exists()
    result = study("run", "--jobs", "2", "--json")
    assert result.returncode == 0, result.stderr
    found = {c["model"]: c for c in loads(result.stdout)["cells"]}
    assert found["tfn"]["trials"] == [2, 2] and all(
        c["failed"] == c["waiting"] == 0 for c in found.values()
    )
    records = [json.loads(p.read_text()) for p in (tmp_path / "runs/runs").glob("*.json")]
    tuned = [r for r in records if r["tuned_by"]]
    assert {r["spec"]["variant"] for r in tuned} == {"", "no-products"} and {
        r["tuned_by"]["trials"] for r in tuned
    } == {2}
    full, variant = (
        next(r["spec"]["train"] for r in tuned if r["spec"]["variant"] == v)
        for v in ("", "no-products")
    )
    assert full == variant
    again = study("run", "--json")
    assert again.returncode == 0 and loads(again.stdout)["cells"] == loads(result.stdout)["cells"]
    assert "trials" in study("status").stdout


def test_an_ablation_takes_the_settings_found_of_parts_that_it_shares_and_leaves_alone():
    """What it says itself stays, also where it says it of every encoder."""

    def plan(ablation, **parts):
        own = {"fusion.width": 8, "encoder.depth": 1}
        ablations = [
            Ablation(name="a", summary="", settings=own),
            Ablation(name="b", summary="", settings={"train.lr": 1}),
        ]
        named = {slot.replace("_", "."): SimpleNamespace(name=part) for slot, part in parts.items()}
        spec = SimpleNamespace(ablation=ablation, parts=named)
        return SimpleNamespace(spec=spec, recipe=SimpleNamespace(ablations=ablations))

    full = plan("", fusion="x", head="y", encoder_text="z", encoder_audio="z")
    ablated = plan("a", fusion="x", head="another", encoder_text="z")
    kept = {"train.lr": 0.1, "fusion.heads": 2, "encoder.text.width": 4}
    left = {"fusion.width": 9, "head.rate": 1, "encoder.audio.width": 4, "encoder.text.depth": 3}
    assert fitting(kept | left, full, ablated) == kept


def test_ablations_have_searches_of_their_own_where_the_study_says_so(
    study, merbench, home, tmp_path
):
    path = tmp_path / "S.toml"
    path.write_text(path.read_text().replace("defaults = true", "ablations = true"))
    pending = loads(study("run", "--dry-run", "--json").stdout)["after_tuning"]
    assert [c["model"] for c in pending] == ["tfn", "tfn no-products"]
    result = study("run", "--json")
    assert result.returncode == 0, result.stderr
    cells = loads(result.stdout)["cells"]
    assert [c["trials"] for c in cells] == [[2, 2], [2, 2]]
    records = [json.loads(p.read_text()) for p in (tmp_path / "runs/runs").glob("*.json")]
    searches = {r["spec"]["variant"]: r["tuned_by"]["search"] for r in records}
    assert set(searches) == {"", "no-products"} and len(set(searches.values())) == 2
    # It is the search of merbench tune.
    words = ("--set", "train.epochs=2", "--set", "train.batch_size=4", "--pruner", "none")
    words = (*words, "--data", str(home), "--dataset", "tiny", "--trials", "2", "--json")
    alone = merbench("tune", "--model", "tfn", "--no-products", *words, check=True)
    assert loads(alone.stdout)["search"] == searches["no-products"]


@pytest.mark.parametrize(
    "before", [None, {"trials": 1, "seconds": 1.0}], ids=["run untuned", "search went on"]
)
def test_runs_that_were_there_tell_of_the_search_that_they_won(study, tmp_path, before):
    study("run")
    paths = {p: json.loads(p.read_text()) for p in (tmp_path / "runs/runs").glob("*.json")}
    for path, record in paths.items():
        path.write_text(json.dumps({**record, "tuned_by": before if record["tuned_by"] else None}))
    assert study("run", "--dry-run").returncode == 0 and study("run").returncode == 0
    assert {p: json.loads(p.read_text()) for p in paths} == paths


def test_status_counts_what_waits_for_its_search(study):
    report = loads(study("status", "--json").stdout)
    assert report["waiting"] == 6 and report["done"] == 0 and report["seconds_left"] is None


def test_a_search_that_breaks_off_is_told_once(study, monkeypatch):
    def breaks(*words):
        raise RunError("the search is cursed")

    monkeypatch.setattr("merbench.study.searches.tune", breaks)
    told = study("run", "--jobs", "2")
    sentence = "tfn · tiny: a worker of its search ended: its process ended with exit code 1\n"
    assert told.returncode == 1 and told.stderr.count(sentence) == 1


def test_a_store_that_becomes_another_folder_ends_a_study_that_tunes(study, tmp_path, monkeypatch):
    sound = Tuner.__call__

    def unmount(tuner, task):
        (tmp_path / "runs").rename(tmp_path / "away")
        (tmp_path / "runs").mkdir()
        sound(tuner, task)

    monkeypatch.setattr(Tuner, "__call__", unmount)
    result = study("run")
    assert result.returncode == 2
    assert "no longer the folder it was" in result.stderr.splitlines()[-1]
    assert not list((tmp_path / "runs").iterdir())

"""``merbench study`` as a user calls it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

import merbench
from merbench.results.store.claims import Holder
from merbench.results.store.store import Store
from merbench.runs import one_run
from merbench.terminal.study_progress import StudyProgress
from tests.conftest import loads
from tests.tiny_runs import STUDY

SMALL = STUDY.partition('[[tracks]]\ndataset = "tiny"\nprotocol')[0].replace(
    '"late-fusion-dnn", "lmf", ', ""
)


@pytest.fixture
def study(merbench, home, tmp_path):
    (tmp_path / "S.toml").write_text(SMALL)
    return lambda *words: merbench("study", words[0], "S.toml", "--data", str(home), *words[1:])


def test_dry_run_run_and_status(study, home, tmp_path):
    planned = loads(study("run", "--dry-run", "--json").stdout)["runs"]
    assert [(r["model"], r["seed"], r["fold"]) for r in planned] == [
        ("tfn", seed, None) for seed in range(3)
    ]
    assert not (tmp_path / "runs").exists()
    result = study("run", "--jobs", "2")
    assert result.returncode == 0 and "3 done" in result.stderr and "tfn" in result.stdout
    assert {p.stem for p in (tmp_path / "runs/runs").glob("*.json")} == {
        r["run_id"] for r in planned
    }
    status = loads(study("status", "--json").stdout)
    assert (status["done"], status["waiting"], status["seconds_left"]) == (3, 0, 0)
    in_python = merbench.study_status(tmp_path / "S.toml", data=home, store=tmp_path / "runs")
    assert (in_python.done, in_python.total, in_python.seconds_left) == (3, 3, 0)
    assert in_python.to_pandas()["done"].tolist() == [cell["done"] for cell in status["cells"]]
    assert loads(study("run", "--dry-run", "--json").stdout)["runs"] == []
    (tmp_path / "runs/runs" / f"{planned[1]['run_id']}.json").unlink()
    again = study("run")
    assert "resuming at run 3 of 3" in again.stderr and "resuming" not in result.stderr


def test_a_failed_run_ends_with_1_and_is_told(study, monkeypatch):
    def learn(plan, problem, fold, seed, *more):
        raise ArithmeticError("the loss is not finite")

    monkeypatch.setattr(one_run, "learn", learn)
    result = study("run", "--json")
    assert result.returncode == 1 and loads(result.stdout)["failed"] == 3
    assert result.stderr.count("the loss is not finite") >= 3 and "Traceback" not in result.stderr
    assert "the loss is not finite" in study("status").stderr


def test_a_setting_that_is_not_finite_ends_with_2_in_one_sentence(study, tmp_path):
    (tmp_path / "S.toml").write_text(SMALL.replace("{ epochs = 2,", "{ epochs = 2, lr = inf,"))
    completed = study("run")
    assert (
        completed.returncode == 2
        and "train.lr=inf" in completed.stderr
        and "Traceback" not in completed.stderr
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("run", "--executor", "lokal"), "did you mean 'local'"),
        (("run", "--dry-run", "--executor", "lokal"), "did you mean 'local'"),
        (("run", "--executor-set", "cpus=2"), "unknown setting 'cpus'"),
        (("status", "--data", "nowhere"), "tiny"),
    ],
)
def test_a_wrong_request_ends_with_2_in_one_sentence(study, words, sentence):
    completed = study(*words)
    assert completed.returncode == 2 and sentence in completed.stderr and not completed.stdout


def test_a_run_of_a_study_has_its_name_from_the_first_time_it_is_drawn(tmp_path):
    opened = SimpleNamespace(file=Path("boards.toml"), cells=())
    progress = StudyProgress(opened, [], Store(tmp_path), jobs=1)
    progress.cell_of = {"r1": "0"}
    names = set()
    progress.bar.refresh = lambda: names.update(t.description for t in progress.bar.tasks)

    about = {"model": "tfn", "seed": 0, "fold": None, "epoch": 0, "of": 6}
    holder = Holder(run_id="r1", host="h", machine="m", pid=1, started="now", about=about)
    progress._draw({"r1": holder})
    assert names == {"boards", "  tfn · seed 0"}


def test_python_makes_what_the_command_would(study, home, tmp_path, capfd):
    planned = loads(study("run", "--dry-run", "--json").stdout)["runs"]
    capfd.readouterr()
    files = {"file": tmp_path / "S.toml", "data": home, "store": tmp_path / "runs"}
    result = merbench.study_run(**files, jobs=2, progress=False)
    assert (result.done, result.total, result.seconds_left, result.elsewhere) == (3, 3, 0, 0)
    assert result.to_pandas()[["model", "done"]].values.tolist() == [["tfn", 3]]
    assert capfd.readouterr() == ("", "") and repr(result) == "<study: 3 of 3 runs done>"
    records = {path.stem for path in (tmp_path / "runs/runs").glob("*.json")}
    assert records == {run["run_id"] for run in planned}
    again, status = merbench.study_run(**files), merbench.study_status(**files)
    assert again.to_pandas().equals(status.to_pandas()) and again != status


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"jobs": 0}, r"study_run\(jobs=0\): give at least 1"),
        ({"device": "tpu"}, r"study_run\(device='tpu'\)"),
        ({"executor": "lokal"}, "unknown executor 'lokal'; did you mean 'local'"),
        ({"executor_settings": {"partition": "gpu"}}, "partition"),
        ({"seeds": 3}, r"unknown keyword 'seeds'"),
    ],
)
def test_a_study_asked_for_wrongly_is_one_sentence_in_python(keywords, sentence, tmp_path):
    (tmp_path / "S.toml").write_text(SMALL)
    with pytest.raises(merbench.RequestError, match=sentence):
        merbench.study_run(tmp_path / "S.toml", store=tmp_path / "runs", **keywords)


def test_a_study_that_is_not_there_is_one_sentence_in_python(tmp_path):
    with pytest.raises(merbench.RequestError, match=r"no\.toml"):
        merbench.study_status(tmp_path / "no.toml", store=tmp_path)

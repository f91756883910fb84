"""``merbench tune`` as a user calls it."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time

import pytest

from merbench.cli.measure.tune.workers import end_with_parent
from merbench.tuning.storage import without_password
from tests.conftest import loads
from tests.tiny_runs import SAMPLE

QUICK = (
    "tune",
    "--model",
    "late-fusion-dnn",
    "--dataset",
    SAMPLE,
    "--epochs",
    "1",
    "--modalities",
    "text",
)


def test_a_search_then_final_runs_on_fresh_seeds_and_pictures(merbench, tmp_path):
    first = merbench(*QUICK, "--trials", "2", check=True)
    for word in ("train.lr", "tuned", "valid mae"):
        assert word in first.stdout
    for word in (
        "2 trials (2 complete, 0 pruned, 0 failed)",
        "s each",
        "0 of them were proposed by tpe's model",
        "--final-seeds 10",
    ):
        assert word in first.stderr
    result = merbench(
        *QUICK, "--trials", "3", "--final-seeds", "2", "--plots", "pictures", "--json", check=True
    )
    assert "resuming at trial 3 of 3" in result.stderr and "resuming" not in first.stderr
    report = loads(result.stdout)
    assert (
        report["trials"] == 3
        and report["value"] <= report["default"]
        and report["search"] in first.stderr
    )
    assert {"curves.svg", "history.svg", "best-of-n.svg"} <= {
        p.name for p in (tmp_path / "pictures").iterdir()
    }
    assert (
        set(report["final"]) == {"default", "tuned"}
        and report["final"]["tuned"]["summary"]["mae"]["n"] == 2
    )
    for name in ("default", "tuned"):
        runs = report["final"][name]["runs"]
        records = [loads((tmp_path / "runs" / "runs" / f"{run}.json").read_text()) for run in runs]
        assert [r["seed"] for r in records] == [0, 1]
        by = records[0]["tuned_by"]
        if name == "tuned" and report["settings"] != report["default_settings"]:
            assert (by["search"], by["trials"], by["sampler"], by["value"]) == (
                report["search"],
                3,
                "tpe",
                report["value"],
            )
            assert records[0]["spec"]["train"]["lr"] == report["settings"]["train.lr"]
        elif name == "default" and report["settings"] != report["default_settings"]:
            assert by is None


def test_where_the_defaults_win_their_runs_tell_of_the_search(merbench, tmp_path):
    report = loads(
        merbench(*QUICK, "--trials", "1", "--final-seeds", "1", "--json", check=True).stdout
    )
    assert (
        report["settings"] == report["default_settings"]
        and report["final"]["default"] == report["final"]["tuned"]
    )
    (run,) = report["final"]["tuned"]["runs"]
    assert (
        loads((tmp_path / "runs" / "runs" / f"{run}.json").read_text())["tuned_by"]["search"]
        == report["search"]
    )


def test_a_model_without_ranges_is_refused(merbench, tmp_path):
    result = merbench("tune", "--model", "majority", "--dataset", SAMPLE)
    sentence = "nothing to search: majority has no setting with a range here"
    assert result.returncode == 2 and sentence in result.stderr
    assert not (tmp_path / "runs").exists()


def test_it_is_said_where_the_search_is_kept(merbench):
    result = merbench(*QUICK, "--trials", "1", "--storage", "x.journal", check=True)
    assert "the search is kept in x.journal" in result.stderr
    assert without_password("postgresql://me:secret@host/db") == "postgresql://host/db"


def test_an_ablation_has_a_search_of_its_own(merbench):
    words = ("tune", "--model", "lmf", *QUICK[3:7], "--trials", "1", "--json")
    full, ablated, flag = (
        loads(merbench(*words, *ablation, check=True).stdout)
        for ablation in ((), ("--ablation", "rank-1"), ("--ablation=rank-1",))
    )
    assert full["search"] != ablated["search"] == flag["search"]
    # What the ablation sets is not searched.
    assert set(full["settings"]) - set(ablated["settings"]) == {"fusion.rank"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--sampler", "grid"), "'grid' is not one of"),
        (("--trials", "0"), "--trials"),
        (("--storage", "grpc://nowhere"), "grpc://HOST:PORT"),
        (("--set", "train.select=foo"), "train.select='foo' is no metric of a score task"),
        (("--set", "fusion.widht=3"), "did you mean 'fusion.width'"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_exit_code_2(merbench, words, sentence):
    result = merbench(*QUICK, *words)
    assert (
        result.returncode == 2
        and sentence in result.stderr
        and "Traceback" not in result.stderr
        and not result.stdout
    )


def test_a_worker_ends_with_the_process_that_started_it():
    """Of ``--jobs``: its stdin closes when that process ends, also by a kill."""
    reading, writing = os.pipe()

    def work():
        os.close(writing)
        sys.stdin = os.fdopen(reading, encoding="utf-8")
        end_with_parent()
        time.sleep(600)

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    os.close(reading)
    assert child.is_alive()
    os.close(writing)
    child.join(300)
    assert child.exitcode == 1


def test_a_worker_that_ends_says_so_itself():
    """Python aborts at its end where a thread holds the lock of stdin."""
    program = (
        "from merbench.cli.measure.tune.workers import end_with_parent; import time; "
        "end_with_parent(); time.sleep(0.3); raise SystemExit(2)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as worker:
        assert worker.wait(300) == 2

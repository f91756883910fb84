"""The plugin host with real distributions: good, broken, from the future, and one that claims a
taken name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import FIXTURES, loads
from tests.tiny_runs import SAMPLE


def install(target: Path, *names: str) -> str:
    """pip-install fixture packages into a folder of their own; returns what to put on PYTHONPATH."""
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--disable-pip-version-check",
    ]
    sources = []
    for name in names:
        # A copy, so that the build leaves nothing in the checkout.
        copy = target.parent / "source" / name
        shutil.copytree(FIXTURES / name, copy)
        sources.append(str(copy))
    subprocess.run(
        [*pip, "--target", str(target), *sources],
        check=True,
        env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"},
    )
    return str(target)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return install(tmp_path_factory.mktemp("good") / "site", "guest")


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    return install(tmp_path_factory.mktemp("bad") / "site", "broken", "future", "taken")


def test_guests_parts_run_through_the_program(merbench, good):
    result = merbench(
        "run",
        "--model",
        "guest",
        "--dataset",
        "guest-data",
        "--seeds",
        "2",
        "--epochs",
        "3",
        "--json",
        path=good,
        check=True,
    )
    runs = loads(result.stdout)["runs"]
    assert [r["seed"] for r in runs] == [0, 1]
    assert runs[0]["spec"]["parts"]["fusion"]["name"] == "guest-mean"


def test_a_guests_command_is_listed_in_its_group_and_runs(merbench, good, tmp_path):
    (tmp_path / "store" / "runs").mkdir(parents=True)
    (tmp_path / "store" / "runs" / "a.json").write_text("{}")
    assert merbench("guest-count", "store", path=good, check=True).stdout == "1\n"
    wrong = merbench("guest-count", "nowhere", path=good)
    assert (wrong.returncode, wrong.stderr) == (2, "error: nowhere is no store\n")
    text = merbench("--help", path=good, check=True).stdout
    looks = text.partition("Look at what was measured:")[2].partition("\n\n")[0]
    assert "guest-count  How many runs a store holds. (merbench-guest)" in " ".join(
        line.strip() for line in looks.splitlines()
    )
    without = merbench("--no-plugin", "guest", "guest-count", "store", path=good)
    assert without.returncode == 2 and "unknown command 'guest-count'" in without.stderr


def test_guests_whole_model_trains_with_its_own_objective(merbench, good):
    result = merbench(
        "run",
        "--model",
        "guest-whole",
        "--dataset",
        SAMPLE,
        "--seeds",
        "1",
        "--epochs",
        "2",
        "--json",
        path=good,
        check=True,
    )
    (record,) = loads(result.stdout)["runs"]
    assert set(record["history"][0]["loss"]) == {"task.l1", "guest-agree.agree"}


def test_guests_fusion_and_head_replace_ours(merbench, good):
    words = [
        "run",
        "--model",
        "tfn",
        "--dataset",
        SAMPLE,
        "--seeds",
        "1",
        "--epochs",
        "1",
        "--json",
    ]
    result = merbench(
        *words, "--part", "fusion=guest-mean", "--part", "head=guest-tanh", path=good, check=True
    )
    (record,) = loads(result.stdout)["runs"]
    assert record["spec"]["parts"]["head"]["name"] == "guest-tanh"


def test_guests_metric_is_shown_selects_ranks_compares_and_is_verified(merbench, good, tmp_path):
    """``guest-data`` ranks its task by ``guest-ccc``."""
    train = ("--dataset", "guest-data", "--seeds", "2", "--epochs", "2")
    for model in ("text-only", "late-fusion-dnn"):
        result = merbench("run", "--model", model, *train, "--json", path=good, check=True)
        for record in loads(result.stdout)["runs"]:
            assert record["spec"]["train"]["select"] == record["space"]["rank"] == "guest-ccc"
            ccc = [epoch["guest-ccc"] for epoch in record["history"]]
            assert record["best_epoch"] == ccc.index(max(ccc))
            assert record["metrics"]["test"].keys() >= {"guest-ccc", "mae"}
    assert "guest-ccc" in merbench("list", "metrics", path=good, check=True).stdout

    shown = merbench("leaderboard", path=good, check=True).stdout
    assert "CCC ↑" in shown and "MAE ↓" in shown
    (board,) = loads(merbench("leaderboard", "--format", "json", path=good, check=True).stdout)
    means = [row["summary"]["guest-ccc"]["mean"] for row in board["rows"] if not row["group"]]
    assert board["metric"] == "guest-ccc" and means == sorted(means, reverse=True)

    compare = ("compare", "text-only", "late-fusion-dnn")
    result = merbench(*compare, "--metric", "guest-ccc", "--json", path=good, check=True)
    ccc = loads(result.stdout)["difference"]["guest-ccc"]
    assert ccc["low"] <= ccc["mean"] <= ccc["high"]
    wrong = merbench(*compare, "--metric", "guest-cc", path=good)
    assert wrong.returncode == 2 and "'guest-cc'" in wrong.stderr

    boards = str(tmp_path / "boards")
    merbench("leaderboard", "build", "--out", boards, path=good, check=True)
    result = merbench("leaderboard", "verify", boards, path=good)
    assert result.returncode == 0, result.stdout + result.stderr


def test_guest_passes_the_conformance_checks(merbench, good):
    result = merbench("plugins", "check", "guest", "--json", path=good)
    verdicts = loads(result.stdout)
    assert result.returncode == 0, [v for v in verdicts if v["status"] == "failed"]
    assert {"passed"} <= {v["status"] for v in verdicts}


def test_broken_plugins_are_rows_and_warnings_and_no_more(merbench, bad):
    result = merbench("plugins", "list", "--json", path=bad, check=True)
    rows = {r["name"]: r for r in loads(result.stdout)}
    assert "broken on purpose" in rows["broken"]["error"]
    assert "API 99" in rows["future"]["error"] and "speaks 2" in rows["future"]["error"]
    assert rows["taken"]["error"] is None
    assert sum("broken on purpose" in line for line in result.stderr.splitlines()) == 1


def test_naming_something_that_may_be_of_a_broken_plugin_says_so(merbench, bad):
    result = merbench(
        "run", "--model", "tfn", "--dataset", "sample", "--part", "fusion=from-the-future", path=bad
    )
    assert result.returncode == 2
    assert "API 99" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_taken_name_is_an_error_only_when_asked_for(merbench, bad):
    result = merbench("run", "--model", "tfn", "--dataset", "sample", path=bad)
    assert result.returncode == 2
    assert "merbench-baselines" in result.stderr and "merbench-taken" in result.stderr
    merbench(
        "run", "--model", "majority", "--dataset", SAMPLE, "--seeds", "1", path=bad, check=True
    )
    merbench(
        "--no-plugin",
        "taken",
        "run",
        "--model",
        "tfn",
        "--dataset",
        SAMPLE,
        "--seeds",
        "1",
        "--epochs",
        "1",
        path=bad,
        check=True,
    )


def test_strict_mode_raises(merbench, bad):
    result = merbench("list", path=bad, env={"MERBENCH_STRICT_PLUGINS": "1"})
    assert result.returncode == 1
    assert "broken" in result.stderr

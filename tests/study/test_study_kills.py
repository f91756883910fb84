"""A study that is killed at any moment and given again ends with each of its runs."""

from __future__ import annotations

import pytest

from tests.kills import ALL, resumes
from tests.runs.test_run_kills import outcome, save_each_epoch
from tests.tiny_runs import STUDY

TWO_RUNS = STUDY.partition('[[tracks]]\ndataset = "tiny"\nprotocol')[0]
TWO_RUNS = TWO_RUNS.replace('"late-fusion-dnn", "lmf", "tfn"', '"late-fusion-dnn", "lmf"')
TWO_RUNS = TWO_RUNS.replace("seeds = 3", "seeds = 1")


@pytest.mark.skipif(not ALL, reason="takes 10 s; tests/runs kills single runs; tox -e kills")
def test_two_runs(merbench, tmp_path, home, monkeypatch):
    save_each_epoch(monkeypatch)
    (tmp_path / "S.toml").write_text(TWO_RUNS)
    (root := tmp_path / "runs").mkdir()
    words = ("study", "run", "S.toml", "--store", str(root), "--data", str(home))
    resumes(root, lambda: merbench(*words, check=True), lambda: outcome(root), result=outcome)

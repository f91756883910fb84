"""Loggers, with the real library on local files."""

from __future__ import annotations

import pytest

import merbench as package
from merbench.api.events import Note
from merbench.bench.loggers import GuardedLogger
from tests.conftest import loads


def test_tensorboard_has_every_epoch_of_every_run(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = package.run("tfn", "sample", seeds=2, epochs=2, store=tmp_path / "runs", threads=1,
                          progress=False, log={"tensorboard": str(tmp_path / "tb")})  # fmt: skip
    folders = {f.name.rpartition("-")[2]: f for f in (tmp_path / "tb").iterdir()}
    assert set(folders) == {r.run_id[:8] for r in result.records}
    for record in result.records:
        log = EventAccumulator(str(folders[record.run_id[:8]])).Reload()
        values = [(e.step, e.value) for e in log.Scalars("valid/mae")]
        assert values == [
            (n, pytest.approx(e["mae"], rel=1e-6)) for n, e in enumerate(record.history, 1)
        ]
        losses = [e.value for e in log.Scalars("loss/task.l1")]
        assert losses == [pytest.approx(e["loss"]["task.l1"]) for e in record.history]
        (test,) = log.Scalars("test/mae")
        assert test.value == pytest.approx(record.metrics.test["mae"])


class Breaks:
    def __call__(self, event):
        raise OSError("the disk is full")

    def close(self):
        raise AssertionError("a logger that broke off is not called again")


def test_a_logger_that_breaks_costs_one_line(capsys):
    logger = GuardedLogger("mine", Breaks())
    logger(Note(sentence="x"))
    logger(Note(sentence="y"))
    logger.close()
    assert capsys.readouterr().err.count("logger mine broke off") == 1


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("tensorbord=x", "did you mean 'tensorboard'"),
        ("tensorboard", "not of the form NAME=WHERE"),
        ("tensorboard=", "not of the form NAME=WHERE"),
    ],
)
def test_wrong_use_ends_with_2_in_one_sentence(merbench, asked, sentence):
    done = merbench("run", "--model", "tfn", "--dataset", "sample", "--log", asked)
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr


def test_a_library_that_is_not_there_is_one_sentence(merbench, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    done = merbench("run", "--model", "tfn", "--dataset", "sample", "--log", "tensorboard=x")
    assert done.returncode == 2 and "merbench-loggers[tensorboard]" in done.stderr


def test_loggers_are_listed(merbench):
    rows = loads(merbench("list", "loggers", "--json", check=True).stdout)["loggers"]
    assert [row["name"] for row in rows] == ["tensorboard"]

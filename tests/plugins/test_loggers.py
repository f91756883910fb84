"""Loggers, with the real library on local files."""

from __future__ import annotations

import json
import struct
import sys
from types import SimpleNamespace

import pytest

import merbench as package
from merbench.api import RequestError
from merbench.api.events import EpochDone, Note, RunDone, RunResumed, RunStarted
from merbench.bench.loggers import GuardedLogger, open_loggers
from tests.conftest import loads
from tests.tiny_runs import SAMPLE


def train(store, log, **keywords):
    return package.run("tfn", SAMPLE, seeds=2, epochs=2, store=store, threads=1, progress=False,
                       log=log, **keywords)  # fmt: skip


def expected(record):
    """What a logger has of a run: name -> its values by epoch, and the scores at the end."""
    by_epoch = {
        "valid/mae": [entry["mae"] for entry in record.history],
        "loss/task.l1": [entry["loss"]["task.l1"] for entry in record.history],
    }
    return by_epoch, {f"test/{name}": v for name, v in record.metrics.test.items()}


def test_tensorboard_has_every_epoch_of_every_run(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    result = train(tmp_path / "runs", {"tensorboard": str(tmp_path / "tb")})
    folders = {f.name.rpartition("-")[2]: f for f in (tmp_path / "tb").iterdir()}
    assert set(folders) == {r.run_id[:8] for r in result.records}
    for record in result.records:
        log = events.EventAccumulator(str(folders[record.run_id[:8]])).Reload()
        by_epoch, at_end = expected(record)
        for name, values in by_epoch.items():
            scalars = log.Scalars(name)
            assert [s.step for s in scalars] == [1, 2]
            assert [s.value for s in scalars] == pytest.approx(values, rel=1e-6)
        (test,) = log.Scalars("test/mae")
        assert test.value == pytest.approx(at_end["test/mae"])


def test_tensorboard_shows_what_was_logged_last(tmp_path):
    """Of a run that goes on from its first epoch, then of one that is made again."""
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from merbench_loggers.tensorboard import TensorBoard

    who = {"run_id": "0123456789abcdef", "seed": 0, "fold": None}
    names = dict.fromkeys(("model", "dataset", "task", "protocol"), "x")

    def log(value, *epochs, after=0):
        board = TensorBoard(str(tmp_path))
        board(RunStarted(**who, **names, ablation="", epochs=3))
        if after:
            board(RunResumed(**who, epoch=after, epochs=3))
        for epoch in epochs:
            done = {"epoch": epoch, "epochs": 3, "stage": "main", "losses": {}}
            board(EpochDone(**who, **done, metric="mae", value=value))
        board.close()
        (folder,) = tmp_path.iterdir()
        shown = events.EventAccumulator(str(folder)).Reload().Scalars("valid/mae")
        return [(scalar.step, scalar.value) for scalar in shown]

    assert log(1.0, 1, 2) == [(1, 1), (2, 1)]
    assert log(2.0, 2, 3, after=1) == [(1, 1), (2, 2), (3, 2)]
    assert log(3.0, 1) == [(1, 3)]


def test_a_note_says_that_what_the_store_has_is_not_logged(merbench, tmp_path):
    pytest.importorskip("tensorboard")
    words = ("run", "--model", "text-only", "--dataset", SAMPLE, "--epochs", "1", "--seeds", "1")
    notes = [
        "loggers are told of what trains now" in merbench(*words, *more, check=True).stderr
        for more in ((), ("--log", "tensorboard=tb"), ("--log", "tensorboard=tb", "--force"))
    ]
    assert notes == [False, True, False]


def test_mlflow_has_every_epoch_of_every_run(tmp_path):
    mlflow = pytest.importorskip("mlflow")

    result = train(tmp_path / "runs", {"mlflow": str(tmp_path / "logged")}, jobs=2)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'logged' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(f"{SAMPLE} sentiment standard")
    runs = client.search_runs([experiment.experiment_id])
    by_id = {run.data.tags["merbench.run_id"]: run for run in runs}
    assert len(runs) == 2 and set(by_id) == {r.run_id for r in result.records}
    for record in result.records:
        run = by_id[record.run_id]
        by_epoch, at_end = expected(record)
        assert run.info.status == "FINISHED"
        assert run.data.params["train.epochs"] == "2"
        assert run.data.params["seed"] == str(record.seed)
        for name, values in by_epoch.items():
            history = client.get_metric_history(run.info.run_id, name)
            assert [(m.step, m.value) for m in history] == list(enumerate(values, 1))
        shown = {k: v for k, v in run.data.metrics.items() if k.startswith("test/")}
        assert shown == {k: v for k, v in at_end.items() if v is not None}


def test_a_label_with_signs_that_mlflow_refuses_in_names_is_logged(tmp_path):
    mlflow = pytest.importorskip("mlflow")
    from merbench_loggers.mlflow import MLflow

    who = {"run_id": "0123456789abcdef", "seed": 0, "fold": None}
    names = dict.fromkeys(("model", "dataset", "task", "protocol"), "x")
    board = MLflow(str(tmp_path))
    board(RunStarted(**who, **names, ablation="", epochs=1))
    board(RunDone(**who, status="done", test={"f1.don't (at all)": 0.5, "f1.Ärger: laut": 0.25}))
    board.close()
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'x x x'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.metrics == {"test/f1.don_t _at all_": 0.5, "test/f1.Ärger: laut": 0.25}


def test_a_run_that_goes_on_goes_on_in_its_mlflow_run(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setattr("merbench.engine.training.checkpoint.EVERY", -1)

    def stop(event):
        if isinstance(event, EpochDone) and event.epoch == 2:
            raise KeyboardInterrupt

    keywords = {"store": tmp_path / "runs", "threads": 1, "progress": False, "epochs": 4,
                "seeds": 1, "log": {"mlflow": str(tmp_path)}}  # fmt: skip
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    with pytest.raises(KeyboardInterrupt):
        package.run("tfn", SAMPLE, watch=stop, **keywords)
    (experiment,) = [e for e in client.search_experiments() if e.name.startswith("sample")]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "KILLED"
    (record,) = package.run("tfn", SAMPLE, **keywords).records
    (run,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(run.info.run_id, "valid/mae")
    assert run.info.status == "FINISHED"
    assert [(m.step, m.value) for m in history] == list(
        enumerate((entry["mae"] for entry in record.history), 1)
    )


def wandb_records(path):
    """The protocol buffers of a ``.wandb`` file: LevelDB's log format after a header of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, position, parts = path.read_bytes(), 7, []
    while position + 7 <= len(content):
        left_in_block = 32768 - position % 32768
        _, length, kind = struct.unpack("<IHB", content[position : position + 7])
        if left_in_block < 7 or kind == 0:
            position += left_in_block
            continue
        parts.append(content[position + 7 : position + 7 + length])
        position += 7 + length
        if kind in (1, 4):
            yield Record.FromString(b"".join(parts))
            parts = []


def test_wandb_has_every_epoch_of_every_run(tmp_path):
    wandb = pytest.importorskip("wandb")

    result = train(tmp_path / "runs", {"wandb": str(tmp_path)}, jobs=2)
    wandb.teardown()  # until then a process of its own may still be writing
    files = {f.stem.removeprefix("run-"): f for f in tmp_path.glob("wandb/offline-run-*/*.wandb")}
    assert set(files) == {r.run_id for r in result.records}
    for record in result.records:
        entries, config, summary = [], {}, {}
        for logged in wandb_records(files[record.run_id]):
            if logged.HasField("history"):
                row = {".".join(i.nested_key) or i.key: i.value_json for i in logged.history.item}
                entries.append({name: json.loads(value) for name, value in row.items()})
            config |= {i.key: json.loads(i.value_json) for i in logged.run.config.update}
            summary |= {i.key: json.loads(i.value_json) for i in logged.summary.update}
        by_epoch, at_end = expected(record)
        assert [entry["_step"] for entry in entries] == [1, 2]
        for name, values in by_epoch.items():
            assert [entry[name] for entry in entries] == values
        assert config["train.epochs"] == 2 and config["seed"] == record.seed
        assert {k: v for k, v in summary.items() if k.startswith("test/")} == {
            k: v for k, v in at_end.items() if v is not None
        }


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
    result = merbench("run", "--model", "tfn", "--dataset", "sample", "--log", asked)
    assert result.returncode == 2 and sentence in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "module"),
    [("tensorboard", "torch.utils.tensorboard"), ("mlflow", "mlflow"), ("wandb", "wandb")],
)
def test_a_library_that_is_not_there_is_one_sentence(merbench, monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    result = merbench("run", "--model", "tfn", "--dataset", "sample", "--log", f"{name}=x")
    assert result.returncode == 2 and f"merbench[{name}]" in result.stderr


def test_loggers_are_listed(merbench):
    rows = loads(merbench("list", "loggers", "--json", check=True).stdout)["loggers"]
    assert {row["name"] for row in rows} == {"tensorboard", "mlflow", "wandb"}


def test_a_logger_that_cannot_be_made_is_told_with_its_name():
    def unable(where):
        raise KeyError(where)

    catalog = SimpleNamespace(component=lambda kind, name: name, load=lambda component: unable)
    with pytest.raises(RequestError, match=r"^logger mine cannot be made: KeyError: 'here'$"):
        open_loggers(catalog, {"mine": "here"})


def test_a_place_that_a_logger_cannot_write_to_is_told_with_its_name():
    def unable(where):
        raise PermissionError(13, "Permission denied", where)

    catalog = SimpleNamespace(component=lambda kind, name: name, load=lambda component: unable)
    with pytest.raises(
        RequestError, match=r"^logger mine cannot be made: /no: .*; change its perm"
    ):
        open_loggers(catalog, {"mine": "/no"})

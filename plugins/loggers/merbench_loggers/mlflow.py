"""MLflow: one experiment a track, one run a seed and fold, in a database in the folder that is
given, or on the server whose address is given.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping
from typing import Any

from merbench.api import RequestError
from merbench.api.events import EpochDone, Event, RunDone, RunResumed, RunStarted
from merbench_loggers.folders import folder_to_be
from merbench_loggers.names import run_name, track_name

RUN_ID = "merbench.run_id"
LONGEST_VALUE = 500
PARAMS_AT_ONCE = 100
REFUSED_IN_NAMES = re.compile(r"[^\w./: -]")
"""In those of metrics, which have labels in them."""


class MLflow:
    """``loss/TERM`` and ``valid/METRIC`` with the epoch as step; at the end of a run
    ``test/METRIC``, where a sign that MLflow refuses is ``_``. Settings are params. A run resumed
    from its checkpoint continues its MLflow run, found by the tag ``merbench.run_id``.

    ``where``: a folder, in which ``mlflow.db`` (SQLite) and ``artifacts`` are made; MLflow's file
    store is refused by its newer versions. Or a tracking URI with ``://``.
    """

    def __init__(self, where: str) -> None:
        # Nothing is sent to anybody who was not named.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise RequestError(
                f"logger mlflow needs mlflow-skinny, which cannot be imported ({error}); "
                "pip install 'merbench[mlflow]'"
            ) from error
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self._new_client = MlflowClient
        self._folder = None if "://" in where else folder_to_be(where)
        if self._folder and {"?", "#", "%"} & {*str(self._folder)}:
            raise RequestError(
                f"{self._folder} has a sign that an address gives another meaning (?, #, %); "
                "name another folder for logs"
            )
        # An address that cannot be used is reported before training.
        self._opened: Any = MlflowClient(where) if self._folder is None else None
        self._started: dict[str, RunStarted] = {}
        self._logged_as: dict[str, str] = {}
        self._last_epoch: dict[str, int] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._started[event.run_id] = event
            case RunResumed() if event.run_id in self._started:
                self._resume(event)
            case EpochDone() if event.run_id in self._started:
                self._log_epoch(event)
            case RunDone() if event.run_id in self._started:
                self._finish(event)

    @property
    def _client(self) -> Any:
        if self._opened is None:
            assert self._folder
            self._folder.mkdir(parents=True, exist_ok=True)
            self._opened = self._new_client(f"sqlite:///{self._folder / 'mlflow.db'}")
        return self._opened

    def close(self) -> None:
        """Runs that did not end are marked as killed; a later call continues them."""
        for mlflow_id in self._logged_as.values():
            self._client.set_terminated(mlflow_id, "KILLED")
        self._logged_as.clear()
        self._started.clear()

    def _resume(self, event: RunResumed) -> None:
        experiment = self._experiment(self._started[event.run_id])
        earlier = self._client.search_runs(
            [experiment],
            filter_string=f"tags.`{RUN_ID}` = '{event.run_id}'",
            order_by=["attributes.start_time DESC"],
            max_results=1,
        )
        if not earlier:
            return
        mlflow_id = earlier[0].info.run_id
        self._client.update_run(mlflow_id, status="RUNNING")
        self._logged_as[event.run_id] = mlflow_id
        histories = [
            self._client.get_metric_history(mlflow_id, name) for name in earlier[0].data.metrics
        ]
        # The epoch in which a run was interrupted may have been logged and is trained again.
        self._last_epoch[event.run_id] = max(
            (metric.step for history in histories for metric in history), default=0
        )

    def _log_epoch(self, event: EpochDone) -> None:
        if event.epoch <= self._last_epoch.get(event.run_id, 0):
            return
        values = {f"loss/{term}": loss for term, loss in event.losses.items()}
        if event.value is not None:
            values[f"valid/{event.metric}"] = event.value
        self._log(event.run_id, values, step=event.epoch)

    def _finish(self, event: RunDone) -> None:
        values = {f"test/{name}": v for name, v in event.test.items() if v is not None}
        mlflow_id = self._log(event.run_id, values, step=event.best_epoch or 0)
        if event.error is not None:
            self._client.set_tag(mlflow_id, "merbench.error", event.error)
        self._client.set_terminated(mlflow_id, "FINISHED" if event.status == "done" else "FAILED")
        del self._started[event.run_id], self._logged_as[event.run_id]

    def _log(self, run_id: str, values: Mapping[str, float], step: int) -> str:
        """The id of the MLflow run, which is made where there is none yet."""
        from mlflow.entities import Metric

        if run_id not in self._logged_as:
            self._logged_as[run_id] = self._create(self._started[run_id])
        mlflow_id, now_ms = self._logged_as[run_id], int(time.time() * 1000)
        metrics = [
            Metric(REFUSED_IN_NAMES.sub("_", name), value, now_ms, step)
            for name, value in values.items()
        ]
        self._client.log_batch(mlflow_id, metrics=metrics)
        return mlflow_id

    def _create(self, event: RunStarted) -> str:
        from mlflow.entities import Param

        tags = {
            RUN_ID: event.run_id,
            "merbench.model": event.model,
            "merbench.ablation": event.ablation,
            "merbench.dataset": event.dataset,
            "merbench.task": event.task,
            "merbench.protocol": event.protocol,
        }
        run = self._client.create_run(self._experiment(event), tags=tags, run_name=run_name(event))
        settings = {"seed": event.seed, "fold": event.fold, **event.settings}
        params = [Param(name, str(value)[:LONGEST_VALUE]) for name, value in settings.items()]
        for first in range(0, len(params), PARAMS_AT_ONCE):
            chunk = params[first : first + PARAMS_AT_ONCE]
            self._client.log_batch(run.info.run_id, params=chunk)
        return str(run.info.run_id)

    def _experiment(self, event: RunStarted) -> str:
        name = track_name(event)
        experiment = self._client.get_experiment_by_name(name)
        if experiment is not None:
            return str(experiment.experiment_id)
        artifacts = (self._folder / "artifacts").as_uri() if self._folder else None
        return str(self._client.create_experiment(name, artifact_location=artifacts))

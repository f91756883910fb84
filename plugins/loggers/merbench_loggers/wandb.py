"""Weights & Biases, offline: folders that ``wandb sync`` uploads, if one wants to."""

from __future__ import annotations

import os
from typing import Any

from merbench.api import RequestError
from merbench.api.events import EpochDone, Event, RunDone, RunStarted
from merbench_loggers.folders import folder_to_be
from merbench_loggers.names import run_name, track_name


class WandB:
    """``loss/TERM`` and ``valid/METRIC`` with the epoch as step; at the end of a run
    ``test/METRIC`` in its summary. Settings are its config. Nothing is sent: runs are written to
    ``where/wandb/offline-run-*``. A run resumed from its checkpoint is a second folder of the
    same id (``wandb sync --append``).
    """

    def __init__(self, where: str) -> None:
        # Not even faults of the library are reported to anybody.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        try:
            import wandb
        except ImportError as error:
            raise RequestError(
                f"logger wandb needs wandb, which cannot be imported ({error}); "
                "pip install 'merbench[wandb]'"
            ) from error
        self._wandb, self._folder = wandb, folder_to_be(where)
        self._settings = wandb.Settings(
            mode="offline",
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            x_disable_stats=True,
        )
        self._started: dict[str, RunStarted] = {}
        self._runs: dict[str, Any] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._started[event.run_id] = event
            case EpochDone() if event.run_id in self._started:
                values = {f"loss/{term}": loss for term, loss in event.losses.items()}
                if event.value is not None:
                    values[f"valid/{event.metric}"] = event.value
                self._run(event.run_id).log(values, step=event.epoch)
            case RunDone() if event.run_id in self._started:
                self._finish(event)

    def close(self) -> None:
        """Of runs that did not end."""
        for run in self._runs.values():
            run.finish(exit_code=1)
        self._runs.clear()
        self._started.clear()

    def _run(self, run_id: str) -> Any:
        """Begun where there is none yet."""
        if run_id not in self._runs:
            self._runs[run_id] = self._begin(self._started[run_id])
        return self._runs[run_id]

    def _begin(self, event: RunStarted) -> Any:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._wandb.init(
            dir=self._folder,
            settings=self._settings,
            project="merbench",
            id=event.run_id,
            name=run_name(event),
            group=track_name(event),
            tags=[event.model, event.dataset, event.protocol],
            config={"seed": event.seed, "fold": event.fold, **event.settings},
            # Seeds that train at once are runs at once.
            reinit="create_new",
            resume="allow",
        )

    def _finish(self, event: RunDone) -> None:
        run = self._run(event.run_id)
        for name, value in event.test.items():
            if value is not None:
                run.summary[f"test/{name}"] = value
        run.finish(exit_code=0 if event.status == "done" else 1)
        del self._started[event.run_id], self._runs[event.run_id]

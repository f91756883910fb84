"""TensorBoard: one folder of event files a run, below the folder that is given."""

from __future__ import annotations

from typing import Any

from merbench.api import RequestError
from merbench.api.events import EpochDone, Event, RunDone, RunResumed, RunStarted
from merbench_loggers.folders import folder_to_be
from merbench_loggers.names import run_name


class TensorBoard:
    """``loss/TERM`` and ``valid/METRIC`` by epoch; at the end of a run ``test/METRIC``. Settings
    stand in the tab *text*. What a run logs again, from its checkpoint on or from the beginning,
    takes the place of what it had logged.
    """

    def __init__(self, where: str) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise RequestError(
                f"logger tensorboard needs tensorboard, which cannot be imported ({error}); "
                "pip install 'merbench[tensorboard]'"
            ) from error
        self._writer_in, self._folder = SummaryWriter, folder_to_be(where)
        self._started: dict[str, RunStarted] = {}
        self._resumed_after: dict[str, int] = {}
        self._writers: dict[str, Any] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._started[event.run_id] = event
        elif isinstance(event, RunResumed):
            self._resumed_after[event.run_id] = event.epoch
        elif isinstance(event, EpochDone) and event.run_id in self._started:
            writer = self._writer(event.run_id)
            for term, loss in event.losses.items():
                writer.add_scalar(f"loss/{term}", loss, event.epoch)
            if event.value is not None:
                writer.add_scalar(f"valid/{event.metric}", event.value, event.epoch)
        elif isinstance(event, RunDone) and event.run_id in self._started:
            writer = self._writer(event.run_id)
            for metric, value in event.test.items():
                if value is not None:
                    writer.add_scalar(f"test/{metric}", value)
            writer.close()
            del self._started[event.run_id], self._writers[event.run_id]

    def close(self) -> None:
        """Of runs that did not end."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
        self._started.clear()
        self._resumed_after.clear()

    def _writer(self, run_id: str) -> Any:
        """Made where there is none yet."""
        if run_id not in self._writers:
            self._writers[run_id] = self._open(self._started[run_id])
        return self._writers[run_id]

    def _open(self, event: RunStarted) -> Any:
        # TensorBoard shows nothing older of this step and of later ones.
        first_step = self._resumed_after.pop(event.run_id, -1) + 1
        writer = self._writer_in(str(self._folder / run_name(event)), purge_step=first_step)
        rows = [f"|{key}|{value}|" for key, value in event.settings.items()]
        writer.add_text("settings", "\n".join(("|setting|value|", "|-|-|", *rows)))
        return writer

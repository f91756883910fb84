"""TensorBoard: one folder of event files a run, below the folder that is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from merbench.api import RequestError
from merbench.api.events import EpochDone, Event, RunDone, RunStarted
from merbench_loggers.names import run_name


class TensorBoard:
    """``loss/TERM`` and ``valid/METRIC`` by epoch; at the end of a run ``test/METRIC``. Settings
    stand in the tab *text*.
    """

    def __init__(self, where: str) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise RequestError(
                f"logger tensorboard needs tensorboard, which cannot be imported ({error}); "
                "pip install 'merbench[tensorboard]'"
            ) from error
        self._writer_in, self._folder = SummaryWriter, Path(where)
        self._writers: dict[str, Any] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._start(event)
        elif isinstance(event, EpochDone) and event.run_id in self._writers:
            writer = self._writers[event.run_id]
            for term, loss in event.losses.items():
                writer.add_scalar(f"loss/{term}", loss, event.epoch)
            if event.value is not None:
                writer.add_scalar(f"valid/{event.metric}", event.value, event.epoch)
        elif isinstance(event, RunDone) and event.run_id in self._writers:
            writer = self._writers.pop(event.run_id)
            for metric, value in event.test.items():
                if value is not None:
                    writer.add_scalar(f"test/{metric}", value)
            writer.close()

    def close(self) -> None:
        """Of runs that did not end."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _start(self, event: RunStarted) -> None:
        writer = self._writer_in(str(self._folder / run_name(event)))
        rows = [f"|{key}|{value}|" for key, value in event.settings.items()]
        writer.add_text("settings", "\n".join(("|setting|value|", "|-|-|", *rows)))
        self._writers[event.run_id] = writer

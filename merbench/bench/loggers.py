"""Loggers of plugins, which are called with the events of runs (``--log NAME=WHERE``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from merbench.api.errors import MerbenchError
from merbench.api.events import Event, Watch
from merbench.terminal.messages import say

if TYPE_CHECKING:
    from merbench.api.parts import Logger
    from merbench.host.catalog import Catalog


def open_loggers(catalog: Catalog, where_by_name: Mapping[str, str]) -> list[GuardedLogger]:
    """``where_by_name``: logger -> where it writes. RequestError where there is no such logger, or
    the library that it needs is not installed.
    """
    from merbench.host.catalog import faults_named

    loggers = []
    for name, where in where_by_name.items():
        factory = catalog.load(catalog.component("logger", name))
        with faults_named(f"logger {name} cannot be made"):
            loggers.append(GuardedLogger(name, factory(where)))
    return loggers


class GuardedLogger:
    """A logger whose fault costs one line and its further entries, never a run."""

    def __init__(self, name: str, logger: Logger) -> None:
        self.name, self._logger = name, logger
        self._broken = False

    def __call__(self, event: Event) -> None:
        self._call(lambda: self._logger(event))

    def close(self) -> None:
        self._call(self._logger.close)

    def _call(self, action: Callable[[], object]) -> None:
        if self._broken:
            return
        try:
            action()
        except Exception as error:
            self._broken = True
            reason = str(error) if isinstance(error, MerbenchError) else f"{error!r}"
            say(f"warning: logger {self.name} broke off and logs no more: {reason}")


def all_of(*watches: Watch) -> Watch:
    """Calls each of them in turn."""

    def watch(event: Event) -> None:
        for watcher in watches:
            watcher(event)

    return watch

"""The chosen executor; its errors become one sentence with its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from merbench.api import Config, MerbenchError, RunError
from merbench.api.parts import Executor
from merbench.engine.plan.settings import configured
from merbench.host.catalog import Catalog, faults_named

T = TypeVar("T")


def executor_of(
    catalog: Catalog, name: str, settings: Mapping[str, Any], jobs: int, folder: Path
) -> NamedExecutor:
    """RequestError where there is no such executor or it has no such setting."""
    factory = catalog.load(catalog.component("executor", name))
    config = configured(getattr(factory, "Config", Config), settings, "", f"executor {name}")
    with faults_named(f"executor {name} cannot be made"):
        return NamedExecutor(name, factory(config, jobs, folder))


class NamedExecutor:
    """An executor whose exceptions, and what it yields against its contract, are RunErrors that
    name it.
    """

    def __init__(self, name: str, executor: Executor) -> None:
        self.name, self.executor = name, executor

    def __call__(
        self, work: Callable[[T], object], tasks: Sequence[T]
    ) -> Iterator[tuple[T, str | None] | None]:
        try:
            for ended in self.executor(work, tasks):
                if not (ended is None or (isinstance(ended, tuple) and len(ended) == 2)):
                    raise TypeError(
                        f"it yielded {type(ended).__name__} in place of (task, "
                        "error or None) or None"
                    )
                yield ended
        except MerbenchError:
            raise
        except Exception as error:
            raise RunError(
                f"executor {self.name} broke off ({type(error).__name__}: {error}); "
                "what is done is "
                "in the store, and the same command continues from there, with this or another "
                "--executor"
            ) from error

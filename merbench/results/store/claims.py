"""Claims: of all processes, on all machines, that work on one store, one makes a run.

A claim is the file ``claims/<run_id>.<number>``; the highest number counts. Who finds its process
dead makes the file of the next number, and a file system lets one process alone make a file of a
name, so no two take over. On the machine of the claim a dead process is known at once. From
elsewhere only the file's time is seen, which a living holder renews: after STALE seconds without,
it counts as dead.
"""

from __future__ import annotations

import glob
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any

from merbench.api.declarations.config import Config
from merbench.results.files import errors_name, temporary_beside
from merbench.results.processes import machine, started
from merbench.results.records.sealed import read_file

STALE = 120.0
BEAT = 10.0
"""Seconds between two signs of life."""
TELL = 5.0
"""Seconds of waiting after which it is said."""


class Holder(Config):
    """Who holds a claim, and with ``about`` how far the run is."""

    run_id: str
    host: str
    machine: str
    pid: int
    started: str
    about: dict[str, Any] = {}


class Claims:
    """The claims of the store in ``root``. Times are those of the file system, so that clocks of
    machines may differ.
    """

    def __init__(self, root: Path) -> None:
        self.root = root / "claims"

    def take(self, run_id: str) -> Claim | None:
        """The claim, or None where a living process has it. What this process holds already it is
        given again.
        """
        me = Holder(
            run_id=run_id,
            host=socket.gethostname(),
            machine=machine(),
            pid=os.getpid(),
            started=started(os.getpid()) or "",
        )
        before = self._files(run_id)
        last = max(before, default=-1)
        if before:
            path, holder = self._path(run_id, last), before[last]
            if holder and holder.model_copy(update={"about": {}}) == me:
                return _Again(path, me)
            if self._alive(path, holder):
                return None
        number = last + 1
        path = self._path(run_id, number)
        if not _create(path, me):
            return None
        files = self._files(run_id)
        files.pop(number, None)
        if files != before:
            # Somebody took it, made the run and gave it back since we looked: what we took was not
            # free.
            path.unlink(missing_ok=True)
            return None
        return Claim(path, me)

    @contextmanager
    def hold(
        self, run_id: str, tell_wait: Callable[[str], object] = lambda sentence: None
    ) -> Iterator[Claim]:
        """Waits while a living process has the claim; after TELL seconds ``tell_wait`` is called,
        once, with whose it is and how to go on without.
        """
        began, is_announced = time.monotonic(), False
        while (claim := self.take(run_id)) is None:
            if not is_announced and time.monotonic() - began > TELL:
                tell_wait(self._whose(run_id))
                is_announced = True
            time.sleep(0.2)
        with claim:
            yield claim

    def drop_dead(self, run_id: str) -> None:
        """Remove what dead processes have left of a run's claim."""
        with suppress(OSError):  # who comes next does it, or finds them dead
            claim = self.take(run_id) if self._files(run_id) else None
            if claim:
                with claim:
                    pass

    def drop_all_dead(self) -> None:
        """As ``drop_dead``, for every run: one that was killed between its record and the end of
        its claim is never made again.
        """
        for run_id in self._highest():
            self.drop_dead(run_id)

    def _highest(self) -> dict[str, int]:
        """Run id -> the highest number of its claim."""
        highest: dict[str, int] = {}
        for path in self.root.glob("*.*"):
            run_id, _, number = path.name.rpartition(".")
            if number.isdecimal() and run_id:
                highest[run_id] = max(int(number), highest.get(run_id, 0))
        return highest

    def held(self) -> dict[str, Holder]:
        """Run id -> its holder, of all living ones."""
        holders = {}
        for run_id, highest in sorted(self._highest().items()):
            path = self._path(run_id, highest)
            holder = _read(path)
            if holder and self._alive(path, holder):
                holders[run_id] = holder
        return holders

    def _whose(self, run_id: str) -> str:
        holders = self._files(run_id)
        holder = holders[max(holders)] if holders else None
        owner = f"process {holder.pid} on {holder.host}" if holder else "another process"
        return (
            f"run {run_id} is being made by {owner}; waiting for it (if that process is gone, the "
            f"wait ends within {2 * STALE:.0f} s; deleting {self.root}/{run_id}.* ends it now)"
        )

    def _path(self, run_id: str, number: int) -> Path:
        return self.root / f"{run_id}.{number}"

    def _files(self, run_id: str) -> dict[int, Holder | None]:
        return {n: _read(self._path(run_id, n)) for n in _numbers(self.root, run_id)}

    def _alive(self, path: Path, holder: Holder | None) -> bool:
        if holder and holder.machine == machine():
            return started(holder.pid) == holder.started
        try:
            # A time ahead of the file system's own is no sign of life: a clock was wrong.
            return abs(_now(self.root) - path.stat().st_mtime) < STALE
        except FileNotFoundError:
            return False


class Claim:
    """A claim that is held; given back at the end of the ``with`` block."""

    def __init__(self, path: Path, holder: Holder) -> None:
        self.path, self.holder = path, holder
        self._stop = threading.Event()
        self._told = 0.0

    def tell(self, about: Mapping[str, Any]) -> None:
        """Lets others see how far the run is. At most once a second is it written."""
        if time.monotonic() - self._told >= 1:
            self._told = time.monotonic()
            self.holder = self.holder.model_copy(update={"about": dict(about)})
            with suppress(OSError):
                temporary = temporary_beside(self.path)
                try:
                    temporary.write_text(self.holder.model_dump_json(), "utf-8")
                    temporary.replace(self.path)
                finally:
                    temporary.unlink(missing_ok=True)

    def __enter__(self) -> Claim:
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        # The highest number goes last: while it is there, the claim is held.
        own_number = int(self.path.suffix[1:])
        for number in sorted(_numbers(self.path.parent, self.path.stem)):
            if number <= own_number:
                # A folder, say, which nobody takes for a claim; or a disk that takes nothing more,
                # where a dead process holds none.
                with suppress(OSError):
                    self.path.with_suffix(f".{number}").unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            with suppress(OSError):
                os.utime(self.path)


class _Again(Claim):
    """A claim inside the same claim: the outer one keeps and gives it back."""

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _numbers(folder: Path, run_id: str) -> list[int]:
    """Of the files of a run's claim."""
    ends = [path.suffix[1:] for path in folder.glob(f"{glob.escape(run_id)}.*")]
    return [int(end) for end in ends if end.isdecimal() and str(int(end)) == end]


def _read(path: Path) -> Holder | None:
    """None where it is gone, or no claim."""
    try:
        return Holder.model_validate_json(read_file(path))
    except (OSError, ValueError):
        return None


def _create(path: Path, holder: Holder) -> bool:
    """Make the file, whole, unless there is one."""
    with errors_name(path):
        temporary = _temporary(path)
        try:
            temporary.write_text(holder.model_dump_json(), "utf-8")
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
    return True


def _temporary(path: Path) -> Path:
    for _ in range(10):
        path.parent.mkdir(parents=True, exist_ok=True)
        # A process whose request is refused removes the empty folder (``Store.remove_if_empty``).
        with suppress(FileNotFoundError):
            return temporary_beside(path)
    return temporary_beside(path)


def _now(folder: Path) -> float:
    """The file system's time; that of this machine where who looks on may not write."""
    try:
        with TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()

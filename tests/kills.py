"""A kill at every change of the file system: a call that was killed anywhere and is given again
ends as if it had never been killed.

What SIGKILL leaves are the files as they are at that moment, so one child process shows every kill:
it copies the folder before each change that it makes, and while a file is empty or half written.
Usually one moment of each kind is tried, and a few others; ``tox -e kills`` sets
MERBENCH_KILLS to try all.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ALL = "MERBENCH_KILLS" in os.environ
_PLACES = {
    "open": (0, None),
    "os.mkdir": (0, 2),
    "os.rename": (0, 2),
    "os.link": (1, 3),
    "os.symlink": (1, 2),
    "os.remove": (0, 1),
    "os.rmdir": (0, 1),
    "os.truncate": (0, None),
    "os.utime": (0, None),
}
"""Audit event of a change -> which of its arguments is the path that changes, and which the open
folder that the path may be relative to.
"""
_MAKES = ("os.mkdir", "os.link", "os.symlink")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Moment(NamedTuple):
    """``when``: "before" a change; a file is "empty" since it was opened, or "half" written."""

    when: str
    event: str
    path: str

    @property
    def kind(self) -> Moment:
        """Without what differs between files of one purpose: numbers, digests, random ends."""
        name = re.sub(r"\.[^.]+\.tmp$|[0-9a-f]{8,}|\d+", "#", Path(self.path).name)
        return self._replace(path=name)


At = Callable[[Moment, Callable[[Path], object]], object]
"""``at(moment, spoil)`` is called at each moment; ``spoil(folder)`` makes the folder, or a copy of
it, what it is then."""


def resumes(
    folder: Path,
    call: Callable[[], object],
    whole: Callable[[], object] = lambda: None,
    *,
    again: Callable[[], object] | None = None,
    result: Callable[[Path], Any] | None = None,
) -> None:
    """``call()``, which changes files below ``folder``, killed at each moment and given again (or
    ``again()``, where another is given): what ``result(folder)`` says then (all files and folders,
    unless another is given) is what it says where nothing was killed. ``whole()`` asserts what
    holds for readers in between.
    """
    again, result = again or call, result or content
    faults = []
    with tempfile.TemporaryDirectory(dir=folder.parent) as kept, pytest.MonkeyPatch.context() as p:
        p.setattr("os.fsync", lambda handle: None)  # what a killed process wrote is the system's
        before = Path(kept, "before")
        shutil.copytree(folder, before, symlinks=True)
        again()
        wanted = result(folder)
        replace(folder, before)
        for moment, left in killed(call, folder, Path(kept)):
            replace(folder, left)
            try:
                whole()
                again()
                assert (there := result(folder)) == wanted, difference(there, wanted)
            except Exception as error:
                faults.append(f"{moment}: {type(error).__name__}: {str(error)[:500]}")
    assert not faults, "\n".join(faults)


def killed(
    call: Callable[[], object], folder: Path, kept: Path, every: bool = ALL
) -> list[tuple[Moment, Path]]:
    """What a kill at each moment of ``call()`` leaves of ``folder``: copies in ``kept``, some
    minutes old. ``every`` False: the first moment of each kind, and every twentieth.
    """
    kinds, numbers = set[Moment](), count()
    with (kept / "moments").open("a+") as moments:

        def copy(moment: Moment, spoil: Callable[[Path], object]) -> None:
            if next(numbers) % 20 == 0 or every or moment.kind not in kinds:
                kinds.add(moment.kind)
                into = tempfile.mkdtemp(dir=kept)
                shutil.copytree(folder, into, symlinks=True, dirs_exist_ok=True)
                spoil(Path(into))
                moments.write("\t".join((into, *moment)) + "\n")

        assert in_a_child(call, folder, lambda *moment: copy(*moment) or moments.flush()) == 0
        moments.seek(0)
        lines = [line.rstrip("\n").split("\t") for line in moments]
    for path in kept.rglob(".*.tmp"):  # so that they count as left behind
        os.utime(path, (time.time() - 120,) * 2, follow_symlinks=False)
    return [(Moment(*moment), Path(into)) for into, *moment in lines]


def in_a_child(call: Callable[[], object], folder: Path, at: At) -> int:
    """The exit code of a child process that makes the call."""
    child = os.fork()
    if child == 0:
        changes = _Changes(folder, at)
        try:
            sys.addaudithook(changes)
            call()
            changes.end()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def replace(folder: Path, copy: Path) -> None:
    """``copy`` takes the place of ``folder``."""
    shutil.rmtree(folder)
    copy.rename(folder)


def content(folder: Path) -> Mapping[str, bytes | str | None]:
    """Name -> bytes of a file, where a link leads, None of a folder."""
    return {
        path.relative_to(folder).as_posix(): (
            str(path.readlink())
            if path.is_symlink()
            else (path.read_bytes() if path.is_file() else None)
        )
        for path in sorted(folder.rglob("*"))
    }


def difference(there: Any, wanted: Any) -> str:
    if not isinstance(there, Mapping):
        return f"{there} is not {wanted}"
    left = [f"{name} is left" for name in sorted(there.keys() - wanted.keys())]
    gone = [f"{name} is gone" for name in sorted(wanted.keys() - there.keys())]
    both = sorted(there.keys() & wanted.keys())
    return ", ".join(left + gone + [f"{n} differs" for n in both if there[n] != wanted[n]])


class _Changes:
    """An audit hook, which Python calls before each change."""

    def __init__(self, folder: Path, at: At) -> None:
        self.folder, self.at = folder.resolve(), at
        self.is_busy = False
        self.opened: tuple[Path, int] | None = None
        """The file that was opened last, and its size then."""

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.is_busy or event not in _PLACES:
            return
        self.is_busy = True
        try:
            path = self._path(event, arguments)
            if path.is_relative_to(self.folder) and self._changes(event, arguments, path):
                self._end()
                self._moment("before", event, path)
                if event == "open":
                    self._open(path, arguments[2])
        finally:
            self.is_busy = False

    def end(self) -> None:
        """The call is over."""
        self.is_busy = True
        self._end()

    def _end(self) -> None:
        """No other file was opened since, so the last one is written by now."""
        if self.opened is None:
            return
        (path, size), self.opened = self.opened, None
        if path.is_file() and (more := path.stat().st_size - size) > 1:
            self._moment("half", "open", path, lambda copy: os.truncate(copy, size + more // 2))

    def _path(self, event: str, arguments: tuple[Any, ...]) -> Path:
        at, folder_at = _PLACES[event]
        path, folder = arguments[at], -1 if folder_at is None else arguments[folder_at]
        if isinstance(path, int):
            return Path(f"/proc/self/fd/{path}").resolve()
        above = Path(f"/proc/self/fd/{folder}") if folder >= 0 else Path.cwd()
        full = above / os.fsdecode(path)
        return full.parent.resolve() / full.name

    def _changes(self, event: str, arguments: tuple[Any, ...], path: Path) -> bool:
        if event == "open":
            # In a folder, a file without a name is opened.
            return bool(arguments[2] & _WRITES) and not path.is_dir()
        return os.path.lexists(path) != (event in _MAKES)

    def _open(self, path: Path, flags: int) -> None:
        size = path.stat().st_size if path.exists() else None
        if size is None or (size and flags & os.O_TRUNC):
            self._moment("empty", "open", path, lambda copy: copy.write_bytes(b""))
        self.opened = path, 0 if flags & os.O_TRUNC else size or 0

    def _moment(
        self, when: str, event: str, path: Path, spoil: Callable[[Path], object] = lambda copy: None
    ) -> None:
        name = path.relative_to(self.folder)
        self.at(Moment(when, event, name.as_posix()), lambda folder: spoil(folder / name))

"""Writing that loses nothing: a file is either the old one or the new one, also when the process is
killed or the disk is full; and a name never leads out of its folder.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from merbench.api.errors import DataError, RequestError
from merbench.results.processes import machine, started

_TEMPORARY = re.compile(r"\..*\.(?P<pid>\d{1,9})@(?P<machine>[A-Za-z0-9-]*)\.[^.]+\.tmp")
_DAY = 86_400


def under_a_file(folder: Path) -> str:
    """Why ``folder`` cannot be made: the sentence of a NotADirectoryError."""
    places = (folder, *folder.parents)
    file = next((at for at in places if os.path.lexists(at) and not at.is_dir()), folder)
    return f"{file} is no folder, so that {folder} cannot be one; choose another place"


def is_inside(name: str) -> bool:
    """True if a relative path stays below where it starts, on any system."""
    return not (
        name.startswith(("/", "\\"))
        or ":" in name[:2]
        or "\0" in name
        or ".." in name.replace("\\", "/").split("/")
    )


def inside(folder: Path, name: str) -> Path:
    """``folder / name``. DataError for a name that leads out of the folder: every name that comes
    from a file, an option or a plugin becomes a path here.
    """
    if not name or not is_inside(name):
        raise DataError(f"{name!r} leaves the folder {folder}; give a path inside it")
    return folder / name


def write_atomic(path: Path, data: bytes) -> None:
    """Write to a temporary file in the same folder, fsync, rename, fsync the folder. OSError leaves
    the old file as it was.

    For files that merbench names itself: a link that is there is replaced, and what is no file
    (a folder, a pipe, a device) raises IsADirectoryError or FileExistsError.
    """
    write_together(path.parent, {path.name: data})


def write_together(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Several files below ``folder`` as ``write_atomic``: none is replaced before all are on the
    disk.
    """
    with ExitStack() as leftovers:
        renames = []
        for name, data in contents.items():
            path = inside(folder, name)
            _refuse_special(path)
            with errors_name(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary = temporary_beside(path)
                leftovers.callback(temporary.unlink, missing_ok=True)
                _write_through(temporary, data, path)
            renames.append((temporary, path))
        for temporary, path in renames:
            temporary.replace(path)
    for parent in dict.fromkeys(path.parent for _, path in renames):
        with errors_name(parent):
            _sync_folder(parent)


@contextmanager
def errors_name(path: Path) -> Iterator[None]:
    """An OSError in the block names ``path``: one of a full disk names nothing, others a temporary
    file.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_output(path: Path, data: bytes) -> None:
    """Write where a user asked for it. A link is followed, a device or a pipe is written to and
    stays what it is, as is the file that standard output goes to; RequestError where that cannot
    be.
    """
    try:
        target, descriptor = path.resolve(), _open_descriptor(path)
        if descriptor is not None:
            sys.stdout.flush()
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.write(data)
        elif not target.exists() or target.is_file():
            _require_permission(target)
            sweep(target.parent)
            write_atomic(target, data)
        elif target.is_char_device() or target.is_fifo():
            # O_NONBLOCK: a pipe that nobody reads is an error, not a wait.
            handle = os.open(target, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
            os.set_blocking(handle, True)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
        else:
            raise RequestError(f"{path} is no file; give the name of a file to write")
    except (OSError, RuntimeError) as error:
        raise _cannot_write(path, error) from error


def require_output(path: Path) -> None:
    """RequestError where ``write_output`` could not write, as far as can be known before long work.
    Nothing is made.
    """
    try:
        target, descriptor = path.resolve(), _open_descriptor(path)
        if descriptor is not None:
            os.fstat(descriptor)
        elif not target.exists() or target.is_file():
            _require_permission(target)
            folder = next(above for above in target.parents if above.exists())
            with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
                file.write(b".")
        elif target.is_dir():
            raise RequestError(f"{path} is no file; give the name of a file to write")
    except (OSError, RuntimeError) as error:
        raise _cannot_write(path, error) from error


def _open_descriptor(path: Path) -> int | None:
    """The descriptor that ``path`` means: /dev/fd/3, a shell's ``>(...)``, or the pipe or file that
    standard output or error goes to. Were that file replaced, what else is printed would be lost,
    and the log that it is appended to.
    """
    if path.name.isdecimal() and path.parent.resolve() == Path("/dev/fd").resolve():
        return int(path.name)
    for descriptor in (1, 2):
        with suppress(OSError):
            if os.path.samestat(path.stat(), os.fstat(descriptor)):
                return descriptor
    return None


def _require_permission(file: Path) -> None:
    """A rename asks the folder alone: PermissionError for a file that may not be written."""
    if file.exists() and not os.access(file, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))


def _cannot_write(path: Path, error: OSError | RuntimeError) -> RequestError:
    # RuntimeError: links in a circle, before Python 3.13.
    reason = getattr(error, "strerror", None) or str(error)
    return RequestError(f"{path} cannot be written ({reason}); choose another file")


def missing_folders(folder: Path) -> list[Path]:
    """``folder`` and those above it that are not there, the deepest first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def remove(path: Path) -> None:
    """A file, a link, or a folder with all that is in it; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_empty(*folders: Path) -> None:
    """Those of the folders that hold nothing, in this order."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def is_temporary(path: Path) -> bool:
    """True for a file that ``temporary_beside`` made."""
    return _TEMPORARY.fullmatch(path.name) is not None


def sweep(*folders: Path) -> None:
    """Remove what killed writers left in these folders: temporary files of a process of this
    machine that is gone, or of any machine that nobody has touched for a day.
    """
    now_seconds = time.time()
    for folder in folders:
        for path in folder.glob(".*.tmp"):
            match = _TEMPORARY.fullmatch(path.name)
            with suppress(OSError):
                age = now_seconds - path.lstat().st_mtime
                if match is None:
                    continue
                is_here = match["machine"] == _machine()
                if age > _DAY or (is_here and started(int(match["pid"])) is None):
                    path.unlink()


def temporary_beside(path: Path) -> Path:
    """A new empty file whose name shows ``sweep`` which process wrote it."""
    owner = f"{os.getpid()}@{_machine()}"
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name[:120]}.{owner}.", suffix=".tmp"
    )
    os.close(handle)
    return Path(name)


def _machine() -> str:
    return hashlib.sha256(machine().encode()).hexdigest()[:16]


def _write_through(path: Path, data: bytes, target: Path) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(_mode(target))


def _mode(target: Path) -> int:
    """The permissions that a file has which is there already, else those of any new file: mkstemp
    makes one for its owner alone, and a store may be shared.
    """
    with suppress(OSError):
        about = target.lstat()
        if stat.S_ISREG(about.st_mode):
            return about.st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _refuse_special(path: Path) -> None:
    """A rename would replace a pipe or a device by a file."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(21, "it is a folder", str(path))
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise FileExistsError(17, "something that is no file is in the way", str(path))


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Where a search lies: a journal file in the store, or what Optuna offers past one machine (a
database, a gRPC proxy).
"""

from __future__ import annotations

import fcntl
import os
import re
import time
import warnings
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, GrpcStorageProxy, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from merbench.api import RequestError

EXTRAS = {"postgresql": "postgres", "grpc": "grpc"}
"""Scheme of a URL -> the extra of merbench that brings its driver."""


GRACE = 30.0
"""Seconds after which a plain Optuna writer's lock counts as left behind; Optuna's own patience."""


class JournalLock:
    """A journal's lock that plain Optuna writers (optuna-dashboard) respect and are respected by,
    that ends with the process that holds it, and that leaves whole lines.

    Optuna's own is a symlink beside the journal, which a killed process leaves behind: the others
    wait half a minute for it. So our processes first lock a file of their own (``flock``, which the
    system frees when a process ends), and then make Optuna's symlink, pointing at that file:
    whoever holds the file and finds such a symlink knows that its maker was killed. A line that was
    cut off by a kill would spoil the next one and with it the journal; its end is cut away here,
    because nobody has read it.
    """

    def __init__(self, path: Path) -> None:
        self._journal = path
        self._own = path.with_name(f"{path.name}.workers")
        self._symlink = path.with_name(f"{path.name}.lock")
        self._file: BinaryIO | None = None

    def acquire(self) -> bool:
        self._file = self._own.open("ab")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        if self._is_ours():
            self._symlink.unlink(missing_ok=True)
        self._make_symlink()
        self._cut_partial_line()
        return True

    def release(self) -> None:
        assert self._file is not None
        # A writer that lost patience with us has its own there.
        if self._is_ours():
            self._symlink.unlink(missing_ok=True)
        self._file.close()
        self._file = None

    def _is_ours(self) -> bool:
        return self._symlink.is_symlink() and str(self._symlink.readlink()) == self._own.name

    def _make_symlink(self) -> None:
        """Waits for a plain writer's lock; one unchanged for GRACE seconds is removed."""
        mark, since = None, time.monotonic()
        while True:
            try:
                self._symlink.symlink_to(self._own.name)
                return
            except FileExistsError:
                time.sleep(0.005)
            try:
                state = self._symlink.lstat()
            except FileNotFoundError:
                continue
            if mark != (state.st_ino, state.st_mtime_ns):
                mark, since = (state.st_ino, state.st_mtime_ns), time.monotonic()
            elif time.monotonic() - since > GRACE:
                self._symlink.unlink(missing_ok=True)

    def _cut_partial_line(self) -> None:
        with self._journal.open("r+b") as file:
            end = file.seek(0, os.SEEK_END)
            whole = end
            while whole:
                file.seek(whole - 1)
                if file.read(1) == b"\n":
                    break
                whole -= 1
            if whole < end:
                file.truncate(whole)


def open_storage(where: str | None, store: Path, search: str) -> BaseStorage:
    """``where``: None (a journal in the store), a file, a URL that SQLAlchemy knows, or
    ``grpc://host:port``. RequestError out of reach.
    """
    if where is None or "://" not in where:
        path = store / "tuning" / f"{search}.journal" if where is None else Path(where)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock: Any = JournalLock(path)  # not of Optuna's base class, but with its two methods
            backend = JournalFileBackend(str(path), lock_obj=lock)
            return JournalStorage(backend)
        except (OSError, ValueError) as error:
            reason = (
                error.strerror if isinstance(error, OSError) else "it is no journal of a search"
            )
            raise RequestError(
                f"--storage {path} cannot be used ({reason}); name another file or database"
            ) from error
    url = urlsplit(where)
    shown = where.replace(url.netloc, url.netloc.rpartition("@")[2])
    scheme = url.scheme.partition("+")[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return _proxy(url.hostname, url.port) if scheme == "grpc" else _database(where, scheme)
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        fix = "install the driver that SQLAlchemy names for it"
        if extra:
            fix = f"pip install 'merbench[{extra}]'"
        raise RequestError(
            f"--storage {shown} needs a driver that is not installed; {fix}"
        ) from error
    except (SQLAlchemyError, ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise RequestError(f"--storage {shown} is out of reach: {reason}") from error


def _database(url: str, scheme: str, tries: int = 5) -> BaseStorage:
    # SQLAlchemy's own choice of a driver for PostgreSQL differs between its versions; the extra
    # brings this one.
    url = re.sub("^postgresql://", "postgresql+psycopg://", url)
    # A worker waits while another writes, and finds a connection that the server has closed before
    # using it.
    wait = {"connect_args": {"timeout": 60}} if scheme == "sqlite" else {"pool_pre_ping": True}
    for last in (False,) * (tries - 1) + (True,):
        try:
            return get_storage(RDBStorage(url, engine_kwargs=wait))
        except DBAPIError:
            # Workers that start together make the tables together, and all but one are refused.
            if last:
                raise
            time.sleep(0.5)
    raise AssertionError


def _proxy(host: str | None, port: int | None) -> BaseStorage:
    if not host or not port:
        raise ValueError("it is not of the form grpc://HOST:PORT")
    proxy = GrpcStorageProxy(host=host, port=port)
    proxy.wait_server_ready(timeout=10)
    return proxy

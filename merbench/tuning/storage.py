"""Where a study lies: a journal file in the store, or what Optuna offers past one machine (a
database, a gRPC proxy).
"""

from __future__ import annotations

import fcntl
import os
import re
import time
import warnings
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, GrpcStorageProxy, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from merbench.api import RequestError

EXTRAS = {"postgresql": "postgres", "grpc": "grpc"}
"""Scheme of a URL -> the extra of merbench that brings its driver."""


class WholeLines:
    """A journal's lock that ends with the process that holds it, and leaves whole lines.

    Optuna's own is a file that a killed process leaves behind (the others wait half a minute for
    it), and a line that was cut off by the kill would spoil the next one and with it the journal.
    The end of such a line is cut away here: it was never told to anybody.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, path.with_name(f"{path.name}.lock")
        self._held: BinaryIO | None = None

    def acquire(self) -> bool:
        self._held = self._lock.open("ab")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        with self._path.open("r+b") as file:
            end = file.seek(0, os.SEEK_END)
            whole = end
            while whole:
                file.seek(whole - 1)
                if file.read(1) == b"\n":
                    break
                whole -= 1
            if whole < end:
                file.truncate(whole)
        return True

    def release(self) -> None:
        assert self._held is not None
        self._held.close()
        self._held = None


def open_storage(where: str | None, store: Path, study: str) -> BaseStorage:
    """``where``: None (a journal in the store), a file, a URL that SQLAlchemy knows, or
    ``grpc://host:port``. RequestError out of reach.
    """
    if where is None or "://" not in where:
        path = store / "tuning" / f"{study}.journal" if where is None else Path(where)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(str(path), lock_obj=WholeLines(path)))  # type: ignore[arg-type]
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no journal of a study"
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
        mend = (
            f"pip install 'merbench[{extra}]'"
            if extra
            else "install the driver that SQLAlchemy names for it"
        )
        raise RequestError(
            f"--storage {shown} needs a driver that is not installed; {mend}"
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

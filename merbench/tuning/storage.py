"""Where a search lies: a journal file in the store, or what Optuna offers past one machine (a
database, a gRPC proxy).
"""

from __future__ import annotations

import re
import time
import warnings
from pathlib import Path
from urllib.parse import urlsplit

from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, GrpcStorageProxy, RDBStorage, get_storage
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError

from merbench.api import RequestError
from merbench.api.first_line import first_line
from merbench.tuning.journal import Journal

EXTRAS = {"postgresql": "postgres", "grpc": "grpc"}
"""Scheme of a URL -> the extra of merbench that brings its driver."""


def journal_of(place: str | None, store: Path, search: str) -> Path:
    return store / "tuning" / f"{search}.journal" if place is None else Path(place)


def without_password(place: str) -> str:
    """A URL of a storage, for sentences; without the user too. A file's name stays as it is."""
    netloc = urlsplit(place).netloc
    return place.replace(netloc, netloc.rpartition("@")[2]) if netloc else place


def open_storage(place: str | None, store: Path, search: str) -> BaseStorage:
    """``place``: None (a journal in the store), a file, a URL that SQLAlchemy knows, or
    ``grpc://host:port``. RequestError out of reach.
    """
    if place is None or "://" not in place:
        path = journal_of(place, store, search)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return Journal(path)
        except Exception as error:  # Optuna replays the lines, and a damaged one fails in any layer
            reason = (
                error.strerror if isinstance(error, OSError) else "it is no journal of a search"
            )
            raise RequestError(
                f"--storage {path} cannot be used ({reason}); name another file or database"
            ) from error
    url, shown_url = urlsplit(place), without_password(place)
    scheme = url.scheme.partition("+")[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return _proxy(url.hostname, url.port) if scheme == "grpc" else _database(place, scheme)
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        fix = "install the driver that SQLAlchemy names for it"
        if extra:
            fix = f"pip install 'merbench[{extra}]'"
        raise RequestError(
            f"--storage {shown_url} needs a driver that is not installed; {fix}"
        ) from error
    except NoSuchModuleError as error:
        raise RequestError(
            f"--storage {shown_url}: there is no database {scheme!r}; give a file, or a URL that "
            "begins with postgresql://, mysql://, sqlite:/// or grpc://"
        ) from error
    except (SQLAlchemyError, ConnectionError, RuntimeError, ValueError) as error:
        reason = first_line(error)
        raise RequestError(f"--storage {shown_url} is out of reach: {reason}") from error


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

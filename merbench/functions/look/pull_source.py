"""Where pulled runs come from: a folder, a zip file, or the address of one."""

from __future__ import annotations

import lzma
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from merbench.api.errors import DataError, RequestError, RunError

LARGEST = 2**31
"""Bytes of a download, and of all that is unpacked."""
KINDS = {".journal", ".json", ".safetensors", ".toml"}
"""Other files of a zip are not unpacked: pages and pictures are drawn here."""
CHUNK = 2**20


@contextmanager
def opened_source(source: str) -> Iterator[Path]:
    """The folder that holds the tracks' folders, that of one track, or the store; a temporary one
    of zips. RequestError, RunError (network) or DataError where there is none.
    """
    with TemporaryDirectory(prefix="merbench-pull-") as temporary:
        path = Path(source)
        if source.startswith(("http://", "https://")):
            path = Path(temporary) / "pulled.zip"
            _download(source, path)
        if path.is_file():
            folder = Path(temporary) / "unpacked"
            _unpack(path, folder, source)
            yield _root(folder, source)
        elif path.is_dir():
            yield _root(path, source)
        else:
            raise RequestError(
                f"{source} is no folder, no zip file and no address that begins with https://"
            )


def _download(url: str, target: Path) -> None:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer, target.open("wb") as file:
            size = 0
            while chunk := answer.read(CHUNK):
                size += len(chunk)
                if size > LARGEST:
                    raise DataError(f"{url} sends more than {LARGEST // 10**9} GB; nothing is kept")
                file.write(chunk)
            promised = answer.headers.get("Content-Length")
            if promised is not None and promised.isdecimal() and size != int(promised):
                raise RunError(
                    f"{url} sent {size} of {promised} bytes; give the same command again"
                )
    except (OSError, ValueError, HTTPException) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or error
        raise RunError(f"{url} cannot be read ({reason})") from error


def _unpack(path: Path, folder: Path, source: str) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = 0
            for member in archive.infolist():
                name = PurePosixPath(member.filename)
                if member.is_dir() or name.suffix not in KINDS:
                    continue
                if name.is_absolute() or ".." in name.parts or "\\" in member.filename:
                    raise DataError(f"{source} holds {member.filename!r}, which leaves its folder")
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as packed, target.open("wb") as file:
                    while chunk := packed.read(CHUNK):
                        size += len(chunk)
                        if size > LARGEST:
                            raise DataError(f"{source} unpacks to over {LARGEST // 10**9} GB")
                        file.write(chunk)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise DataError(f"{source} is no whole zip file ({error})") from error
    # RuntimeError: zipfile's, of a file with a password or packed in a way that it does not know.
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{source} cannot be unpacked ({error})") from error


def _root(folder: Path, source: str) -> Path:
    """``folder``, or the one inside it that holds boards or a store: zips have it, and the archive
    of a whole repository has it one level deeper.
    """
    if (folder / "rows.json").is_file():
        return folder
    inside = [p for depth in ("*", "*/*") for p in sorted(folder.glob(depth)) if p.is_dir()]
    for candidate in (folder, *inside):
        if (candidate / "runs").is_dir() or any(candidate.glob("*/rows.json")):
            return candidate
    raise RequestError(
        f"{source} holds no boards (a folder with rows.json, records and predictions) "
        "and no store (a folder runs)"
    )

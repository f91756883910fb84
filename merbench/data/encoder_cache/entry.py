"""What an entry of the cache is of, and what its ``entry.json`` says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from merbench.api.errors import RequestError

ENTRY, VALUES = "entry.json", "values.safetensors"
SHARDS = "shards-"
"""What the names of folders of shards begin with; the rest says how they are cut."""


class About(BaseModel):
    """What decides an output, and with it the name of its entry. ``rows``: the content of each row,
    None = missing.
    """

    encoder: str
    version: int
    config: dict[str, Any]
    weights: dict[str, str]
    rows: list[str | None]

    @property
    def key(self) -> str:
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class Entry(BaseModel):
    """``entry.json``. ``dataset`` and ``stream``: for whom it was made first. ``notes``: row ->
    what was wrong with its clip. ``packages``: versions of what decoded and computed it; they are
    no part of its name. ``facts_sha256``: of all the rest; empty, as are ``key`` and ``packages``,
    in entries from before there were these.
    """

    encoder: str
    version: int
    config: dict[str, Any]
    weights: dict[str, str]
    dataset: str
    stream: str
    device: str
    rows: int
    width: int
    steps: int
    bytes: int
    sha256: str
    measured: dict[str, float] = {}
    notes: dict[int, str] = {}
    packages: dict[str, str] = {}
    key: str = ""
    facts_sha256: str = ""

    def sealed(self) -> Entry:
        """With the digest of what it says."""
        return self.model_copy(update={"facts_sha256": self._digest()})

    def check(self, key: str) -> None:
        """ValueError where it was changed since, or is that of another ``key``."""
        if self.facts_sha256 and (self.key, self.facts_sha256) != (key, self._digest()):
            raise ValueError("it is not what was written there")

    def _digest(self) -> str:
        unsaid = set() if self.packages else {"packages"}
        facts = self.model_dump(mode="json", exclude={"facts_sha256", *unsaid})
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """RequestError where what is written inside it cannot be."""
    try:
        yield
    except OSError as error:
        raise RequestError(
            f"the cache {root} cannot be written ({error.strerror}); "
            "make room, or choose another folder with MERBENCH_CACHE, "
            "and run again: what is in it stays"
        ) from error


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

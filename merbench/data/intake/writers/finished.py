"""What of a job is finished already: a file of facts for each stream and each source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from merbench.data.folder.manifest import FileFacts, StreamFacts
from merbench.results.files import inside, write_atomic

_Facts = TypeVar("_Facts", FileFacts, StreamFacts)


class FinishedParts:
    """``folder``: of one job; another job starts with an empty one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def facts(self, key: str, kind: type[_Facts]) -> _Facts | None:
        """None where this part is not finished."""
        path = inside(self.folder, key)
        return kind.model_validate_json(path.read_bytes()) if path.is_file() else None

    def finish(self, key: str, facts: FileFacts | StreamFacts) -> None:
        content = json.dumps(facts.model_dump(mode="json")).encode()
        write_atomic(inside(self.folder, key), content)

    def values_file(self, stream: str) -> Path:
        """Where the values of a stream are written until all of them are there."""
        return inside(self.folder, f"{stream}.values")

"""Where a board's runs come from: a store, whose predictions have their targets beside them."""

from __future__ import annotations

from hashlib import sha256
from typing import Protocol

from pydantic import ValidationError

from merbench.results.record import SCHEMA, Record
from merbench.results.store import Predictions, Store


class Source(Protocol):
    """``content``: a hash that changes with the run's predictions or targets."""

    def records(self) -> list[Record]: ...

    def predictions(self, run_id: str) -> Predictions: ...

    def content(self, run_id: str) -> str: ...


class StoreSource:
    """Reads every record but no predictions before they are asked for: thousands of runs in seconds. Changes nothing in the store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.warnings: list[str] = []

    def records(self) -> list[Record]:
        """In the order of run ids; what cannot be read is told in ``warnings`` and left where it is."""
        found = []
        for path in sorted(self.store.runs.glob("*.json")):
            try:
                record = Record.model_validate_json(path.read_bytes())
            except (OSError, ValidationError) as error:
                self.warnings.append(f"the record {path} cannot be read: {str(error).splitlines()[0]}")
                continue
            if record.schema_number != SCHEMA or record.run_id != path.stem:
                self.warnings.append(f"the record {path} is of another schema, or not the run {path.stem}")
            elif record.status == "done" and not path.with_suffix(".safetensors").is_file():
                self.warnings.append(f"the record {path} has no predictions beside it")
            else:
                found.append(record)
        return found

    def predictions(self, run_id: str) -> Predictions:
        return self.store.predictions(run_id)

    def content(self, run_id: str) -> str:
        return sha256((self.store.runs / f"{run_id}.safetensors").read_bytes()).hexdigest()

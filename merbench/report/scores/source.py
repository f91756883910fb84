"""Where a board's runs come from: a store, whose predictions have their targets beside them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from merbench.results.record import SCHEMA, Record
from merbench.results.store import Predictions, Store


class Source(Protocol):
    """``content``: a hash that changes with the run's predictions or targets."""

    def records(self) -> list[Record]: ...

    def predictions(self, run_id: str) -> Predictions: ...

    def content(self, run_id: str) -> str: ...


class StoreSource:
    """Reads every record, and no predictions before they are asked for: thousands of runs in
    seconds. Changes nothing in the store.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.warnings: list[str] = []

    def records(self) -> list[Record]:
        """In the order of run ids; what cannot be read is told in ``warnings`` and left where it
        is.
        """
        found = []
        for path in sorted(self.store.runs.glob("*.json")):
            try:
                record = Record.model_validate_json(path.read_bytes())
            except (OSError, ValidationError) as error:
                self.warnings.append(
                    f"the record {path} cannot be read: {str(error).splitlines()[0]}"
                )
                continue
            if record.schema_number != SCHEMA or record.run_id != path.stem:
                self.warnings.append(
                    f"the record {path} is of another schema, or not the run {path.stem}"
                )
            elif record.status == "done" and (
                reason := self._unusable(path.with_suffix(".safetensors"))
            ):
                self.warnings.append(
                    f"the run {path.stem} is left out: {reason}; run it again with --force"
                )
            else:
                found.append(record)
        return found

    def _unusable(self, path: Path) -> str:
        """Why no predictions can be taken from a file, by its header, which tells its length; empty
        where they can.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                whole = {"target", "prediction"} <= set(file.keys()) and {"ids", "videos"} <= (
                    file.metadata() or {}
                ).keys()
            return "" if whole else f"{path} holds no predictions"
        except (OSError, SafetensorError) as error:
            return f"its predictions {path} cannot be read ({str(error).splitlines()[0]})"

    def predictions(self, run_id: str) -> Predictions:
        return self.store.predictions(run_id)

    def content(self, run_id: str) -> str:
        return sha256((self.store.runs / f"{run_id}.safetensors").read_bytes()).hexdigest()

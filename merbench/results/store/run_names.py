"""How runs of a store are named: by their ids, beginnings of these, or files of theirs in it."""

from __future__ import annotations

import shlex
from pathlib import Path

from merbench.api.errors import RequestError
from merbench.results.store.store import Store

SHORTEST = 6
"""Characters of a beginning that stands for an id."""
FILES = (".json", ".safetensors")
"""Of a run: its record; its predictions and its weights."""


def as_run_ids(store: Store, text: str, option: str = "") -> str:
    """``text`` with the ids of the runs that it names, commas between several. What names no run,
    such as a row of a board, stays as it is.

    RequestError for a file that is of no run of this store, with the way to bring it here.
    ``option``: what the user wrote before it.
    """
    parts = [part.strip() for part in text.split(",")]
    ids = [_id_of(store, part, option) for part in parts]
    return text if ids == parts else ",".join(ids)


def _id_of(store: Store, part: str, option: str) -> str:
    path = Path(part)
    if path.suffix in FILES and path.is_file():
        require_this_store(store, path.parent.parent, f"{option} {part}".strip(), path.stem)
        return path.stem
    if len(part) < SHORTEST or not set(part) <= set("0123456789abcdef"):
        return part
    ids = [path.stem for path in store.runs.glob(f"{part}*.json")]
    return ids[0] if len(ids) == 1 else part


def require_this_store(store: Store, root: Path, typed: str, run: str) -> None:
    """RequestError where ``root`` is no store, or another than ``store``. ``typed``: what names it;
    ``run``: what to name once it is here.
    """
    if not (root / "runs").is_dir():
        raise RequestError(
            f"{typed} is no run of a store; weights and predictions are read together with the "
            "record of their run: give the id of a run"
        )
    if root.resolve() != store.root.resolve():
        merge = shlex.join(["merbench", "store", "merge", str(root), "--into", str(store.root)])
        raise RequestError(
            f"{typed} is of another store; {merge} brings its runs here with their weights, "
            f"where {run} is to be named"
        )

"""What a store is doing now: finished and failed runs, and how far the running ones are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from merbench.results.store.claims import Claims, Holder
from merbench.results.store.store import Store


def stamp(store: Store) -> str:
    """Changes whenever a record is added, replaced or removed."""
    times = [path.stat().st_mtime_ns for path in store.runs.glob("*.json")]
    return f"{len(times)}-{max(times, default=0)}"


def progress(store: Store) -> dict[str, Any]:
    """For the page's script: the stamp, how many records there are, and every running run."""
    claims = Claims(store.root).held()
    return {
        "stamp": stamp(store),
        "records": sum(1 for _ in store.runs.glob("*.json")),
        "running": [_running(name, holder) for name, holder in claims.items()],
    }


def _running(run_id: str, holder: Holder) -> dict[str, Any]:
    about: Mapping[str, Any] = holder.about
    words = [str(about.get("model", run_id))]
    words += [f"{key} {about[key]}" for key in ("seed", "fold") if about.get(key) is not None]
    return {
        "id": run_id,
        "name": ", ".join(words),
        "epoch": about.get("epoch", 0),
        "of": about.get("of") or 0,
        "seconds": round(about.get("seconds", 0.0)),
        "where": f"process {holder.pid} on {holder.host}",
    }

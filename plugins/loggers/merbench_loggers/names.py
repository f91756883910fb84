"""What a run is called where it is logged."""

from __future__ import annotations

from merbench.api.events import RunStarted


def run_name(event: RunStarted) -> str:
    """``tfn-mosi-seed3-0123abcd``: equal settings, seed and fold give an equal name."""
    fold = "" if event.fold is None else f"-fold{event.fold}"
    words = (event.model, event.ablation, event.dataset, f"seed{event.seed}{fold}")
    return "-".join(word for word in (*words, event.run_id[:8]) if word)


def track_name(event: RunStarted) -> str:
    """What runs have in common whose scores are comparable."""
    return f"{event.dataset} {event.task} {event.protocol}"

"""What a table says of each row's settings, in words of the field: whether pretrained towers were
fine-tuned, whether the settings were searched, and whatever else distinguishes the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merbench.api.plural import count_of
from merbench.results.records.record import Record
from merbench.results.spec import PartSpec

TOWER_FIELD = "lora_rank"
"""A setting that pretrained towers have, and no other encoders."""


@dataclass(frozen=True)
class Unnamed:
    """A row before its settings are worded. ``first``: of its records; ``settings``: what its name
    adds to model and ablation; ``fixed``: True of floors, where nothing is fine-tuned or searched.
    """

    first: Record
    settings: str
    fixed: bool

    @property
    def trials(self) -> int | None:
        """Of the search behind it; None where there was none."""
        return self.first.tuned_by.get("trials", 0) if self.first.tuned_by else None


def search_words(trials: int | None, most: int | None) -> str:
    """As names of rows have it. ``most``: trials of the longest search beside it."""
    if trials is None:
        return "untuned"
    return "tuned" if trials == most else f"tuned (after {trials} trials)"


def shown_settings(rows: Sequence[Unnamed]) -> list[str]:
    """``text tower fine-tuned, searched: 8 trials`` for each row of a board. Towers and searches
    are named where the rows of the board differ in them, for then a reader has to know each one's.
    """
    models = [row for row in rows if not row.fixed]
    modalities = _modalities_that_vary([_encoders(row.first) for row in models])
    differ_in_search = len({row.trials for row in models if not row.first.outside}) > 1
    worded = []
    for row in rows:
        words = []
        if not row.fixed and not row.first.outside:
            encoders = _encoders(row.first)
            words = [_encoder(m, encoders[m]) for m in modalities if m in encoders]
            if differ_in_search:
                words.append(_search(row.trials))
        worded.append(", ".join([*words, *_others(row, modalities)]))
    return worded


def _encoders(record: Record) -> dict[str, PartSpec]:
    """Modality -> its encoder."""
    return {
        slot.removeprefix("encoder."): part
        for slot, part in record.spec.parts.items()
        if slot.startswith("encoder.")
    }


def _modalities_that_vary(rows: Sequence[dict[str, PartSpec]]) -> list[str]:
    """Those with a tower whose training differs among the rows."""
    states: dict[str, set[str]] = {}
    with_tower = set()
    for encoders in rows:
        for modality, part in encoders.items():
            states.setdefault(modality, set()).add(_encoder(modality, part))
            if TOWER_FIELD in part.config:
                with_tower.add(modality)
    return [m for m, of_modality in states.items() if m in with_tower and len(of_modality) > 1]


def _encoder(modality: str, part: PartSpec) -> str:
    """``text tower frozen``; of another encoder its name: ``word vectors``."""
    if TOWER_FIELD not in part.config:
        tuned = " fine-tuned" if part.config.get("tuned") else ""
        return f"{part.name.replace('-', ' ')}{tuned}"
    if rank := part.config[TOWER_FIELD]:
        return f"{modality} tower with LoRA of rank {rank}"
    return f"{modality} tower {'fine-tuned' if part.config.get('tuned') else 'frozen'}"


def _search(trials: int | None) -> str:
    return "not searched" if trials is None else f"searched: {count_of(trials, 'trial')}"


def _others(row: Unnamed, worded: Sequence[str]) -> list[str]:
    """What the name says beyond the search and the towers of the modalities that are ``worded``."""
    rest = row.settings
    for words in (search_words(row.trials, None), search_words(row.trials, row.trials)):
        rest = rest.removeprefix(words)
    prefixes = tuple(f"encoder.{m}.{field}=" for m in worded for field in ("tuned", TOWER_FIELD))
    settings = rest.strip().strip("()").replace(") (", ", ").split(", ")
    return [setting for setting in settings if setting and not setting.startswith(prefixes)]

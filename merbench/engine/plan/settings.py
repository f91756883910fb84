"""Settings by dotted name, laid over one another: the recipe's defaults, then ablations, then what
the user asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from merbench.api import MODALITIES, Config, RequestError, TrainConfig
from merbench.api.did_you_mean import did_you_mean, nearest
from merbench.api.what_fits import what_fits
from merbench.host.catalog import faults_named, unknown
from merbench.results.spec import canonical

SINGLE = ("fusion", "head", "label_encoder", "model")
_LARGEST = 2**53
"""Whole numbers up to it are what they are in JSON and in any library."""
PART_KEYS = (*SINGLE, "objective", "encoder", *(f"encoder.{m}" for m in MODALITIES))


def names_part(key: str) -> bool:
    """True if a setting of this name replaces a part, not a field of one."""
    return key in PART_KEYS or (key.startswith("view.") and key.count(".") == 1)


def overrides(settings: Mapping[str, Any], key: str) -> bool:
    """True if one of ``settings`` is of the same name as ``key``, speaks of every encoder where
    ``key`` is of one, or puts another part in the place of the one whose field ``key`` is.
    """
    slot, _, field = key.rpartition(".")
    kind, _, name = slot.partition(".")
    if kind == "objective" and "objective" in settings and key not in settings:
        return name not in _names(settings["objective"], "objective", "objective=task")
    return not settings.keys().isdisjoint((key, slot, kind, f"{kind}.{field}"))


def laid_over(base: Any, overlay: Any) -> Any:
    """A declared value over another: of two mappings (``train.lr_factors``) the keys of both, so
    that a case for a text tower keeps the rates that the recipe has for the rest.
    """
    if isinstance(base, Mapping) and isinstance(overlay, Mapping):
        return {**base, **overlay}
    return overlay


def parse_settings(pairs: tuple[str, ...], option: str) -> dict[str, Any]:
    """``("train.lr=1e-3", "fusion.order=[\\"text\\"]")`` -> dict. A value is JSON where it parses
    as JSON, else text; ``none`` is None.
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, sign, text = pair.partition("=")
        if not sign or not key:
            raise RequestError(f"{option} {pair!r} is not of the form KEY=VALUE")
        if text.lower() in ("none", "true", "false"):
            settings[key] = {"none": None, "true": True, "false": False}[text.lower()]
            continue
        try:
            settings[key] = json.loads(text)
        except (ValueError, RecursionError):  # no JSON, or nested beyond reading
            settings[key] = text
    return settings


@dataclass
class Settings:
    """``parts``: slot -> part name (None = none). ``objectives``: names. ``views``: name -> its
    transforms. ``stages``: names. ``fields``: slot -> field -> value.

    Slots: ``fusion``, ``head``, ``label_encoder``, ``model``, ``encoder.<modality>``,
    ``objective.<name>``, ``view.<name>.<transform>``, ``stage.<name>``, ``train``, and ``encoder``
    for a field that goes to every encoder which has it.
    """

    parts: dict[str, str | None]
    objectives: tuple[str, ...]
    views: dict[str, tuple[str, ...]] = field(default_factory=dict)
    stages: tuple[str, ...] = ()
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: set[tuple[str, str]] = field(default_factory=set)
    """(slot, field) pairs that the user named: it is an error when they fit nothing."""

    def lay(
        self,
        settings: Mapping[str, Any],
        origin: str,
        strict: bool,
        options: Mapping[str, str] | None = None,
    ) -> None:
        """Part replacements first: a part that is replaced loses the fields that were meant for the
        one before. ``origin``: who says so, for sentences; ``options``: by setting, what the user
        wrote in place of it.
        """
        options = options or {}
        parts = {k: v for k, v in settings.items() if names_part(k)}
        fields = [(*key.rpartition(".")[::2], key) for key in settings if key not in parts]
        # What is said of all encoders goes before what is said of one beside it.
        for key in sorted(parts, key=lambda key: key != "encoder"):
            self._replace(key, parts[key], options.get(key, origin))
        for slot, name, key in sorted(fields, key=lambda field: field[0] != "encoder"):
            self._place(slot, name, settings[key], key, options.get(key, origin), strict)

    def slots(self) -> dict[str, str]:
        """Slot -> name of the part in it."""
        part_of_slot = {slot: name for slot, name in self.parts.items() if name}
        part_of_slot |= {f"objective.{name}": name for name in self.objectives}
        return part_of_slot | {slot: slot.rpartition(".")[2] for slot in self._view_slots()}

    def _view_slots(self) -> list[str]:
        return [f"view.{view}.{name}" for view, names in self.views.items() for name in names]

    def _replace(self, key: str, value: Any, origin: str) -> None:
        if key == "objective":
            self.objectives = _names(value, f"{origin}: objective", "objective=task")
            return
        if key.startswith("view."):
            self._replace_view(key, value, origin)
            return
        if value is not None and not isinstance(value, str):
            raise RequestError(
                f"{origin}: {key} names a part, such as {key}=NAME; it was given {value!r}"
            )
        if value is None and key.startswith("encoder"):
            raise RequestError(
                f"{origin}: {key} cannot be none; leave a modality out with --modalities"
            )
        if key == "model" and (value is None) != (self.parts.get(key) is None):
            raise RequestError(
                f"{origin}: {key}={value or 'none'} makes another method of this one; "
                "choose it with --model"
            )
        slots = [s for s in self.parts if s.startswith("encoder.")] if key == "encoder" else [key]
        for slot in slots:
            if slot.startswith("encoder.") and slot not in self.parts:
                raise RequestError(
                    f"{origin}: {slot} does not fit, because this run has no modality "
                    f"{slot.partition('.')[2]!r}"
                )
            if self.parts.get(slot) != value:
                self.fields.pop(slot, None)
            self.parts[slot] = value

    def _replace_view(self, key: str, value: Any, origin: str) -> None:
        view = key.partition(".")[2]
        if view not in self.views:
            raise RequestError(unknown("view", view, list(self.views), f"{origin}: {key}"))
        self.views[view] = _names(value, f"{origin}: {key}", f"{key}=noise,crop")

    def _place(self, slot: str, name: str, value: Any, key: str, origin: str, strict: bool) -> None:
        objectives = [f"objective.{o}" for o in self.objectives]
        stages = [f"stage.{s}" for s in self.stages]
        slots = {"train", "encoder", *PART_KEYS, *objectives, *stages, *self._view_slots()}
        slots -= {"objective"}  # what it names is a part
        # An objective's name may hold dots of its own only if nobody ever has to set a field of it,
        # so the last dot splits.
        if slot not in slots:
            of_another_objective = slot.startswith("objective.")
            if not strict and of_another_objective:  # which this run does not have
                return
            raise RequestError(self._unknown_setting(slot, name, key, origin, sorted(slots)))
        of_one_part = slot in SINGLE or slot.startswith("encoder.")
        if strict and of_one_part and self.parts.get(slot) is None:
            own_parts = ", ".join(sorted(s for s, p in self.parts.items() if p))
            raise RequestError(
                f"{origin}: {key} does not fit, because this run has no {slot}; "
                f"its parts are {own_parts}"
            )
        if strict:
            self.asked.add((slot, name))
            if slot == "encoder":
                for other_slot, fields in self.fields.items():
                    if other_slot.startswith("encoder."):
                        fields.pop(name, None)
        fields = self.fields.setdefault(slot, {})
        fields[name] = value if strict else laid_over(fields.get(name), value)

    def _unknown_setting(
        self, slot: str, name: str, key: str, origin: str, slots: Sequence[str]
    ) -> str:
        suggested_slots = nearest(slot, slots, most=3)
        suggested_slots = suggested_slots or (["train"] if name in TrainConfig.model_fields else [])
        suggestions = " or ".join(repr(f"{s}.{name}") for s in suggested_slots)
        own_slots = ", ".join([*self.slots(), *(f"stage.{s}" for s in self.stages), "train"])
        advice = (
            f"did you mean {suggestions}?" if suggested_slots else f"the parts here are {own_slots}"
        )
        if slot == "objective" and self.objectives:
            keys = " or ".join(f"objective.{o}.FIELD" for o in self.objectives)
            advice = f"a setting of an objective names it: {keys}"
        return (
            f"unknown setting {key!r}; {advice} "
            f"({origin} takes PART.FIELD=VALUE, such as train.lr=1e-3)"
        )

    def config(self, slot: str, kind: type[Config], part: str) -> Config:
        """The validated settings of one slot. ``encoder.X`` goes to every encoder that has a field
        X.
        """
        values: dict[str, Any] = {}
        if slot.startswith("encoder."):
            values |= {
                k: v for k, v in self.fields.get("encoder", {}).items() if k in kind.model_fields
            }
        values |= self.fields.get(slot, {})
        return configured(kind, values, slot, part)

    def leave_out(self, slot: str, kind: type[Config], own_fields: Callable[[], Set[str]]) -> None:
        """What a recipe or an ablation says of one modality's encoder is meant for the recipe's own
        encoders, whose fields these are: another one in their place leaves out what it lacks.
        """
        fields = self.fields.get(slot, {})
        lacking = {n for n in fields if n not in kind.model_fields and (slot, n) not in self.asked}
        if lacking:
            for name in lacking & own_fields():
                del fields[name]

    def check_shared(self, kinds: Sequence[type[Config]]) -> None:
        """An ``encoder.X`` that the user asked for must fit at least one encoder."""
        for slot, name in sorted(self.asked):
            if slot == "encoder" and not any(name in kind.model_fields for kind in kinds):
                fields = sorted({f"encoder.{f}" for kind in kinds for f in kind.model_fields})
                raise RequestError(
                    unknown("setting", f"encoder.{name}", fields, "settings of this run's encoders")
                )


def _names(value: Any, option: str, example: str) -> tuple[str, ...]:
    """Names from a list of them or from text with commas."""
    names = value.split(",") if isinstance(value, str) else [] if value is None else value
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
        raise RequestError(f"{option} names one or more, such as {example}; it was given {value!r}")
    return tuple(name.strip() for name in names if name.strip())


def configured(kind: type[Config], values: Mapping[str, Any], slot: str, part: str) -> Config:
    """The validated settings of ``part``. RequestError, with a did-you-mean; ``slot`` stands before
    the names that it reports.
    """
    if not (isinstance(kind, type) and issubclass(kind, Config)):
        raise RequestError(
            f"{part} has a Config that is no merbench.api.Config; derive it from that class"
        )
    prefix = f"{slot}." if slot else ""
    for name in values:
        if name not in kind.model_fields:
            advice = did_you_mean(name, kind.model_fields, most=3, written=f"{prefix}{{}}".format)
            raise RequestError(
                f"unknown setting {f'{prefix}{name}'!r}; {advice} (settings of {part})"
            )
    with faults_named(f"settings of {part} cannot be checked"):
        try:
            config = kind(**values)
        except ValidationError as error:
            first = error.errors()[0]
            field_name = prefix + ".".join(str(p) for p in first["loc"])
            raise RequestError(
                f"{field_name}={first['input']!r} does not fit {part}: {what_fits(first)}"
            ) from error
    for name, value in config.model_dump(mode="json").items():
        if name in values and _has_truth_as_number(values[name], value):
            raise RequestError(
                f"{prefix}{name}={values[name]!r} does not fit {part}: give a number"
            )
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise RequestError(
                f"{prefix}{name}={value} does not fit {part}: a whole number is at most "
                f"{_LARGEST:,}"
            )
        try:
            canonical(value)
        except ValueError:
            raise RequestError(
                f"{prefix}{name}={value!r} does not fit {part}: a number is to be finite"
            ) from None
    return config


def _has_truth_as_number(given: Any, taken: Any) -> bool:
    """True where pydantic has taken a true or false for 1 or 0, also within a mapping or list."""
    if isinstance(given, bool):
        return isinstance(taken, int | float) and not isinstance(taken, bool)
    if isinstance(given, Mapping) and isinstance(taken, Mapping):
        return any(_has_truth_as_number(given[key], taken.get(key)) for key in given)
    if isinstance(given, list | tuple) and isinstance(taken, list):
        return any(map(_has_truth_as_number, given, taken))
    return False

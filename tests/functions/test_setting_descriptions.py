"""What ``merbench show`` says that each setting means."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from merbench.api import Config, TrainConfig
from merbench.api.declarations.component import COMPONENT_KINDS
from merbench.functions.look.setting_descriptions import meanings


class Parent(Config):
    depth: int = 2
    """How deep ``it``
    goes.
    """
    width: int = 4


class Child(Parent):
    depth: Annotated[int, Field(ge=1)] = 3
    kernel_audio: int = 5
    attn_dropout: float = 0.1
    hidden: float = 0.5
    other: int = 1


def test_a_meaning_is_the_string_below_a_field_or_what_its_name_usually_means():
    assert meanings(Child) == {
        "depth": "How deep `it` goes.",
        "width": "Width of its layers.",
        "kernel_audio": "Steps of audio that its convolution over time spans; 1 = each by itself.",
        "attn_dropout": "Share of values zeroed in training.",
        "hidden": "",
        "other": "",
    }


def test_every_setting_of_every_part_has_a_meaning(catalog):
    """A string below the field, as in ``TrainConfig``."""
    configs = {"train": TrainConfig}
    for kind in COMPONENT_KINDS:
        for name in catalog.names(kind):
            component = catalog.component(kind, name)
            if component.target:
                part = catalog.load(component)
                configs[f"{kind} {name}"] = getattr(part, "Config", Config)
    assert len(configs) > 100
    assert [
        f"{part}: {field}"
        for part, config in configs.items()
        for field, meaning in meanings(config).items()
        if not meaning
    ] == []

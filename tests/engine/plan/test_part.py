"""What the class of a plugin's part says of it, and how its faults are told."""

from __future__ import annotations

import pytest

from merbench.api import Component, Config, RequestError
from merbench.api.errors import LabelsError
from merbench.engine.plan.plan import Part

COMPONENT = Component(
    kind="encoder", name="mine", summary="", target="a.b:C", pretrained=("weights",), version=1
)


class Breaks:
    @classmethod
    def pretrained(cls, config):
        raise FileNotFoundError("no weights.bin")

    @classmethod
    def fixed(cls, config):
        raise KeyError("tuned")

    @classmethod
    def check(cls, config, space, lexicon):
        raise AttributeError("vocab")


class Refuses(Breaks):
    @classmethod
    def pretrained(cls, config):
        return {"w": "0" * 64}

    @classmethod
    def sources(cls, config):
        raise ValueError("no address")

    @classmethod
    def check(cls, config, space, lexicon):
        raise RequestError("these labels have no words")


@pytest.mark.parametrize(
    ("factory", "ask", "sentence"),
    [
        (Breaks, lambda part: part.pretrained, "pretrained.* FileNotFoundError: no weights.bin"),
        (Breaks, lambda part: part.fixed, "fixed.* KeyError: 'tuned'"),
        (Breaks, lambda part: part.check(None, None), "check.* AttributeError: vocab"),
        (Refuses, lambda part: part.sources, "sources.* ValueError: no address"),
        (object, lambda part: part.pretrained, "pretrained.* AttributeError: .*no attribute"),
    ],
)
def test_a_fault_of_a_plugins_class_is_one_sentence(factory, ask, sentence):
    with pytest.raises(RequestError, match=rf"^encoder mine \(a.b:C\): its {sentence}"):
        ask(Part(COMPONENT, factory, Config()))


def test_what_a_part_refuses_is_its_own_sentence():
    with pytest.raises(LabelsError, match=r"^these labels have no words$"):
        Part(COMPONENT, Refuses, Config()).check(None, None)

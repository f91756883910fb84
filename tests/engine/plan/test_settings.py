from __future__ import annotations

import pytest
from pydantic import field_validator

from merbench.api import Config, RequestError
from merbench.engine.plan.plan import Request
from merbench.engine.plan.settings import configured, parse_settings
from merbench.engine.resolve import resolve
from merbench.testing import tiny


def test_settings_are_json_where_they_parse():
    settings = parse_settings(
        ("a.b=1e-3", "c=none", "d.e=[1,2]", "f=word", 'g="1"', "h=True"), "--set"
    )
    assert settings == {"a.b": 1e-3, "c": None, "d.e": [1, 2], "f": "word", "g": "1", "h": True}
    with pytest.raises(RequestError, match="KEY=VALUE"):
        parse_settings(("lonely",), "--set")


def test_what_is_nested_beyond_reading_is_text():
    assert parse_settings(("a.b=" + "[" * 100_000,), "--set")["a.b"].startswith("[[")


@pytest.mark.parametrize("encoders", [("encoder", "encoder.audio"), ("encoder.audio", "encoder")])
def test_an_encoder_for_one_modality_goes_before_one_for_all_in_either_order(catalog, encoders):
    chosen = {"encoder": "features", "encoder.audio": "feature-bilstm"}
    request = Request(
        "late-fusion-dnn",
        settings={key: chosen[key] for key in encoders},
        modalities=("audio", "video"),
    )
    parts = resolve(request, catalog, tiny.corpus(), None).spec.parts
    names = {slot: part.name for slot, part in parts.items() if slot.startswith("encoder.")}
    assert names == {"encoder.audio": "feature-bilstm", "encoder.video": "features"}


class Odd(Config):
    width: int = 1
    rates: dict[str, float] = {}
    sides: tuple[float, float] = (0.0, 1.0)
    deep: bool = False
    depth: int | None = None

    @field_validator("width")
    @classmethod
    def _small(cls, width: int) -> int:
        if width == 7:
            raise KeyError("seven")
        if width > 7:
            raise ValueError("at most 7")
        return width


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"width": True}, "fusion.width=True does not fit fusion odd: give a number"),
        ({"depth": False}, "fusion.depth=False does not fit fusion odd: give a number"),
        (
            {"rates": {"a.": True}},
            r"fusion.rates=\{'a.': True\} does not fit fusion odd: give a number",
        ),
        ({"sides": [0, True]}, r"fusion.sides=\[0, True\] does not fit fusion odd: give a number"),
        ({"width": 8}, "fusion.width=8 does not fit fusion odd: at most 7"),
        ({"width": 7}, "settings of fusion odd cannot be checked: KeyError: 'seven'"),
    ],
)
def test_what_does_not_fit_a_field_is_one_sentence(values, sentence):
    with pytest.raises(RequestError, match=f"^{sentence}"):
        configured(Odd, values, "fusion", "fusion odd")


def test_what_fits_a_field_is_taken():
    values = {"width": 3.0, "deep": True, "rates": {"a.": 1}, "sides": [0, 1]}
    expected = Odd(width=3, deep=True, rates={"a.": 1.0})
    assert configured(Odd, values, "fusion", "fusion odd") == expected

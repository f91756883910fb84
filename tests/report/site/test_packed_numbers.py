"""Numbers of a page's data, packed as text."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merbench.report.site.packed_numbers import DIGITS, packed
from merbench.report.site.template import script_data


def unpacked(data):
    """As ``numbers.js`` reads it."""
    texts = [
        data["text"][at : at + data["digits"]] for at in range(0, len(data["text"]), data["digits"])
    ]
    for text in texts:
        number = 0
        for digit in text:
            number = number * 64 + DIGITS.index(digit)
        yield None if number == 0 else (number - 1 + data["low"]) * data["step"]


values = st.none() | st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -0.001])


@given(st.lists(values, max_size=8), st.sampled_from([0.01, 0.0001, 1.0, 100.0]))
def test_each_number_is_the_nearest_multiple(numbers, step):
    read = list(unpacked(packed(numbers, step)))
    assert len(read) == len(numbers)
    for number, back in zip(numbers, read, strict=True):
        if number is None or not math.isfinite(number):
            assert back is None
        else:
            assert abs(back - number) <= step / 2 * (1 + 1e-9)


@pytest.mark.parametrize(("count", "digits"), [(62, 1), (63, 1), (64, 2), (4095, 2), (4096, 3)])
def test_they_have_as_few_digits_as_hold_them_all(count, digits):
    assert packed(range(count), 1.0)["digits"] == digits


def test_data_of_a_page_end_no_script_and_move_no_cursor():
    value = {"</script>\x9b2J": "\x1b]8;;x \u202e é"}
    text = str(script_data(value))
    assert json.loads(text) == value and "é" in text
    assert not {"<", "\x1b", "\x9b", "\u202e"} & set(text)

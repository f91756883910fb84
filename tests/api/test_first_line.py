from __future__ import annotations

import pytest

from merbench.api.first_line import first_line, typed


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n one \n"), "one"),
        (NotImplementedError(), "NotImplementedError"),
        (ValueError(" \n"), "ValueError"),
    ],
)
def test_an_error_in_a_line_is_its_first_or_else_its_type(error, line):
    assert first_line(error) == line


def test_its_type_stands_before_it_once():
    assert typed(ValueError("one\ntwo")) == "ValueError: one"
    assert typed(NotImplementedError()) == "NotImplementedError"

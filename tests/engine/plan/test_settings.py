from __future__ import annotations

import pytest

from merbench.api import RequestError
from merbench.engine.plan.settings import parse_settings


def test_settings_are_json_where_they_parse():
    settings = parse_settings(
        ("a.b=1e-3", "c=none", "d.e=[1,2]", "f=word", 'g="1"', "h=True"), "--set"
    )
    assert settings == {"a.b": 1e-3, "c": None, "d.e": [1, 2], "f": "word", "g": "1", "h": True}
    with pytest.raises(RequestError, match="KEY=VALUE"):
        parse_settings(("lonely",), "--set")

from __future__ import annotations

import pytest

from merbench.api.did_you_mean import did_you_mean


@pytest.mark.parametrize(
    ("name", "more", "advice"),
    [
        ("tnf", {}, "did you mean 'tfn'?"),
        ("TFN", {}, "did you mean 'tfn'?"),
        ("tfn2", {"most": 2}, "did you mean 'tfn' or 'mfn'?"),
        ("zzz", {}, "there are: lmf, mfn, tfn"),
        ("zzz", {"otherwise": "merbench list names them"}, "merbench list names them"),
    ],
)
def test_the_nearest_names_or_what_there_is(name, more, advice):
    assert did_you_mean(name, {"tfn": 1, "lmf": 2, "mfn": 3}, **more) == advice


def test_where_nothing_is_known():
    assert did_you_mean("x", []) == "there are: none"

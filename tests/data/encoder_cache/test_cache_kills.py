"""The cache cleared by a call that is killed at any moment; tests/engine/rows fills it."""

from __future__ import annotations

import pytest

from merbench.data.encoder_cache.cache import Cache
from tests.data.encoder_cache.test_cache import fill
from tests.kills import resumes


@pytest.fixture
def root(tmp_path):
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def whole(root):
    cache = Cache(root)
    cache.find("k")
    assert not cache.warnings


def test_it_is_cleared(root):
    def clear():
        cache = Cache(root)
        for key, *_ in list(cache.entries()):
            cache.remove(key)

    fill(root)
    resumes(root, clear, lambda: whole(root))
    fill(root)
    resumes(root, clear, lambda: whole(root), again=lambda: (clear(), fill(root)))

"""Boards of others, pulled by a command that is killed at any moment and given again."""

from __future__ import annotations

from merbench.results.store.store import Store
from tests.functions.test_pull import built, take  # noqa: F401 - a fixture
from tests.kills import resumes
from tests.results.store.test_store_kills import readable, runs


def test_boards(built, tmp_path):  # noqa: F811
    root = tmp_path / "mine"
    root.mkdir()

    def call():
        store = Store(root)
        store.require_writable()
        assert take(built / "boards", store)[1] == set()

    resumes(root, call, lambda: readable(root), result=runs)

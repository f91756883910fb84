"""A folder of boards, for what reads their pages."""

from __future__ import annotations

import pytest

from tests.report.folder.test_folder import boards


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return boards(tmp_path_factory.mktemp("pages"))

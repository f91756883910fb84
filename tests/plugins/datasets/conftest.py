"""``data add`` as the tests of forms call it."""

from __future__ import annotations

import pytest

from merbench.data.folder.read import read_folder
from tests.conftest import loads


@pytest.fixture
def add_data(merbench, tmp_path):
    """What ``data add --json`` prints; where ``check`` is off, the process that was called."""

    def call(*words, check=True):
        home = str(tmp_path / "home")
        result = merbench("data", "add", *map(str, words), "--data", home, "--json", check=check)
        return loads(result.stdout) if check else result

    return call


@pytest.fixture
def add_and_read(add_data, tmp_path):
    """The same for a data set ``x``, and the data set as a run reads it."""

    def call(*words, check=True):
        report = add_data("--name", "x", *words, check=check)
        return (report, read_folder(tmp_path / "home/x")) if check else report

    return call

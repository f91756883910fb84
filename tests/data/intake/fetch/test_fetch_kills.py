"""SIGKILL to ``data fetch`` at any moment: the next call ends with the file, and nothing else."""

from __future__ import annotations

from merbench.data.intake.fetch.fetch import fetch
from tests.data.intake.fetch.test_fetch import FILE, PATIENT, server  # noqa: F401 - a fixture
from tests.kills import resumes


def test_a_file(server, tmp_path):  # noqa: F811
    folder = tmp_path / "sdk"
    folder.mkdir()

    def whole():
        assert not (folder / "x.csd").exists() or (folder / "x.csd").read_bytes() == FILE

    resumes(folder, lambda: fetch(server.url, folder, lambda *_: None, PATIENT), whole)

"""What is kept to spare time, and what a user asked for: killed while it is written, it is written
by the next call, and nothing is left over.
"""

from __future__ import annotations

import os
import shutil

import pytest

from merbench.api import Config
from merbench.data.streams.content_hash import Known
from merbench.report.pictures.picture_cache import KeptPictures
from merbench.report.scores.cache import Cache
from merbench.results.code_digest import code_digest
from merbench.results.files import write_output
from tests.kills import resumes


class Kept(Config):
    number: int = 1


def scores(folder):
    for key in "ab":
        assert Cache(folder).get(key, Kept, Kept) == Kept()


def pictures(folder):
    assert KeptPictures(folder).drawn(draw, 1) == b"svg"


def draw(number):
    return b"svg"


def hashes(folder):
    known = Known(folder / "hashes.json")
    known.sha256(folder.parent / "clip")
    known.save()


def code(folder):
    code_digest(["merbench.api.plural"], folder / "code.json")


def output(folder):
    write_output(folder / "options.toml", b"model = 1")


@pytest.mark.parametrize("call", [scores, pictures, hashes, code, output])
def test_it_is_written_again(tmp_path, call):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "clip").write_bytes(b"clip")
    os.utime(tmp_path / "clip", (1, 1))
    resumes(folder, lambda: call(folder), lambda: call_copy(folder, call))
    (folder / "options.toml").write_bytes(b"old")
    resumes(folder, lambda: call(folder))


def call_copy(folder, call):
    """Readers in between are not misled by what was left."""
    shutil.copytree(folder, copy := folder.parent / "copy")
    call(copy)
    shutil.rmtree(copy)

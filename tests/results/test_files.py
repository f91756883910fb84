"""Writing loses nothing, and a name never leads out of its folder."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from merbench.api.errors import DataError, RequestError
from merbench.data.encoder_cache.cache import Cache as EncoderCache
from merbench.data.folder.manifest import FILE as MANIFEST
from merbench.data.folder.manifest import read_manifest
from merbench.data.intake.fetch.download import PartialFile
from merbench.data.streams.content_hash import Known
from merbench.report.pictures.picture_cache import KeptPictures
from merbench.report.scores.cache import Cache
from merbench.results import files
from merbench.results.code_digest import code_digest
from merbench.results.files import (
    inside,
    require_output,
    write_atomic,
    write_output,
    write_together,
)
from merbench.results.store.claims import Holder


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../x",
        "a/../../x",
        "/etc/x",
        "\\x",
        "..\\x",
        "a\\..\\..\\x",
        "C:/x",
        "C:x",
        "a\0b",
    ],
)
def test_a_name_that_leaves_its_folder_is_no_path(tmp_path, name):
    with pytest.raises(DataError, match="leaves the folder"):
        inside(tmp_path, name)


@pytest.mark.parametrize("name", ["x", "a/b.csv", "..x", "x..", "a..b/c", ".hidden"])
def test_a_name_that_stays_is_a_path(tmp_path, name):
    assert inside(tmp_path, name) == tmp_path / name


def test_an_output_follows_links_and_keeps_them(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    for link, target in (("link", "real"), ("new", "later")):
        (tmp_path / link).symlink_to(target)
        write_output(tmp_path / link, b"new")
        assert (tmp_path / link).is_symlink() and (tmp_path / target).read_bytes() == b"new"


def test_a_file_keeps_its_permissions_and_one_that_may_not_be_written_is_not(tmp_path, monkeypatch):
    path = tmp_path / "mine"
    path.write_bytes(b"old")
    path.chmod(0o600)
    write_output(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.read_bytes() == b"new"
    monkeypatch.setattr(files.os, "access", lambda *_: False)  # root may write everything
    for asked in (lambda: write_output(path, b"newer"), lambda: require_output(path)):
        with pytest.raises(RequestError, match="Permission denied"):
            asked()
    assert path.read_bytes() == b"new"


def test_a_device_is_written_to_and_stays_a_device():
    before = Path("/dev/null").stat()
    write_output(Path("/dev/null"), b"picture")
    after = Path("/dev/null").stat()
    assert stat.S_ISCHR(after.st_mode) and (before.st_ino, before.st_rdev) == (
        after.st_ino,
        after.st_rdev,
    )


def test_a_pipe_is_written_to_where_somebody_reads_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RequestError, match="pipe cannot be written"):
        write_output(tmp_path / "pipe", b"x")
    content = []
    reader = threading.Thread(target=lambda: content.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    for _ in range(30_000):
        try:
            write_output(tmp_path / "pipe", b"picture")
            break
        except RequestError:
            threading.Event().wait(0.01)
    reader.join()
    assert content == [b"picture"] and (tmp_path / "pipe").is_fifo()


@pytest.fixture
def stdout_to():
    """``stdout_to(file)``: standard output, the descriptor, goes there until the test is over."""
    kept = os.dup(1)
    yield lambda file: os.dup2(file.fileno(), 1)
    os.dup2(kept, 1)
    os.close(kept)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "link", "log"])
def test_an_output_to_what_stdout_is_appended_to_keeps_what_is_there(tmp_path, stdout_to, name):
    (tmp_path / "log").write_bytes(b"yesterday, ")
    (tmp_path / "link").symlink_to("/dev/stdout")
    with (tmp_path / "log").open("ab") as log:
        stdout_to(log)
        os.write(1, b"before, ")
        files.require_output(tmp_path / name)
        write_output(tmp_path / name, b"picture, ")
        os.write(1, b"after")
    assert (tmp_path / "log").read_bytes() == b"yesterday, before, picture, after"


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="the system has no /dev/fd")
def test_an_output_to_the_pipe_of_a_shell_is_written_to_it():
    reading, writing = os.pipe()
    name = Path(f"/dev/fd/{writing}")
    files.require_output(name)
    write_output(name, b"picture")
    os.close(writing)
    assert os.read(reading, 99) == b"picture"
    os.close(reading)
    for call in (files.require_output, lambda path: write_output(path, b"x")):
        with pytest.raises(RequestError, match="cannot be written"):
            call(name)


def test_a_folder_or_a_circle_of_links_is_one_sentence(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for name in ("a", "."):
        with pytest.raises(RequestError, match=r"cannot be written|is no file"):
            write_output(tmp_path / name, b"x")


def test_a_pipe_in_the_place_of_a_file_of_ours_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "record.json")
    with pytest.raises(FileExistsError):
        write_atomic(tmp_path / "record.json", b"x")
    assert (tmp_path / "record.json").is_fifo()


def test_a_pipe_in_the_place_of_what_is_kept_is_as_if_nothing_were_kept(tmp_path):
    path = tmp_path / "kept.json"
    os.mkfifo(path)
    assert Cache(tmp_path).read("kept", Holder) is None
    svg = KeptPictures(tmp_path).drawn(bytes, b"svg")
    for file in tmp_path.glob("*.svg"):
        file.unlink()
        os.mkfifo(file)
    assert KeptPictures(tmp_path).drawn(bytes, b"svg") == svg
    assert len(code_digest(["merbench.api.plural"], path)) == 12
    assert Known(path).table == {} and PartialFile(tmp_path / "kept", "").about == {}
    (tmp_path / "encoded/kept").mkdir(parents=True)
    os.mkfifo(tmp_path / "encoded/kept/entry.json")
    encoded = EncoderCache(tmp_path)
    assert [entry for _, entry, _ in encoded.entries()] == [None]
    assert encoded.find("kept") is None and len(encoded.warnings) == 1
    os.mkfifo(tmp_path / MANIFEST)
    with pytest.raises(DataError, match="cannot be read"):
        read_manifest(tmp_path)


def test_leftovers_of_killed_writers_are_swept_and_nothing_else(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    script = (
        "import os, sys; from pathlib import Path; from merbench.results import files;"
        "files.temporary_beside(Path(sys.argv[1]) / 'record.json'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    alive = files.temporary_beside(tmp_path / "record.json")
    mine, elsewhere = tmp_path / ".mine.tmp", tmp_path / f".x.{gone.pid}@elsewhere.abc.tmp"
    for path in (mine, elsewhere):
        path.write_text("")
    assert len(list(tmp_path.iterdir())) == 4
    files.sweep(tmp_path, tmp_path / "not there")
    assert {*tmp_path.iterdir()} == {alive, mine, elsewhere}
    os.utime(elsewhere, (0, 0))
    files.sweep(tmp_path)
    assert {*tmp_path.iterdir()} == {alive, mine}


def test_several_files_are_replaced_together_or_not_at_all(tmp_path):
    write_together(tmp_path, {"a": b"1", "sub/b": b"1"})
    (tmp_path / "z").mkdir()
    with pytest.raises(IsADirectoryError):
        write_together(tmp_path, {"a": b"2", "sub/b": b"2", "z": b"2"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "sub/b").read_bytes() == b"1"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "b", "sub", "z"]

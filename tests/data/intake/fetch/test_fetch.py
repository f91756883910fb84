"""Fetching from a loopback server that does everything a bad server does."""

import contextlib
import dataclasses
import hashlib
import io
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import h5py
import numpy as np
import pytest

from merbench.api import DataError, RunError
from merbench.data.intake.fetch.download import Patience
from merbench.data.intake.fetch.fetch import fetch
from merbench.data.intake.fetch.hdf5 import promised_size

PATIENT = Patience(timeout=300, tries=3, pause=0.001)
"""For a server that answers, which a busy machine may let wait."""
QUICK = Patience(timeout=0.3, tries=3, pause=0.001)
"""For a server that stalls in each of its answers."""


def hdf5(seed):
    file = io.BytesIO()
    with h5py.File(file, "w") as hdf5_file:
        hdf5_file["x/data"] = np.random.default_rng(seed).normal(size=40_000)
    return file.getvalue()


FILE, OTHER = hdf5(0), hdf5(1)


class Server:
    """``plan``: how to answer each request in turn, the last for all that follow; what is held
    waits for ``release``. ``asked``: the Range header of each, or None.
    """

    def __init__(self):
        self.plan, self.asked, self.body, self.tag = ["whole"], [], FILE, '"one"'
        self.release = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.asked.append(self.headers.get("Range"))
                self.close_connection = True
                way = outer.plan.pop(0) if len(outer.plan) > 1 else outer.plan[0]
                outer.answer(self, way)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(
            target=partial(self.http.serve_forever, poll_interval=0.01), daemon=True
        ).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/data/x.csd"

    def answer(self, handler, way):
        if way == "416":
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.body)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if way.isdigit():
            handler.send_error(int(way))
            return
        if way == "html":
            page = b"<html><body>Down for maintenance</body></html>"
            handler.send_response(200)
            handler.send_header("Content-Type", "text/html")
            handler.send_header("Content-Length", str(len(page)))
            handler.end_headers()
            handler.wfile.write(page)
            return
        if way.startswith("changed"):
            self.body, self.tag = OTHER, '"two"'
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range") or "")
        same = handler.headers.get("If-Range") in (None, self.tag)
        start = (
            int(asked[1])
            if asked and same and "ignores" not in way and "untagged" not in way
            else 0
        )
        body = self.body[start:]
        stalls = "stalls" in way and not (start and "at first" in way)
        handler.send_response(206 if start else 200)
        if "untagged" not in way:
            handler.send_header("ETag", self.tag)
        if start:
            shown = start + 7 if "elsewhere" in way else start
            total = "²" if "garbled" in way else len(self.body)
            handler.send_header("Content-Range", f"bytes {shown}-{len(self.body) - 1}/{total}")
        if "silent" not in way:
            stated_size = {"more": len(body) + 1000, "less": len(body) // 2, "garbled": "²"}
            handler.send_header(
                "Content-Length",
                str(next((n for word, n in stated_size.items() if word in way), len(body))),
            )
        handler.end_headers()
        if way == "held":
            self.release.wait()
        part = body[: len(body) // 3] if stalls or "breaks" in way else body
        handler.wfile.write(part[: len(body) // 2] if "less" in way else part)
        handler.wfile.flush()
        if stalls:
            wait_for_hang_up(handler.connection)


def wait_for_hang_up(connection):
    with contextlib.suppress(ConnectionError):
        connection.recv(1)


@pytest.fixture
def server():
    started = Server()
    yield started
    started.http.shutdown()
    started.http.server_close()


def get(server, folder, watch=lambda *_: None, patience=PATIENT):
    return fetch(server.url, folder, watch, patience)


def names(folder):
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


@pytest.mark.parametrize(
    ("plan", "asked"),
    [
        (["whole"], 1),
        (["silent"], 1),
        (["garbled"], 1),
        (["breaks", "garbled"], 2),
        (["503", "500", "whole"], 3),
        (["breaks", "503", "breaks", "breaks", "whole"], 5),
        (["breaks", "ignores range", "whole"], 2),
        (["breaks", "changed", "whole"], 2),
        (["breaks", "elsewhere", "whole"], 3),
        (["breaks", "416", "whole"], 3),
        (["untagged breaks", "untagged breaks", "whole"], 3),
        (["says more", "whole"], 2),
        (["says more", "416"], 2),
    ],
    ids=str,
)
def test_a_bad_server_is_lived_with(server, tmp_path, plan, asked):
    server.plan = plan
    steps = []
    assert get(server, tmp_path, lambda step, done, total: steps.append((step, done)))
    body = (tmp_path / "x.csd").read_bytes()
    assert body == server.body and len(server.asked) == asked
    assert names(tmp_path) == ["x.csd", "x.csd.sha256"]
    assert (tmp_path / "x.csd.sha256").read_text() == f"{hashlib.sha256(body).hexdigest()}  x.csd\n"
    received = [done for step, done in steps if step.startswith("x.csd") and ":" not in step]
    assert received[-1] == len(body)


def test_a_server_that_stalls_is_asked_for_the_rest(server, tmp_path):
    """How often is not counted: a busy machine may let any answer of it wait as long."""
    server.plan = ["stalls at first"]
    assert get(server, tmp_path, patience=dataclasses.replace(QUICK, tries=50))
    assert (tmp_path / "x.csd").read_bytes() == FILE
    assert server.asked[0] is None and server.asked[-1].startswith("bytes=")


def test_what_is_here_is_not_asked_for_again(server, tmp_path):
    server.plan = ["breaks", "whole"]
    get(server, tmp_path)
    assert server.asked == [None, f"bytes={len(FILE) // 3}-"]
    assert get(server, tmp_path) is False
    assert len(server.asked) == 2


def test_an_interrupted_call_goes_on_in_the_next(server, tmp_path):
    server.plan = ["breaks", "503"]
    with pytest.raises(RunError, match=rf"3 tries \(HTTP 503.*{len(FILE) // 3:,} bytes are here"):
        get(server, tmp_path)
    assert not (tmp_path / "x.csd").exists()
    server.plan, steps = ["whole"], []
    assert get(server, tmp_path, watch=lambda step, done, total: steps.append(step))
    assert server.asked[-1] == f"bytes={len(FILE) // 3}-"
    assert f"x.csd, resuming at {len(FILE) // 3 / 1e6:,.1f} MB" in steps


@pytest.mark.parametrize(
    ("plan", "error", "sentence"),
    [
        (["html"], DataError, "sent text/html .*Down for maintenance"),
        (["404"], RunError, "HTTP 404"),
        (["says less"], DataError, "damaged"),
        (["503"], RunError, "in 3 tries"),
        (["stalls ignores untagged"], RunError, "no answer in time"),
        (["breaks", "html"], DataError, "text/html"),
    ],
    ids=str,
)
def test_what_cannot_be_mended_is_one_sentence_and_leaves_no_file(
    server, tmp_path, plan, error, sentence
):
    server.plan = plan
    with pytest.raises(error, match=sentence) as raised:
        get(server, tmp_path, patience=QUICK if "stalls" in plan[0] else PATIENT)
    assert "\n" not in str(raised.value)
    assert "x.csd" not in names(tmp_path) and "x.csd.sha256" not in names(tmp_path)


def test_a_truncated_file_that_lies_there_is_not_called_whole(server, tmp_path):
    (tmp_path / "x.csd").write_bytes(FILE[:-1])
    with pytest.raises(DataError, match=r"x\.csd is not whole .*delete it"):
        get(server, tmp_path)
    (tmp_path / "x.csd").write_bytes(FILE)
    assert get(server, tmp_path) is False


def test_a_server_out_of_reach(tmp_path):
    with pytest.raises(RunError, match="out of reach: Connection refused"):
        fetch("http://127.0.0.1:9/x.csd", tmp_path, lambda *_: None, PATIENT)


def test_the_checksum_of_the_first_time_holds(server, tmp_path):
    get(server, tmp_path)
    (tmp_path / "x.csd").unlink()
    server.plan = ["changed"]
    with pytest.raises(DataError, match=r"delete x.csd.sha256 to accept the new one"):
        get(server, tmp_path)
    (tmp_path / "x.csd.sha256").unlink()
    assert get(server, tmp_path)
    (tmp_path / "x.csd").write_bytes(FILE)
    with pytest.raises(DataError, match="fetch it again"):
        get(server, tmp_path)


def test_two_at_once_fetch_it_once(server, tmp_path):
    waiting = threading.Semaphore(0)

    def watch(step, *_):
        if "another process is fetching it" in step:
            waiting.release()

    server.plan = ["held"]
    with ThreadPoolExecutor() as pool:
        calls = [pool.submit(get, server, tmp_path, watch) for _ in range(3)]
        both_wait = all(waiting.acquire(timeout=300) for _ in range(2))
        server.release.set()
        fetched = [call.result() for call in calls]
    assert both_wait and sorted(fetched) == [False, False, True] and len(server.asked) == 1
    assert (tmp_path / "x.csd").read_bytes() == FILE


def test_a_full_disk_is_told_before_a_byte_is_written(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))
    with pytest.raises(RunError, match="is full"):
        get(server, tmp_path)


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_the_size_that_hdf5_promises_is_that_of_the_file(tmp_path, version):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver=version) as file:
        file["a"] = np.arange(1000)
    assert promised_size(path) == path.stat().st_size
    path.write_bytes(b"no such thing" * 10)
    assert promised_size(path) is None


def test_the_command_shows_terms_and_wants_them_accepted(server, merbench, tmp_path):
    mirror = server.url.removesuffix("/data/x.csd")
    words = (
        "data",
        "fetch",
        "mosi",
        "--only",
        "Opinion",
        "--mirror",
        mirror,
        "--to",
        str(tmp_path / "here"),
    )
    result = merbench(*words)
    assert (
        result.returncode == 2
        and "give --yes" in result.stderr
        and "CMU-MultimodalSDK" in result.stderr
        and not server.asked
    )
    result = merbench(*words, "--yes", check=True)
    assert (
        tmp_path / "here/CMU_MOSI_Opinion_Labels.csd"
    ).read_bytes() == FILE and not result.stdout
    assert "is complete already" in merbench(*words, "--yes", check=True).stderr
    assert (
        "did you mean" in merbench("data", "fetch", "mosi", "--only", "CMU_MOSI_COVARAP.csd").stderr
    )
    for wrong in ("ftp://x.org", "http://[::1", "http://", "http://x.org:many"):
        result = merbench("data", "fetch", "mosi", "--yes", "--mirror", wrong)
        assert result.returncode == 2 and "is no address" in result.stderr

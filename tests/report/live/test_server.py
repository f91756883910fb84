"""A store while it grows, asked over HTTP: the page, progress, and who is refused."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from threading import Thread

import pytest

from merbench.api.errors import RequestError
from merbench.bench.python_session import catalog
from merbench.functions.look.serve import opened
from merbench.results.store.claims import Claims
from merbench.results.store.store import Store
from tests.report.made import put, spec


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("live") / "store"
    put(Store(root), 0.5, spec("merclip"), range(2))
    return root


@pytest.fixture(scope="module")
def server(root):
    with opened(catalog(), root, "127.0.0.1", 0) as served:
        thread = Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def ask(server, path, host=None, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=300)
    headers = {} if host is None else {"Host": host}
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, dict(answer.headers)


def test_a_page_follows_the_store(server, root):
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}
    status, text, headers = ask(server, "/")
    assert status == 200 and "sample-sentiment-standard/index.html" in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    page = ask(server, "/sample-sentiment-standard/index.html")[1]
    assert 'data-name="merclip"' in page and 'data-name="mult"' not in page
    stamp = json.loads(ask(server, "/status.json")[1])["stamp"]
    assert f'data-stamp="{stamp}"' in page
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()} == before
    put(Store(root), 0.7, spec("mult"), range(2))
    assert json.loads(ask(server, "/status.json")[1])["stamp"] != stamp
    assert 'data-name="mult"' in ask(server, "/sample-sentiment-standard/index.html")[1]


def test_progress_of_a_running_run(server, root):
    with Claims(root).hold("abcd") as claim:
        claim.tell({"model": "tfn", "seed": 3, "fold": None, "of": 20, "epoch": 5, "seconds": 7.4})
        (run,) = json.loads(ask(server, "/status.json")[1])["running"]
    assert run["name"] == "tfn, seed 3" and (run["epoch"], run["of"], run["seconds"]) == (5, 20, 7)
    assert json.loads(ask(server, "/status.json")[1])["running"] == []


@pytest.mark.parametrize(
    ("path", "host", "method", "expected"),
    [
        ("/", "evil.example", "GET", 403), ("/status.json", "evil.example:{port}", "GET", 403), ("/", "localhost:1", "GET", 403),
        ("/", "", "GET", 403), ("/", "localhost:{port}", "GET", 200), ("/", "[::1]:{port}", "HEAD", 200), ("/", None, "POST", 501),
        ("/../runs", None, "GET", 404), ("/%2e%2e/x", None, "GET", 404), ("/runs/x.json", None, "GET", 404), ("/index.html?x=1", None, "GET", 200),
        ("http://[", "localhost:{port}", "GET", 404),
    ],
)  # fmt: skip
def test_who_is_answered(server, path, host, method, expected):
    host = host and host.format(port=server.server_port)
    status, text, _ = ask(server, path, host, method)
    assert status == expected and (method != "HEAD" or text == "")


def test_a_reader_who_goes_is_nothing_to_report(server, capfd):
    for _ in range(5):
        gone = socket.create_connection(("127.0.0.1", server.server_port))
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.sendall(b"GET /status.json HTTP/1.1")
        gone.close()  # with a reset, in the middle of the request
    assert ask(server, "/")[0] == 200
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("host", ["a..b", "x" * 300, "\0", "no.such.host.invalid", "\udc80"])
def test_a_host_that_is_none_is_one_sentence(root, host):
    with pytest.raises(RequestError, match=r"nothing can be served at .*choose another --port"):
        opened(catalog(), root, host, 0)


def test_a_store_without_finished_runs_says_so(tmp_path):
    (tmp_path / "runs").mkdir()
    with opened(catalog(), tmp_path, "127.0.0.1", 0) as served:
        page, _ = served.pages.get("/")
    assert b"No run of that kind has finished yet." in page

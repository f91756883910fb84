"""Runs of others come into a store only as they are, from folders, zips and addresses."""

from __future__ import annotations

import shutil
import socket
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from safetensors.numpy import load, save

from merbench.api import DataError, RequestError, RunError
from merbench.bench.python_session import catalog
from merbench.functions.look.pull import pulled
from merbench.functions.look.pull_source import opened_source
from merbench.report.folder.read import tracks
from merbench.report.scores.board.board_scores import score
from merbench.report.scores.cache import Cache
from merbench.report.scores.rows.entries import collect
from merbench.report.scores.runs_of_a_store import StoreSource
from merbench.results.store.store import Store
from tests.report.made import corpus, put, put_board, record, spec


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A store with two models, and the folder of boards of it."""
    root = tmp_path_factory.mktemp("pull")
    store = Store(root / "store")
    for model, miss in (("merclip", 0.5), ("mult", 0.6)):
        put(store, miss, spec(model), range(2))
    source = StoreSource(store)
    (board,) = collect(source.records(), ())
    put_board(root / "boards" / "one", board, score(board, source, Cache(None)), source)
    return root


def take(source, into):
    with opened_source(str(source)) as folder:
        runs = list(pulled(folder, into, catalog(), lambda name: corpus()))
    return sorted(run.how for run in runs), {run.why for run in runs} - {""}


def zipped(folder, target, prefix="repository-main/leaderboards/"):
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, prefix + path.relative_to(folder).as_posix())
    return target


def test_runs_come_whole_and_once(built, tmp_path):
    into, mine = Store(tmp_path / "mine"), Store(built / "store")
    assert take(built / "boards", into) == (["copied"] * 4, set())
    assert {r.run_id: r for r in into.records()} == {r.run_id: r for r in mine.records()}
    for run in into.records():
        a, b = into.predictions(run.run_id), mine.predictions(run.run_id)
        assert (a.ids, a.videos) == (b.ids, b.videos)
        assert np.array_equal(a.prediction, b.prediction)
        assert a.target.dtype == b.target.dtype and np.array_equal(a.target, b.target)
    assert take(built / "boards", into) == (["there"] * 4, set())
    assert take(built / "store", Store(tmp_path / "other"))[0] == ["copied"] * 4


def test_the_searches_of_a_store_come_along_from_a_zip_too(built, tmp_path):
    store, zipped_store = tmp_path / "store", tmp_path / "store.zip"
    shutil.copytree(built / "store", store)
    journal = store / "tuning/a-search.journal"
    journal.parent.mkdir()
    journal.write_text('{"op_code":0}\n')
    zipped(store, zipped_store, "a/")
    for source in (store, zipped_store):
        into = tmp_path / f"from-{source.name}"
        assert take(source, Store(into)) == (["copied"] * 5, set())
        assert (into / "tuning" / journal.name).read_bytes() == journal.read_bytes()


def test_a_store_takes_only_what_it_lacks(built, tmp_path):
    into = Store(tmp_path / "mine")
    other, predictions = record(0, 0.9, spec("mult"))
    into.put(other, predictions)
    hows, whys = take(built / "boards", into)
    assert hows == ["conflict", *["copied"] * 3]
    assert "predictions differ" in whys.pop()
    assert into.get(other.run_id) == other, "what it has done stays"


def test_the_longer_search_of_a_run_comes_along_and_a_shorter_one_replaces_nothing(built, tmp_path):
    into, there = Store(tmp_path / "into"), Store(tmp_path / "there")
    for store, trials in ((into, 5), (there, 9)):
        put(store, 0.5, spec("merclip"), range(2))
        for run in list(store.records()):
            store.update(run, {"search": "s", "trials": trials, "seconds": 1.0})
    for store, boards in ((there, "nine"), (into, "five")):
        source = StoreSource(store)
        (board,) = collect(source.records(), ())
        scores = score(board, source, Cache(None))
        put_board(tmp_path / boards / "one", board, scores, source)
    for boards in ("nine", "five"):
        assert take(tmp_path / boards, into) == (["there"] * 2, set())
        assert {run.tuned_by["trials"] for run in into.records()} == {9}


def test_of_one_track_that_is_named_only_its_runs_are_taken(built, tmp_path):
    store = Store(tmp_path / "store")
    put(store, 0.5, spec("merclip", protocol="folds"), range(2))
    source = StoreSource(store)
    (board,) = collect(source.records(), ())
    shutil.copytree(built / "boards", tmp_path / "boards")
    put_board(tmp_path / "boards" / "two", board, score(board, source, Cache(None)), source)
    one = tmp_path / "boards/one"
    assert take(one, Store(tmp_path / "a"))[0] == ["copied"] * 4
    assert take(zipped(one, tmp_path / "one.zip", ""), Store(tmp_path / "b"))[0] == ["copied"] * 4
    with pytest.raises(DataError, match=r"is one board; name the folder that it lies in, .*boards"):
        tracks(one)


def test_one_altered_prediction_is_refused_and_the_rest_is_not(built, tmp_path):
    shutil.copytree(built / "boards", tmp_path / "boards")
    (path,) = tracks(tmp_path / "boards")
    file = path / "predictions" / "mult.safetensors"
    tensors = {name: array.copy() for name, array in load(file.read_bytes()).items()}
    tensors[min(tensors)][3] += 0.1
    file.write_bytes(save(tensors))
    hows, whys = take(tmp_path / "boards", Store(tmp_path / "mine"))
    assert hows == [*["copied"] * 3, "refused"] and "its predictions give" in whys.pop()


def test_a_zip_comes_from_a_file_and_from_an_address(built, tmp_path):
    path = zipped(built / "boards", tmp_path / "boards.zip")
    assert take(path, Store(tmp_path / "a"))[0] == ["copied"] * 4
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert take(f"{url}/boards.zip", Store(tmp_path / "b"))[0] == ["copied"] * 4
        with pytest.raises(RunError, match="cannot be read"):
            take(f"{url}/gone.zip", Store(tmp_path / "c"))
        server.shutdown()


def test_a_zip_writes_only_into_its_own_folder(built, tmp_path):
    path = zipped(built / "boards", tmp_path / "boards.zip", prefix="../evil/")
    with pytest.raises(DataError, match="leaves its folder"):
        take(path, Store(tmp_path / "mine"))
    assert not (tmp_path / "mine" / "runs").exists()


def test_a_zip_whose_content_is_damaged_is_one_sentence(tmp_path):
    packings = (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    for packing in packings:
        path = tmp_path / f"{packing}.zip"
        with zipfile.ZipFile(path, "w", packing) as archive:
            archive.writestr("one/rows.json", '{"": ["a", "b"]}' * 50)
        content = bytearray(path.read_bytes())
        begin = content.index(b"rows.json") + len(b"rows.json")
        content[begin + 9 : begin + 15] = b"\xff" * 6
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"is no whole zip file|cannot be unpacked"):
            take(path, Store(tmp_path / "mine"))


def answering(listener, answer):
    connection, _ = listener.accept()
    with connection:
        connection.recv(10000)
        connection.sendall(answer)


@pytest.mark.parametrize(
    "answer",
    [b"no such protocol\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"],
)
def test_an_address_that_does_not_speak_http_is_one_sentence(answer, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=answering, args=(listener, answer), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x.zip"
        with pytest.raises(RunError, match="cannot be read"):
            take(url, Store(tmp_path / "mine"))
    with pytest.raises(RunError, match="cannot be read"):
        take("http://127.0.0.1/my boards.zip", Store(tmp_path / "mine"))


@pytest.mark.parametrize(
    ("content", "error", "sentence"),
    [
        (b"no zip", DataError, "is no whole zip file"),
        (None, RequestError, "is no folder, no zip file and no address"),
    ],
)
def test_what_is_no_source(tmp_path, content, error, sentence):
    if content is not None:
        (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(error, match=sentence):
        take(tmp_path / "x.zip", Store(tmp_path / "mine"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="holds no boards"):
        take(tmp_path / "empty", Store(tmp_path / "mine"))


def test_the_command_names_what_it_refuses_and_ends_with_1(built, tmp_path, merbench):
    """The data set of that name on this machine is another one."""
    result = merbench(
        "leaderboard", "pull", str(built / "boards"), "--store", str(tmp_path / "mine")
    )
    assert result.returncode == 1 and "0 copied, 0 there, 0 conflict, 4 refused" in result.stdout
    assert "your sample has" in result.stderr

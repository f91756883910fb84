"""Storages: a journal that a kill cannot spoil, a real PostgreSQL, Optuna's gRPC proxy; and what
cannot be used is told in a sentence.
"""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from merbench.api import RequestError
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.testing import tiny
from merbench.tuning.journal import JournalFile, written_together
from merbench.tuning.journal_lock import GRACE, JournalLock
from merbench.tuning.search import tune
from merbench.tuning.shared_search import SearchConfig, join
from merbench.tuning.storage import open_storage
from tests.tiny_runs import MACHINE
from tests.tuning.test_kills import SOON, whole

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


@pytest.fixture
def asked(catalog):
    request = Request("late-fusion-dnn", settings={"train.epochs": 1, "train.batch_size": 8})
    return request, resolve(request, catalog, tiny.corpus(), None)


def work_together(asked, store, search, count=2):
    """``count`` processes finish the search; one is killed on the way, and another takes its place."""
    fork = multiprocessing.get_context("fork")
    workers = [
        fork.Process(target=tune, args=(*asked, store, MACHINE, search), kwargs=SOON)
        for _ in range(count + 1)
    ]
    for worker in workers[:count]:
        worker.start()
    time.sleep(1.5)
    workers[0].kill()
    workers[count].start()
    for worker in workers:
        worker.join(600)
    assert [w.exitcode for w in workers[1:]] == [0] * count
    whole(join(*asked, store, search), search.trials)


# The journal


def test_a_line_cut_off_by_a_kill_spoils_nothing(asked, store):
    search = SearchConfig(3, sampler="random", pruner="none")
    tuned = tune(*asked, store, MACHINE, search)
    (path,) = (store.root / "tuning").glob("*.journal")
    with path.open("ab") as file:
        file.write(b'{"op_code": 8, "worker_id": "gone", "trial_id"')
    assert tune(*asked, store, MACHINE, search) == tuned, "it is not read"
    more = tune(*asked, store, MACHINE, SearchConfig(4, sampler="random", pruner="none"))
    assert more.trials == 4
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_who_looks_on_at_a_search_writes_nothing(asked, store, monkeypatch):
    search = SearchConfig(2, sampler="random", pruner="none")
    tuned = tune(*asked, store, MACHINE, search)
    (path,) = (store.root / "tuning").glob("*.journal")
    before, sound = path.read_bytes(), Path.open

    def read_only(path, mode="r", *more, **named):
        if set(mode) & set("aw+"):
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return sound(path, mode, *more, **named)

    monkeypatch.setattr(Path, "open", read_only)
    assert join(*asked, store, search).result() == tuned
    assert path.read_bytes() == before


def test_a_lock_ends_with_the_process_that_held_it(store, tmp_path):
    code = """
import os, signal, sys
from pathlib import Path
from merbench.tuning.journal_lock import JournalLock
path = Path(sys.argv[1]); path.touch(); JournalLock(path).acquire(); os.kill(os.getpid(), signal.SIGKILL)
"""
    path = tmp_path / "study.journal"
    subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=600)
    before = time.monotonic()
    study = optuna.create_study(study_name="s", storage=open_storage(str(path), store.root, "s"))
    assert study.study_name == "s" and time.monotonic() - before < GRACE, "it was waited for"


def test_the_disk_is_waited_for_when_a_trial_has_finished_and_not_at_each_line(
    asked, store, monkeypatch
):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(_states(store)))
    tune(*asked, store, MACHINE, SearchConfig(3, sampler="random", pruner="none"))
    ends = [sum(map(TrialState.is_finished, states)) for states in synced]
    assert ends[-3:] == [1, 2, 3], "each end is followed by one"
    lines = next((store.root / "tuning").glob("*.journal")).read_text().splitlines()
    assert len(lines) > 3 * len(synced)


def test_the_lock_is_taken_a_few_times_a_trial_and_not_at_each_line(asked, store, monkeypatch):
    taken, acquire = [], JournalLock.acquire
    monkeypatch.setattr(JournalLock, "acquire", lambda lock: taken.append(lock) or acquire(lock))
    tune(*asked, store, MACHINE, SearchConfig(6, sampler="random", pruner="none"))
    lines = next((store.root / "tuning").glob("*.journal")).read_text().splitlines()
    assert len(taken) < len(lines) / 2


def test_another_thread_writes_into_a_journal_that_is_held(store, tmp_path):
    path = tmp_path / "x.journal"
    study = optuna.create_study(study_name="s", storage=open_storage(str(path), store.root, "s"))
    with written_together(study._storage):
        study.set_user_attr("here", 1)
        thread = threading.Thread(target=study.set_user_attr, args=("there", 2), daemon=True)
        thread.start()
        thread.join(600)
        assert not thread.is_alive() and path.with_name("x.journal.lock").is_symlink()
    assert not path.with_name("x.journal.lock").is_symlink()
    again = open_storage(str(path), store.root, "s")
    assert optuna.load_study(study_name="s", storage=again).user_attrs == {"here": 1, "there": 2}


def test_a_journal_is_read_from_any_line_and_no_further_than_whole_ones(tmp_path):
    path = tmp_path / "x.journal"
    writer, reader = JournalFile(path), JournalFile(path)
    writer.append_logs([{"op_code": 8, "n": n} for n in range(3)])
    assert [log["n"] for log in reader.read_logs(0)] == [0, 1, 2] and reader.read_logs(3) == []
    with path.open("ab") as file:
        file.write(b'{"op_code": 8, "n"')
    assert reader.read_logs(3) == []
    with path.open("ab") as file:
        file.write(b": 3}\n")
    assert [log["n"] for log in reader.read_logs(3)] == [3]
    assert [log["n"] for log in reader.read_logs(1)] == [1, 2, 3]


def _states(store):
    """Of each line of the journal that gives a trial one."""
    (path,) = (store.root / "tuning").glob("*.journal")
    logs = map(json.loads, path.read_text().splitlines())
    return [TrialState(log["state"]) for log in logs if log["op_code"] == 6]


# Databases


def until_it_answers(server, connect, refused):
    """A server that was just started takes its time on a busy machine."""
    while server.poll() is None:
        try:
            connect().close()
            return
        except refused:
            time.sleep(0.05)
    pytest.fail(f"the server ended with {server.returncode}")


@pytest.fixture
def postgres(tmp_path):
    """The URL of a new PostgreSQL; its server runs as somebody else where we are root, because it
    refuses root.
    """
    if not POSTGRES:
        pytest.skip("no PostgreSQL here (looked for /usr/lib/postgresql/*/bin)")
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed (extra postgres)")
    folder = tmp_path / "postgres"
    folder.mkdir()
    root = os.geteuid() == 0
    user = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.geteuid())
    if root:
        shutil.chown(folder, user.pw_uid, user.pw_gid)
        for parent in (tmp_path, *tmp_path.parents):
            if not parent.stat().st_mode & stat.S_IXOTH:  # pytest's folders are their owner's alone
                parent.chmod(parent.stat().st_mode | stat.S_IXOTH)

    def call(name, *words, **more):
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if root else {}
        environ = {**os.environ, "LC_ALL": "C", "HOME": str(folder)}
        return subprocess.Popen(
            [POSTGRES[-1].with_name(name), *words], cwd=folder, env=environ, **as_user, **more
        )

    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    assert (
        call(
            "initdb",
            "-D",
            str(folder / "data"),
            "-U",
            "merbench",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "-N",
            **quiet,
        ).wait(600)
        == 0
    )
    # By a socket in its folder: a port could be another's.
    words = ("-D", str(folder / "data"), "-h", "", "-k", str(folder), "-c", "fsync=off")
    server, url = (
        call("postgres", *words, **quiet),
        f"postgresql://merbench@/postgres?host={folder}",
    )
    try:
        until_it_answers(server, lambda: psycopg.connect(url), psycopg.OperationalError)
        yield url
    finally:
        server.send_signal(signal.SIGINT)  # it does not wait for those who are connected
        server.wait(600)


def test_workers_share_a_postgresql_and_one_is_killed(asked, store, postgres):
    work_together(asked, store, SearchConfig(8, sampler="random", pruner="none", storage=postgres))


@pytest.fixture
def sqlite(tmp_path):
    return f"sqlite:///{tmp_path / 'study.db'}"


@pytest.fixture
def proxy(sqlite):
    """The URL of Optuna's gRPC proxy of that database."""
    pytest.importorskip("grpc", reason="grpcio is not installed (extra grpc)")
    code = (
        "import sys; from optuna.storages import get_storage, run_grpc_proxy_server; "
        "run_grpc_proxy_server(get_storage(sys.argv[1]), host='127.0.0.1', port=int(sys.argv[2]))"
    )
    with socket.socket() as reserved:
        # Nobody else is given this port; gRPC's server shares it.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        address = reserved.getsockname()
        words = [sys.executable, "-W", "ignore", "-c", code, sqlite, str(address[1])]
        server = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        try:
            until_it_answers(server, lambda: socket.create_connection(address), OSError)
            yield "grpc://{}:{}".format(*address)
        finally:
            server.terminate()
            server.wait(600)


def test_a_worker_reaches_the_study_through_the_grpc_proxy(asked, store, sqlite, proxy):
    def search(storage):
        return SearchConfig(4, sampler="random", pruner="none", storage=storage)

    tuned = tune(*asked, store, MACHINE, search(proxy), **SOON)
    assert tuned.trials == 4
    # The same study, and the same name, whichever way it is reached.
    assert tune(*asked, store, MACHINE, search(sqlite)) == tuned


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        (
            "postgresql://me:secret@127.0.0.1:1/db",
            r"--storage postgresql://127.0.0.1:1/db is out of reach: .*refused",
        ),
        ("nonsense://x", r"--storage nonsense://x: there is no database 'nonsense'; give a file"),
        ("oracle://x/y", r"--storage oracle://x/y needs a driver that is not installed"),
        ("grpc://somewhere", r"not of the form grpc://HOST:PORT"),
        ("{folder}", r"cannot be used \(Is a directory\)"),
        ("{folder}/prose.journal", r"cannot be used \(it is no journal"),
        ("{folder}/flipped.journal", r"cannot be used \(it is no journal"),
        ("{folder}/pipe", r"cannot be used \(it is no journal"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence_without_the_password(
    store, tmp_path, where, sentence
):
    (tmp_path / "prose.journal").write_text("Dear diary\nno JSON here\n")
    (tmp_path / "flipped.journal").write_text('{"op_code":0,"worker_id":"x","study_name":"y"}\n')
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RequestError, match=sentence) as told:
        open_storage(where.format(folder=tmp_path), store.root, "study")
    assert "secret" not in str(told.value) and "\n" not in str(told.value)


def test_our_writers_and_plain_ones_share_a_journal_without_waiting(tmp_path, recwarn):
    """optuna-dashboard is a plain writer. Each waits for the other's lock, and for no longer than it
    is held: a lock that was broken or left behind would cost half a minute or a line.
    """
    from optuna.storages.journal import JournalFileBackend

    path = tmp_path / "x.journal"
    ours = JournalFileBackend(str(path), lock_obj=JournalLock(path))
    plain = JournalFileBackend(str(path))

    def write(backend, name):
        for number in range(50):
            backend.append_logs([{"by": name, "number": number}])

    threads = [threading.Thread(target=write, args=a) for a in ((ours, "ours"), (plain, "plain"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logs = list(JournalFileBackend(str(path)).read_logs(0))
    for name in ("ours", "plain"):
        assert [log["number"] for log in logs if log["by"] == name] == list(range(50))
    assert not path.with_name("x.journal.lock").is_symlink()
    assert not recwarn.list, "Optuna warns where it breaks a lock"


def test_a_lock_that_a_killed_process_of_ours_left_is_taken_at_once(tmp_path):
    path = tmp_path / "x.journal"
    path.touch()
    left = JournalLock(path)
    left.acquire()
    left._file.close()  # as the system does when a process is killed: the symlink stays
    clock = time.monotonic()
    again = JournalLock(path)
    again.acquire()
    again.release()
    assert time.monotonic() - clock < GRACE

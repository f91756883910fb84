"""Of all processes that want one run, one has it; the dead lose it."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import time
from pathlib import Path

import pytest

from merbench.api.errors import RequestError
from merbench.results import processes
from merbench.results.files import temporary_beside
from merbench.results.store import claims as module
from merbench.results.store.claims import Claims
from merbench.results.store.store import Store

FORK = multiprocessing.get_context("fork")


def elsewhere(function, *words):
    """Calls in another process, and returns what it says."""
    ours, theirs = FORK.Pipe()
    child = FORK.Process(target=lambda: theirs.send(function(*words)))
    child.start()
    child.join()
    return ours.recv() if ours.poll() else None


def takes(claims: Claims, run_id: str) -> bool:
    return claims.take(run_id) is not None


def test_a_claim_is_held_by_one_process_until_it_is_given_back(tmp_path):
    claims = Claims(tmp_path)
    with claims.take("a") as claim:
        assert claims.held() == {"a": claim.holder}
        assert not elsewhere(takes, claims, "a") and elsewhere(takes, claims, "b")
        with claims.take("a"):
            pass
        assert not elsewhere(takes, claims, "a"), (
            "the inner block gave back what the outer one holds"
        )
    assert "a" not in claims.held()
    assert elsewhere(takes, claims, "a")


def test_the_claim_of_a_dead_process_is_taken_over_at_once(tmp_path):
    claims = Claims(tmp_path)
    assert elsewhere(takes, claims, "a"), "it died without giving it back"
    assert not claims.held()
    with claims.take("a") as claim:
        assert claim.holder.pid == os.getpid() and list(claims.held()) == ["a"]
    assert not list(claims.root.iterdir())


def test_a_process_number_that_is_used_again_is_another_process(tmp_path):
    claims = Claims(tmp_path)
    claim = claims.take("a")
    claim.path.write_text(claim.holder.model_copy(update={"started": "1"}).model_dump_json())
    assert takes(claims, "a")


def test_a_claim_of_another_machine_holds_until_it_gives_no_sign_of_life(tmp_path):
    claims = Claims(tmp_path)
    claim = claims.take("a")
    other = claim.holder.model_copy(update={"pid": 1, "machine": "another boot"})
    claim.path.write_text(other.model_dump_json())
    assert not takes(claims, "a") and list(claims.held()) == ["a"]
    old = time.time() - module.STALE - 1
    os.utime(claim.path, (old, old))
    assert not claims.held() and takes(claims, "a")


def test_who_may_not_write_sees_what_other_machines_hold(tmp_path, monkeypatch):
    def read_only(**_):
        raise OSError(errno.EROFS, "Read-only file system")

    claims = Claims(tmp_path)
    claim = claims.take("a")
    other = claim.holder.model_copy(update={"machine": "another boot"})
    claim.path.write_text(other.model_dump_json())
    monkeypatch.setattr(module, "TemporaryFile", read_only)
    assert list(claims.held()) == ["a"]


def test_a_claim_from_the_future_is_no_sign_of_life(tmp_path):
    claims = Claims(tmp_path)
    claim = claims.take("a")
    other = claim.holder.model_copy(update={"machine": "another boot"})
    claim.path.write_text(other.model_dump_json())
    ahead = time.time() + 86_400
    os.utime(claim.path, (ahead, ahead))
    assert not claims.held() and takes(claims, "a")


def test_waiting_for_a_claim_is_announced_once_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TELL", 0.0)
    claims, sentences = Claims(tmp_path), []
    claim = claims.take("a")
    other = claim.holder.model_copy(update={"host": "other", "machine": "other", "pid": 7})
    claim.path.write_text(other.model_dump_json())

    def give_up(sentence):
        sentences.append(sentence)
        claim.path.unlink()

    with claims.hold("a", give_up):
        pass
    (sentence,) = sentences
    assert "process 7 on other" in sentence and f"deleting {claims.root}/a.*" in sentence


def test_what_dead_processes_left_of_a_claim_is_dropped_and_no_other(tmp_path):
    claims = Claims(tmp_path)
    for run_id, pid in (("dead", 2**22 + 1), ("alive", os.getppid())):
        claim = claims.take(run_id)
        started = processes.started(pid) or ""
        holder = claim.holder.model_copy(update={"pid": pid, "started": started})
        claim.path.write_text(holder.model_dump_json())
        claims.drop_dead(run_id)
    assert list(claims.held()) == ["alive"]
    assert [path.name for path in claims.root.iterdir()] == ["alive.0"]


def test_a_refused_request_leaves_no_claim_that_its_processes_were_writing(tmp_path):
    store = Store(tmp_path / "new")
    store.require_writable()
    assert Claims(store.root).take("a"), "what makes the folder"
    (store.root / "claims" / "a.0").unlink()

    def write_until_ended():
        temporary_beside(store.root / "claims" / "b.0")
        os._exit(1)

    elsewhere(write_until_ended)
    assert list(store.root.rglob("*.tmp"))
    store.remove_if_empty()
    assert not list(tmp_path.iterdir())


def test_a_living_holder_renews_its_claim_and_tells_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BEAT", 0.01)
    claims = Claims(tmp_path)
    with claims.take("a") as claim:
        claim.tell({"epoch": 3})
        assert claims.held()["a"].about == {"epoch": 3}
        os.utime(claim.path, (0, 0))
        deadline = time.monotonic() + 300
        while claim.path.stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert not list(claims.root.iterdir())


def test_a_file_that_is_no_claim_is_outlived(tmp_path):
    claims = Claims(tmp_path)
    claims.root.mkdir()
    (claims.root / "a.0").write_text("{")
    (claims.root / "a.²").touch()
    assert not claims.held()
    assert not takes(claims, "a")
    os.utime(claims.root / "a.0", (0, 0))
    assert takes(claims, "a")


def test_a_pipe_or_a_folder_in_the_place_of_a_claim_keeps_nobody_waiting(tmp_path):
    claims = Claims(tmp_path)
    claims.root.mkdir()
    os.mkfifo(claims.root / "a.0")
    (claims.root / "a.1").mkdir()
    os.utime(claims.root / "a.1", (0, 0))
    assert not claims.held()
    with claims.take("a"):
        assert set(claims.held()) == {"a"}
    assert [path.name for path in claims.root.iterdir()] == ["a.1"]


def test_a_claim_of_a_high_number_is_given_back_at_once(tmp_path):
    claims = Claims(tmp_path)
    claims.root.mkdir()
    path = claims.root / f"a.{10**18}"
    path.write_text("{")
    os.utime(path, (0, 0))
    with claims.take("a"):
        assert set(claims.held()) == {"a"}
    assert not [*claims.root.iterdir()]


def _contend(root: Path) -> None:
    """Takes the one claim again and again, and fails where it was not alone with it."""
    claims, draw = Claims(root), random.Random(os.getpid())
    while not (root / "stop").exists():
        if claim := claims.take("a"):
            with claim:
                (root / "inside").mkdir()
                with (root / "log").open("a") as log:
                    log.write(json.dumps(os.getpid()) + "\n")
                time.sleep(draw.uniform(0, 0.002))
                if draw.random() < 0.3:
                    # Dies with the claim in its hands: what follows is another process's.
                    (root / "inside").rmdir()
                    os._exit(9)
                (root / "inside").rmdir()
        else:
            # Four that only spin would keep the holder, and what it waits for, from the processor.
            time.sleep(draw.uniform(0, 0.001))


def test_no_two_are_ever_inside_whoever_dies(tmp_path):
    def contender():
        child = FORK.Process(target=_contend, args=(tmp_path,))
        child.start()
        return child

    log, deadline = tmp_path / "log", time.monotonic() + 600
    log.touch()
    children = [contender() for _ in range(4)]
    try:
        while len(log.read_text().splitlines()) < 40:
            for i, child in enumerate(children):
                if not child.is_alive():
                    assert child.exitcode == 9, "two were inside at once"
                    children[i] = contender()
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        (tmp_path / "stop").touch()
        for child in children:
            child.join()
    assert {child.exitcode for child in children} <= {0, 9}, "two were inside at once"


def test_a_claim_that_was_taken_and_given_back_between_looking_and_taking_is_not_ours(
    tmp_path, monkeypatch
):
    """The dead process's claim was taken over, its run was made, and a third has begun anew."""
    claims, create = Claims(tmp_path), module._create
    dead = claims.take("a")
    dead.path.write_text(dead.holder.model_copy(update={"pid": 2**22 + 1}).model_dump_json())
    alive = dead.holder.model_copy(update={"pid": 7, "machine": "other"})

    def late(path, holder):
        dead.path.write_text(alive.model_dump_json())
        return create(path, holder)

    monkeypatch.setattr(module, "_create", late)
    assert claims.take("a") is None
    assert claims.held() == {"a": alive}


def test_a_disk_that_takes_nothing_more_costs_the_claim_its_news_and_leaves_no_litter(
    tmp_path, monkeypatch
):
    claims = Claims(tmp_path)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with pytest.raises(RequestError, match="what was done"), claims.take("a") as claim:
        monkeypatch.setattr(Path, "write_text", full)
        claim.tell({"epoch": 1})
        assert list(claims.root.iterdir()) == [claim.path]
        monkeypatch.setattr(Path, "unlink", full)
        raise RequestError("what was done")
    claims.drop_dead("a")


def test_the_next_command_drops_what_the_dead_left_also_of_runs_that_are_done(tmp_path):
    claims = Claims(tmp_path)
    for run_id in ("a", "b"):
        assert elsewhere(takes, claims, run_id)
    with claims.take("living") as living:
        Store(tmp_path).require_writable()
        assert list(claims.root.iterdir()) == [living.path]

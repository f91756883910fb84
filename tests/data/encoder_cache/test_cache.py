"""The cache keeps what it was given, byte by byte, or throws it away and says so."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
import shutil
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from merbench.api import RequestError, Stream
from merbench.data.encoder_cache import cache as cache_module
from merbench.data.encoder_cache import filling as cache_file
from merbench.data.encoder_cache.cache import Cache, cache_home
from merbench.data.encoder_cache.entry import About
from merbench.data.streams.content_hash import Known, row_contents

FACTS = {
    "encoder": "e",
    "version": 1,
    "config": {},
    "weights": {},
    "dataset": "d",
    "stream": "s",
    "device": "cpu",
}
LENGTHS = [[2, 0, 1], [0, 0, 0], [3]]


def shard(number: int):
    length = np.array(LENGTHS[number])
    return np.arange(length.sum() * 4, dtype=np.float32).reshape(-1, 4) + 100 * number, length


def fill(root, numbers=(0, 1, 2), key="k"):
    with Cache(root).filling(key, "shards-x") as filling:
        for number in numbers:
            filling.put(
                number,
                *shard(number),
                {3 * number: f"note {number}"},
                {3 * number: {"faceless_rate": (number, 4)}},
            )
        filling.finish({"truncated_rate": 0.5}, **FACTS)
    return root


def files(root):
    return {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_an_entry_is_its_shards_side_by_side_and_plain_safetensors(tmp_path):
    entry, values, length = Cache(fill(tmp_path)).find("k")
    np.testing.assert_array_equal(values, np.concatenate([shard(n)[0] for n in range(3)]))
    assert length.tolist() == [2, 0, 1, 0, 0, 0, 3] and not values.flags.writeable
    assert (entry.rows, entry.steps, entry.width, entry.notes) == (
        7,
        6,
        4,
        {0: "note 0", 3: "note 1", 6: "note 2"},
    )
    assert entry.measured == {
        "truncated_rate": 0.5,
        "faceless_rate": 0.25,
        "clips_cut_short": 2.0,
        "clips_without": 1.0,
    }
    np.testing.assert_array_equal(
        load_file(tmp_path / "encoded/k/values.safetensors")["values"], values
    )
    assert not list((tmp_path / "encoded/k").glob("shards*"))


def test_in_any_order_and_interrupted_the_bytes_are_the_same(tmp_path):
    whole = fill(tmp_path / "a")
    with Cache(tmp_path / "b").filling("k", "shards-x") as filling:
        filling.put(2, *shard(2), {6: "note 2"}, {6: {"faceless_rate": (2, 4)}})
        (filling.shards / ".00001.safetensors.x.tmp").write_bytes(b"of a killed writer")
    with Cache(tmp_path / "b").filling("k", "shards-x") as filling:
        assert filling.done() == {2} and not list(filling.shards.glob(".*"))
    fill(tmp_path / "b", (1, 0))
    assert files(whole) == files(tmp_path / "b")


@pytest.mark.parametrize("name", ["values.safetensors", "entry.json"])
def test_a_damaged_entry_is_told_and_made_again(tmp_path, name):
    file = fill(tmp_path) / "encoded/k" / name
    whole = file.read_bytes()
    for bad in (whole[:-3], whole[:-9] + bytes([whole[-9] ^ 128]) + whole[-8:], b""):
        file.write_bytes(bad)
        cache = Cache(tmp_path)
        assert (
            cache.find("k") is None
            and len(cache.warnings) == 1
            and "is damaged" in cache.warnings[0]
        ), cache.warnings
        assert cache.find("k") is None and len(cache.warnings) == 1  # thrown away, so told once
        fill(tmp_path)
        assert file.read_bytes() == whole


def test_a_damaged_entry_that_cannot_be_thrown_away_is_one_sentence(tmp_path, monkeypatch):
    def read_only(path):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    (fill(tmp_path) / "encoded/k/values.safetensors").write_bytes(b"")
    monkeypatch.setattr(cache_module, "remove", read_only)
    with pytest.raises(RequestError, match=r"cannot be written \(Read-only.*MERBENCH_CACHE"):
        Cache(tmp_path).find("k")


def test_an_entry_that_was_changed_or_is_another_ones_is_made_again(tmp_path):
    folder = fill(tmp_path) / "encoded/k"
    entry = folder / "entry.json"
    entry.write_text(entry.read_text().replace("note 0", "note 9"))
    assert Cache(tmp_path).find("k") is None
    folder.rename(folder.parent / "other")
    fill(tmp_path, key="k")
    shutil.copy(folder.parent / "k/entry.json", folder.parent / "other/entry.json")
    assert Cache(tmp_path).find("other") is None and Cache(tmp_path).find("k")
    entry.unlink()
    entry.mkdir()
    assert Cache(tmp_path).find("k") is None and not entry.exists()


@pytest.mark.parametrize("unsaid", [("packages",), ("packages", "key", "facts_sha256")])
def test_an_entry_from_before_there_were_versions_or_digests_is_read(tmp_path, unsaid):
    path = fill(tmp_path) / "encoded/k/entry.json"
    facts = json.loads(path.read_bytes())
    path.write_text(json.dumps({k: facts[k] for k in facts if k not in unsaid}))
    assert Cache(tmp_path).find("k")


def test_a_shard_of_other_rows_or_with_other_notes_is_thrown_away(tmp_path):
    with Cache(tmp_path).filling("k", "shards-x") as filling:
        filling.put(0, *shard(0), {0: "note 0"})
        path = filling.shards / "00000.safetensors"
        content = path.read_bytes()
        shutil.copy(path, filling.shards / "00001.safetensors")
        assert filling.done() == {0} and len(list(filling.shards.iterdir())) == 1
        for damage in (content.replace(b"note 0", b"note 9"), content.replace(b"{", b"[", 2), b""):
            path.write_bytes(damage)
            assert filling.done() == set() and not path.exists()
        path.mkdir()
        assert filling.done() == set() and not path.exists()


def test_a_damaged_shard_is_thrown_away(tmp_path):
    with Cache(tmp_path).filling("k", "shards-x") as filling:
        filling.put(0, *shard(0), {})
        filling.put(1, *shard(1), {})
        path = filling.shards / "00000.safetensors"
        whole = path.read_bytes()
        path.write_bytes(whole[:-5] + b"\1" + whole[-4:])
        assert filling.done() == {1} and not path.exists()


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache_file, "write_atomic", full)
    with pytest.raises(
        RequestError,
        match=r"the cache .* cannot be written \(No space left on device\); .*MERBENCH_CACHE",
    ):
        fill(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="cannot be written"):
        fill(tmp_path / "file")


def test_what_the_encoder_cannot_read_is_not_said_of_the_cache(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match=r"weights\.bin"),
        Cache(tmp_path).filling("k", "shards-x"),
    ):
        raise FileNotFoundError("no weights.bin")


def _hold(root, started):
    with Cache(root).filling("k", "shards-x"):
        started.set()
        time.sleep(600)


def test_one_process_fills_at_a_time_and_a_dead_one_holds_nothing(tmp_path):
    fork = multiprocessing.get_context("fork")
    started = fork.Event()
    holder = fork.Process(target=_hold, args=(tmp_path, started))
    holder.start()
    assert started.wait(300)
    assert not Cache(tmp_path).remove("k")
    waited = []

    def wait():
        waited.append(1)
        holder.kill()
        holder.join()

    with Cache(tmp_path).filling("k", "shards-x", wait):
        assert waited == [1]
    assert Cache(tmp_path).remove("k") and not list(Cache(tmp_path).entries())


def test_an_entry_that_was_removed_while_it_was_waited_for_is_filled_alone(tmp_path):
    """The lock that the remover held went with the entry: a lock of no name keeps nobody out."""
    cache = Cache(tmp_path)
    folder = tmp_path / "encoded" / "key"
    folder.mkdir(parents=True)
    remover = (folder / "lock").open("w")
    fcntl.flock(remover, fcntl.LOCK_EX)

    def removed():
        shutil.rmtree(folder)
        remover.close()

    with cache.filling("key", "shards-x", removed):
        assert not cache.remove("key") and folder.exists()


def test_an_entry_that_cannot_be_deleted_is_one_sentence(tmp_path, monkeypatch):
    def denied(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    fill(tmp_path)
    monkeypatch.setattr("shutil.rmtree", denied)
    with pytest.raises(RequestError, match=r"encoded/k cannot be deleted \(Permission denied\)"):
        Cache(tmp_path).remove("k")


def test_entries_are_listed_with_their_sizes(tmp_path):
    fill(tmp_path)
    with Cache(tmp_path).filling("open", "shards-x") as filling:
        filling.put(0, *shard(0), {})
    (k, entry, size), (name, unfinished, more) = Cache(tmp_path).entries()
    assert (
        (k, entry.stream, name, unfinished) == ("k", "s", "open", None)
        and size > entry.bytes
        and more > 0
    )


def test_what_is_taken_away_while_entries_are_listed_is_passed_over(tmp_path, monkeypatch):
    with Cache(tmp_path).filling("open", "shards-x") as filling:
        filling.put(0, *shard(0), {})
    scan = os.scandir

    def late(path):
        if str(path).endswith("shards-x"):
            shutil.rmtree(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", late)
    ((_, _, size),) = Cache(tmp_path).entries()
    assert not filling.shards.exists() and size == 0


def test_the_key_is_the_content(tmp_path):
    about = About(encoder="e", version=1, config={"x": 1}, weights={"w": "a"}, rows=["a", None])
    keys = {about.key}
    for change in (
        {"encoder": "f"},
        {"version": 2},
        {"config": {"x": 2}},
        {"weights": {"w": "b"}},
        {"rows": ["a", "b"]},
        {"rows": [None, "a"]},
    ):
        keys.add(about.model_copy(update=change).key)
    assert len(keys) == 7 and about.key == about.model_copy().key


def test_a_clip_is_known_by_its_bytes_wherever_it_lies(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"clip")
    (tmp_path / "c").write_bytes(b"other")
    paths = np.array([str(tmp_path / n) for n in ("a", "b", "c", "gone")] + [""])
    stream = Stream.of_rows("video.clip", "video", "clip", paths)
    first = row_contents(stream, Known(tmp_path / "clips.json"))
    assert first[0] == first[1] != first[2] and first[3:] == ["unreadable", None]
    read = []
    monkeypatch.setattr("hashlib.file_digest", lambda file, kind: read.append(file.name))
    assert row_contents(stream, Known(tmp_path / "clips.json")) == first and not read
    monkeypatch.undo()
    (tmp_path / "c").write_bytes(b"changed")
    again = row_contents(stream, Known(tmp_path / "clips.json"))
    assert again[:2] == first[:2] and again[2] != first[2]
    texts = Stream.of_rows("t", "text", "strings", np.array(["x", "", "x"]))
    made = row_contents(texts, Known(tmp_path / "clips.json"))
    assert made[0] == made[2] and made[1] is None


def test_a_clip_that_was_replaced_is_known_to_be_another_whatever_its_time_says(tmp_path):
    """Files out of an archive often have one and the same time, and clips one and the same size."""
    clip, known = tmp_path / "a.wav", Known(tmp_path / "clips.json")
    clip.write_bytes(b"one")
    os.utime(clip, (0, 0))
    first = known.sha256(clip)
    clip.write_bytes(b"two")
    os.utime(clip, (0, 0))
    assert known.sha256(clip) != first


def test_where_the_cache_lies(tmp_path):
    assert cache_home({"MERBENCH_CACHE": "/c", "XDG_CACHE_HOME": "/x"}).as_posix() == "/c"
    assert cache_home({"XDG_CACHE_HOME": "/x"}).as_posix() == "/x/merbench"
    assert cache_home({"XDG_CACHE_HOME": "x", "HOME": "/h"}).as_posix() == "/h/.cache/merbench"

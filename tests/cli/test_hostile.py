"""Requests that nobody means end in one sentence."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from merbench.cli.main import say_unraisable
from merbench.results.store.store import Store
from tests.conftest import loads
from tests.report.made import put, spec


def test_more_threads_than_any_machine_has_are_refused(merbench):
    result = merbench("run", "--model", "majority", "--threads", "1000000000000")
    assert (
        result.returncode == 2 and "--threads" in result.stderr and "Traceback" not in result.stderr
    )


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--seeds", "1000000000"),
        ("run", "--jobs", "100000"),
        ("study", "run", "x.toml", "--jobs", "100000"),
        ("tune", "--final-seeds", "100000000"),
        ("tune", "--seeds-per-trial", "100000000"),
        ("tune", "--budget-seconds", "nan"),
        ("tune", "--budget-seconds", "inf"),
    ],
    ids=" ".join,
)
def test_a_number_that_would_fill_memory_or_mean_nothing_is_refused(merbench, words):
    result = merbench(*words)
    assert (
        result.returncode == 2 and words[-2] in result.stderr and "Traceback" not in result.stderr
    )


def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(merbench, home, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "p.csv").write_text("id,score\n")
    tiny = ("--dataset", "tiny", "--data", "data")
    for words in (
        ("score", "p.csv", *tiny, "--name", "x", "--about", "pipe"),
        ("score", "pipe.csv", *tiny, "--name", "x"),
        ("ask", *tiny, "--out", "out.jsonl", "--template", "pipe"),
        ("run", "--config", "pipe"),
    ):
        result = merbench(*words)
        assert (
            result.returncode == 2 and "pipe" in result.stderr and "Traceback" not in result.stderr
        )


def test_a_comparison_of_floors_alone_says_that_there_is_nothing_to_compare(merbench, tmp_path):
    put(Store(tmp_path / "runs"), 0.5, spec("ridge"), range(2))
    result = merbench("compare", "--all", check=True)
    (sentence,) = result.stderr.splitlines()
    assert sentence.endswith("nothing to compare (no model beside its floors)")
    assert not result.stdout


def test_a_link_that_leads_to_itself_is_one_sentence(merbench, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "runs/runs").mkdir(parents=True)
    for words in (
        ("store", "merge", "runs", "--into", "loop"),
        ("store", "merge", "loop", "--into", "new"),
        ("leaderboard", "pull", "runs", "--store", "loop"),
        ("data", "add", "new", "loop", "--data", "home"),
        ("data", "show", "tiny", "--data", "loop"),
        ("study", "run", "loop"),
    ):
        result = merbench(*words)
        last = result.stderr.strip().splitlines()[-1]
        assert result.returncode == 2 and last.lower().startswith("error: "), (words, result.stderr)
    result = merbench("doctor", "--store", "loop", "--data", "loop", check=True)
    assert str(tmp_path / "loop") in result.stdout


def test_what_a_plugin_raises_at_the_end_is_one_line(capsys):
    def at_exit() -> None: ...

    raised = SimpleNamespace(
        exc_value=RuntimeError("no\x1b[31m"),
        err_msg="Exception ignored in atexit callback",
        object=at_exit,
    )
    say_unraisable(raised)
    sentence = f"warning: at the end of the program {__name__} raised RuntimeError: no\\x1b[31m\n"
    assert capsys.readouterr() == ("", sentence)


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--store"),
        ("run", "--data"),
        ("run", "--config"),
        ("study", "status", "x.toml", "--store"),
        ("leaderboard", "verify"),
        ("score", "--name", "x"),
        ("data", "list", "--data"),
    ],
    ids=" ".join,
)
def test_an_empty_path_is_refused(merbench, words):
    result = merbench(*words, "")
    assert result.returncode == 2 and "it names nothing; give a file or folder" in result.stderr


def test_pictures_of_boards_count_in_the_cache_and_are_cleared_with_it(merbench, tmp_path):
    folder = tmp_path / "cache/pictures"
    folder.mkdir(parents=True)
    (folder / "a.svg").write_bytes(bytes(7))

    def cache(*words):
        env = {"MERBENCH_CACHE": str(folder.parent)}
        return merbench("data", "cache", *words, env=env, check=True).stdout

    assert loads(cache("list", "--json"))["pictures"] == {"files": 1, "bytes": 7}
    cache("clear", "--dataset", "mosi")
    assert list(folder.iterdir())
    cache("clear")
    assert not list(folder.iterdir())

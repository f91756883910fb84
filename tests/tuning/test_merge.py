"""Searches of two stores brought together: whoever merges them goes on where either ended."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from merbench.results.store.store import Store
from merbench.tuning.merge import merge_searches
from merbench.tuning.search import tune
from merbench.tuning.shared_search import SearchConfig, join
from tests.conftest import loads
from tests.tiny_runs import MACHINE

QUICK = {"train.epochs": 1, "train.batch_size": 8}


@pytest.fixture
def there(ask, tmp_path):
    """Works on the search until so many trials are finished, in a store of that name."""
    request, plan = ask(settings=QUICK)

    def work(trials: int, name: str = "there"):
        store = Store(tmp_path / name)
        config = SearchConfig(trials, sampler="random", pruner="none")
        tune(request, plan, store, MACHINE, config)
        return join(request, plan, store, config).study.get_trials()

    return work


def hows(source: Path, into: Path) -> list[str]:
    return [search.how for search in merge_searches(source, into)]


def journals(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.glob("tuning/*.journal")}


def test_a_search_goes_on_where_it_ended_in_the_other_store(there, tmp_path):
    before = there(2)
    assert hows(tmp_path / "there", tmp_path / "here") == ["copied"]
    assert hows(tmp_path / "there", tmp_path / "here") == ["there"]
    after = there(3, "here")
    assert [t.params for t in after[:2]] == [t.params for t in before] and len(after) == 3
    assert after[:2] == before
    # Each store is ahead of the other once.
    assert hows(tmp_path / "there", tmp_path / "here") == ["there"]
    (search,) = merge_searches(tmp_path / "here", tmp_path / "there")
    assert (search.how, search.why) == ("copied", "it went on there")
    assert journals(tmp_path / "here") == journals(tmp_path / "there")
    assert len(there(4)) == 4


def test_a_line_that_is_being_written_is_not_taken(there, tmp_path):
    there(1)
    (journal,) = (tmp_path / "there/tuning").glob("*.journal")
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 8, "worker_id"')
    assert hows(tmp_path / "there", tmp_path / "here") == ["copied"]
    assert journals(tmp_path / "here") == {journal.name: whole}
    (tmp_path / "here/tuning" / journal.name).write_bytes(whole[:-9])
    assert hows(tmp_path / "there", tmp_path / "here") == ["copied"]
    assert journals(tmp_path / "here") == {journal.name: whole}


@pytest.mark.parametrize("content", ["text\n", "{}\n", "[3]\n", '{"op_code": "0"}\n', None, "pipe"])
def test_what_is_no_journal_is_refused_on_either_side(there, tmp_path, content):
    there(1)
    (journal,) = (tmp_path / "there/tuning").glob("*.journal")
    wrong = tmp_path / "wrong/tuning" / journal.name
    wrong.parent.mkdir(parents=True)
    if content is None:
        wrong.mkdir()
    elif content == "pipe":
        os.mkfifo(wrong)
    else:
        wrong.write_text(content)
    before = journals(tmp_path / "there")
    for source, into in (("wrong", "there"), ("there", "wrong")):
        (search,) = merge_searches(tmp_path / source, tmp_path / into)
        assert search.how == "refused" and str(wrong) in search.why
    assert journals(tmp_path / "there") == before


def test_the_command_merges_a_store_of_searches_alone(merbench, there, tmp_path):
    there(1)
    words = ("store", "merge", "there", "--into", "here")
    assert "searches: 1 copied, 0 there" in merbench(*words, check=True).stdout
    there(2)
    (search,) = loads(merbench(*words, "--json", check=True).stdout)["searches"]
    assert (search["store"], search["how"]) == ("there", "copied")
    (journal,) = (tmp_path / "there/tuning").glob("*.journal")
    shutil.rmtree(tmp_path / "there")
    there(1)
    journal.write_text(re.sub('"source": ?"[^"]*"', '"source":"other"', journal.read_text()))
    conflict = merbench(*words)
    assert conflict.returncode == 1 and "searches: 0 copied, 0 there, 1 conflict" in conflict.stdout
    assert "each with another version of the components' source" in conflict.stderr

"""Every attack but that of readers, which trains, at a small size and with one seed; ``tox -e
attack`` carries out the large ones.
"""

from __future__ import annotations

import pytest

from tests.attack.attack import Attack, Tally, carry_out
from tests.attack.journal import Journal, total
from tests.attack.kills import KILLS
from tests.attack.options import OPTIONS
from tests.attack.pickles import PICKLES
from tests.attack.records import RECORDS
from tests.attack.store import STORE


@pytest.mark.parametrize("attack", [KILLS, STORE, RECORDS, OPTIONS, PICKLES], ids=lambda a: a.name)
def test_merbench_holds(attack):
    tally = carry_out(attack, 0, attack.small)
    assert tally.tried == attack.small and not tally.fell


def test_damaged_clips_are_missing_modalities():
    pytest.importorskip("av")
    from tests.attack.clips import CLIPS

    tally = carry_out(CLIPS, 0, CLIPS.small)
    assert tally.tried == CLIPS.small and not tally.fell


def test_a_try_is_the_same_whichever_tries_come_before_it():
    drawn = Attack("drawn", "", lambda draws, work: (str(d.random()) for d in draws), 1, 1)
    whole, part = carry_out(drawn, 7, 10), carry_out(drawn, 7, 3, start=5)
    assert len(whole.fell) == 10 and part.fell == whole.fell[5:8]
    assert not set(whole.fell) & set(carry_out(drawn, 8, 10).fell)
    assert carry_out(drawn, 7, 10, limit=-1.0).fell == whole.fell[:1], "one try at least"


def test_parts_of_an_attack_add_up_with_those_of_the_same_seed(tmp_path):
    journal = Journal(tmp_path / "journal")
    assert total(journal.parts("a", 1)) == Tally()
    journal.add("a", 1, 0, Tally(5, ["try 3: fell"], 1.0))
    journal.add("b", 1, 0, Tally(9, [], 1.0))
    journal.add("a", 2, 0, Tally(9, [], 1.0))
    journal.add("a", 1, 5, Tally(2, [], 0.5))
    assert total(journal.parts("a", 1)) == Tally(7, ["try 3: fell"], 1.5)

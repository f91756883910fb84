"""Every attack but that of readers, which trains, at a small size and with one seed; ``tox -e
attack`` carries out the large ones.
"""

from __future__ import annotations

import pytest

from tests.attack.attack import carry_out
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

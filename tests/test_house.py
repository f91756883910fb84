"""The map of the house names files that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAP = (ROOT / "docs" / "house.md").read_text()


def test_every_file_of_the_map_is_there():
    files = re.findall(r"`([\w/]+\.py)`", MAP)
    assert len(files) > 20
    assert not [file for file in files if not (ROOT / "merbench" / file).is_file()]


def test_every_room_is_on_the_map():
    rooms = {path.parent.name for path in (ROOT / "merbench").glob("*/__init__.py")}
    drawn = set(re.findall(r"^  (\w+)/ ", MAP, flags=re.MULTILINE))
    assert drawn == rooms

"""Tables with sentences are wrapped at words, at any width."""

from __future__ import annotations

import pytest

from merbench.cli.look import show

SENTENCE = " ".join(f"word{number}" for number in range(80))
HEADINGS = ("setting", "default", "searched", "meaning")
ROWS = [("fusion.width", "64", "32 | 64 | 128", SENTENCE), ("train.lr", "0.001", "–", "")]


@pytest.mark.parametrize("room", [None, 80, 50])
def test_sentences_are_wrapped_at_words(capsys, monkeypatch, room):
    monkeypatch.setattr(show, "room", lambda: room)
    show._table("settings", HEADINGS, ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= show.WRAPPED
    words = [word for line in lines for word in line.split() if word.startswith("word")]
    assert " ".join(words) == SENTENCE
    # Below the table where a column of sentences would be too narrow.
    assert ("meaning" in lines[1]) == (room != 50)
    assert sum("0.001" in line for line in lines) == 1

"""Tables with sentences are wrapped at words, at any width."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from merbench.cli.look import show
from merbench.cli.look.compare import two_models

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


@pytest.mark.parametrize("width", [80, 120, None])
def test_a_transcript_never_doubles_its_row(monkeypatch, capsys, width):
    monkeypatch.setattr(two_models, "room", lambda: width)
    rows = [
        SimpleNamespace(id=f"video_{at}", target=np.array(at), a=np.zeros(1), b=np.ones(1))
        for at in range(3)
    ]
    texts = {row.id: SENTENCE for row in rows}
    compared = SimpleNamespace(names=("text-only", "tfn"), disagreements=rows, texts=texts)
    Console(width=width or 2000).print(two_models._disagreements(compared))
    lines = capsys.readouterr().out.splitlines()
    shown = [line.rstrip() for line in lines if "word0" in line]
    assert len(lines) == 2 + len(rows) and len(shown) == len(rows)
    assert all(len(line) <= (width or 2000) and " 1.00 " in line for line in shown)
    assert all(line.endswith("…" if width else "word79") for line in shown)


def test_a_model_for_one_kind_of_task_is_shown_where_it_is_named(merbench):
    refused = merbench("show", "self-mm", "--task", "emotions")
    assert refused.returncode == 2 and "choose --task sentiment" in refused.stderr
    assert (
        "unimodal-labels" in merbench("show", "self-mm", "--task", "sentiment", check=True).stdout
    )

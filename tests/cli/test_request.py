"""What is typed, read."""

from __future__ import annotations

import pytest

from merbench.api.errors import RequestError
from merbench.api.events import Note
from merbench.cli.shared.request import _modalities
from merbench.cli.shared.session import Session


@pytest.mark.parametrize("typed", ["text,audio", "text+audio", "text, audio"])
def test_modalities_are_written_as_a_list_or_as_tables_name_them(typed):
    assert _modalities(typed) == ("text", "audio")
    with pytest.raises(RequestError, match="unknown modality 'sound'"):
        _modalities("text+sound")


def test_a_note_is_shown_once(capsys):
    session = Session()
    for sentence in ("of a data set", "of a data set", "of another"):
        session.note(Note(sentence=sentence))
    assert capsys.readouterr().err == "of a data set\nof another\n"

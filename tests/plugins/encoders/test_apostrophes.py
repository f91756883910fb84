"""Contractions that lost their apostrophe, in all text towers."""

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from merbench.api import StreamSpec, TextRows
from merbench.testing import tiny
from merbench_encoders.apostrophes import with_apostrophes
from merbench_encoders.clip.text import ClipText
from merbench_encoders.hf.inside import HfInside
from merbench_encoders.hf.text import HfText
from tests.towers import tiny_clip, tiny_text

TEXT = StreamSpec("text.transcript", "text", "strings")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("I DONT LIKE IT", "I DON'T LIKE IT"),
        ("im sure theyre not there", "i'm sure they're not there"),
        ("Cant, wont; isnt!", "Can't, won't; isn't!"),
        ("they shouldve", "they should've"),
        ("its well, we were ill", "its well, we were ill"),
        ("don't, don’t, gonna, cannot", "don't, don’t, gonna, cannot"),
        ("o'dont dont's dont_ dont2 hasnts", "o'dont dont's dont_ dont2 hasnts"),
        ("不 dont é", "不 don't é"),
        ("", ""),
    ],
)
def test_an_apostrophe_is_set_where_a_contraction_lost_it(text, read):
    changed = float(text != read)
    assert with_apostrophes([text]) == ([read], {"apostrophe_rate": changed})
    assert with_apostrophes([read])[0] == [read]


def test_the_rate_is_that_of_the_texts_that_are_there():
    texts, measured = with_apostrophes([None, "isnt", "is not"])
    assert texts == [None, "isn't", "is not"]
    assert measured == {"apostrophe_rate": 0.5}
    assert with_apostrophes([None]) == ([None], {"apostrophe_rate": 0.0})


def rows(*texts):
    return TextRows(TEXT, np.array(texts), torch.ones(len(texts), dtype=torch.long))


@pytest.mark.parametrize("tower", [HfText, HfInside])
def test_a_tower_reads_them_only_when_asked(tower, tmp_path):
    folder = tiny_text(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for settings, read in (({}, "IT ISNT GOOD"), ({"apostrophes": True}, "it isn't good")):
        encoder = tower(tower.Config(model=str(folder), **settings), tiny.context(), TEXT)
        tokens = encoder.prepare(rows("IT ISNT GOOD", "good"))[torch.tensor([0])]
        assert tokens.ids_BL[0].tolist() == tokenizer(read).input_ids
        assert encoder.measured.get("apostrophe_rate") == (0.5 if settings else None)


def test_clips_tower_too(tmp_path):
    clip = {"model": "tiny-clip", "pretrained": str(tiny_clip(tmp_path))}
    plain, asked = (
        ClipText(ClipText.Config(**clip, apostrophes=asked), tiny.context(), TEXT)
        for asked in (False, True)
    )
    wanted = plain.prepare(rows("it isn't good"))[torch.tensor([0])].ids_BL
    assert torch.equal(asked.prepare(rows("IT ISNT GOOD"))[torch.tensor([0])].ids_BL, wanted)
    assert asked.measured["apostrophe_rate"] == 1


@pytest.mark.parametrize("kind", [HfText, HfInside, ClipText])
def test_runs_without_it_keep_their_ids(kind):
    assert "apostrophes" not in kind.Config().identity()
    assert kind.Config(apostrophes=True).identity()["apostrophes"] is True

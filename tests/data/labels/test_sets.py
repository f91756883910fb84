"""Label sets from a file: what they mean, and one sentence for each mistake."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merbench.api import SENTIMENT, DataError
from merbench.data.labels.sets import read_label_sets
from merbench.testing.tiny import CLASSES, EMOTIONS


def read(tmp_path, text, own=SENTIMENT):
    path = tmp_path / "labels.toml"
    path.write_text(text)
    return read_label_sets(path, own)


def test_words_of_a_score_come_in_the_order_of_their_values(tmp_path):
    (made,) = read(
        tmp_path, '[a]\ngood = 2\n"so so" = { value = 0.0, gloss = "neither" }\nbad = -2'
    )
    assert (
        made.name == "a"
        and made.space.words == ("bad", "so so", "good")
        and made.space.anchors == (-2, 0, 2)
    )
    assert made.space.glosses == ("bad", "neither", "good")
    p = np.array([0.5])
    assert made.own(p) is p


SIX = "smiling = 'happy'\njoyful = 'happy'\ncrying = 'sad'\nrage = 'anger'\nshock = 'surprise'\nyuck = 'disgust'\nterror = 'fear'"


@pytest.mark.parametrize(("own", "first"), [(CLASSES, 0.3), (EMOTIONS, 0.2)])
def test_several_words_may_stand_for_one_label(tmp_path, own, first):
    (made,) = read(tmp_path, f"[faces]\n{SIX}", own)
    p = np.array([[0.1, 0.2, 0.3, 0.1, 0.1, 0.1, 0.1]])
    assert made.own(p) == pytest.approx(np.array([[first, 0.3, 0.1, 0.1, 0.1, 0.1]])), (
        "a class sums, a multilabel task takes the highest"
    )


@pytest.mark.parametrize(
    ("text", "own", "told"),
    [
        ("", SENTIMENT, "no label set"),
        ("x = 1", SENTIMENT, "under a heading"),
        ("[a]\ngood = 1", SENTIMENT, "two words"),
        ("[a]\ngood = 1\nbad = 7", SENTIMENT, "between -3 and 3"),
        ("[a]\ngood = 1\nbad = true", SENTIMENT, "'bad'"),
        ("[a]\ngood = 1\nbad = { valeu = 1 }", SENTIMENT, "'value'"),
        ("[a]\ngood = 1\nnice = 1", SENTIMENT, "one value"),
        ("[a]\njoyful = 'hapy'\nsad = 'sad'", CLASSES, "one of happy"),
        ("[a]\njoyful = 'happy'\ncrying = 'sad'", EMOTIONS, "no word has the label anger"),
        ("[a", SENTIMENT, "not TOML"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(tmp_path, text, own, told):
    with pytest.raises(DataError, match=told) as error:
        read(tmp_path, text, own)
    assert "labels.toml" in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="label set"):
        read_label_sets(tmp_path / "no.toml", SENTIMENT)


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.text("abcde \"'=\n", min_size=1),
        st.one_of(st.floats(), st.integers(-4, 4), st.text(), st.booleans()),
    )
)
def test_any_table_is_a_label_set_or_one_error(tmp_path_factory, table):
    from merbench.data.labels.sets import _label_set

    try:
        made = _label_set(tmp_path_factory.getbasetemp(), "a", table, SENTIMENT)
    except DataError:
        return
    assert len(made.space.words) == len(table) and list(made.space.anchors) == sorted(
        made.space.anchors
    )


def test_the_example_that_is_shipped_is_read():
    from importlib.resources import files

    sets = read_label_sets(files("merbench_merclip") / "sentiment-labels.toml", SENTIMENT)
    assert [s.name for s in sets] == ["two", "three", "five", "synonyms", "german"]

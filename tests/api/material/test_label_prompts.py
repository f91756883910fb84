"""Label words: their usual glosses, and what is advised where vectors do not know them."""

import numpy as np
import pytest

from merbench.api import (
    GLOSSES,
    LabelSpace,
    RequestError,
    check_label_vectors,
    derangement,
    label_texts,
)
from merbench.api.material.label_prompts import usual_glosses

MELD = ("anger", "joy", "sadness", "neutral", "disgust", "fear", "surprise")


def test_a_word_in_another_form_has_the_gloss_of_its_feeling():
    assert usual_glosses(("Joy", "sadness", "irony")) == (GLOSSES["happy"], GLOSSES["sad"], "irony")
    assert len(set(usual_glosses(MELD))) == len(MELD) and not set(usual_glosses(MELD)) & set(MELD)
    assert usual_glosses(("joy", "happy")) == ("joy", GLOSSES["happy"])


@pytest.mark.parametrize(
    ("glosses", "form", "advice"),
    [
        (("very sad", "glad"), "word", "or use its gloss"),
        (("very sad", "glad"), "gloss", "or write glosses"),
        (("very sad", "glad"), "word+gloss", "or write glosses"),
        (("sadness", "joy"), "word", "or write glosses"),
    ],
)
def test_the_advice_helps(glosses, form, advice):
    space = LabelSpace("class", ("sadness", "joy"), glosses)
    with pytest.raises(RequestError, match=f"label text of 'sadness' has .* {advice}"):
        check_label_vectors(space, np.eye(2), np.array([False, True]), label_texts(space, form))
    with pytest.raises(RequestError, match=f"have the same vector.* {advice}"):
        check_label_vectors(space, np.ones((2, 2)), texts=label_texts(space, form))


def test_a_derangement_is_fixed_and_leaves_nothing_in_its_place():
    for size in range(2, 12):
        order = derangement(size)
        assert sorted(order) == list(range(size)) and (order != np.arange(size)).all()
        assert (derangement(size) == order).all()
    assert derangement(1).tolist() == [0]

"""Prompts and answers of language models."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import merbench as api
from merbench.api import LabelSpace, RequestError
from merbench.api.material.label_prompts import SENTIMENT
from merbench.outside.answers import as_wrong_as_can_be, parse

WORDS = ("neutral", "joy", "anger")
CLASSES = LabelSpace("class", WORDS, WORDS)
LABELS = LabelSpace("multilabel", WORDS, WORDS)


@pytest.mark.parametrize(
    ("space", "answer", "wanted"),
    [
        (CLASSES, "joy", [0, 1, 0]),
        (CLASSES, " Joy.\n", [0, 1, 0]),
        (CLASSES, '{"label": "anger"}', [0, 0, 1]),
        (CLASSES, "I would say joy, certainly joy.", [0, 1, 0]),
        (CLASSES, "joy or anger", None),
        (CLASSES, "joyful", None),
        (CLASSES, "", None),
        (CLASSES, None, None),
        (CLASSES, {"label": "joy"}, [0, 1, 0]),
        (LABELS, "joy, anger", [0, 1, 1]),
        (LABELS, "None", [0, 0, 0]),
        (LABELS, "[]", [0, 0, 0]),
        (LABELS, "happy", None),
        (LABELS, '{"joy": 1, "anger": true}', [0, 1, 1]),
        (LABELS, '{"joy": 0, "anger": 1}', None),
        (LABELS, "joy: 1.0", [0, 1, 0]),
        (LABELS, "joy: 1.5", None),
        (LABELS, "**joy**: no, **anger**: yes", None),
        (LABELS, "joy (30 %), anger (.9)", None),
        (LABELS, "joy, not anger", None),
        (CLASSES, "It isn't joy.", None),
        (CLASSES, "joy: the speaker laughs", [0, 1, 0]),
        (SENTIMENT, "not negative", None),
        (SENTIMENT, "negative: -2", [-2]),
        (SENTIMENT, "-1.5", [-1.5]),
        (SENTIMENT, "Score: −2", [-2]),
        (SENTIMENT, 2, [2]),
        (SENTIMENT, "strongly negative", [-3]),
        (SENTIMENT, "between 1 and 2", None),
        (SENTIMENT, "7", None),
        (SENTIMENT, "I cannot tell", None),
        (SENTIMENT, "–2", [-2]),
        (SENTIMENT, "minus 2", [-2]),
        (SENTIMENT, ".5", [0.5]),
        (SENTIMENT, "-.5 (weakly negative)", [-0.5]),
        (SENTIMENT, "score=-3.", [-3]),
        (SENTIMENT, "negative 2", None),
        (SENTIMENT, "- 2", None),
        (SENTIMENT, "1-2", None),
        (SENTIMENT, "2/3", None),
        (SENTIMENT, "1,5", None),
        (SENTIMENT, "sentiment-2", None),
        (SENTIMENT, "2nd, or 1", [1]),
        (SENTIMENT, "Strongly-negative", [-3]),
        (SENTIMENT, "strongly  negative", [-3]),
        (CLASSES, "ｊｏｙ", [0, 1, 0]),
    ],
)  # fmt: skip
def test_an_answer_is_read_only_where_it_says_one_thing(space, answer, wanted):
    parsed = parse(answer, space)
    assert (None if parsed is None else parsed.tolist()) == wanted


PIECES = ("joy", "neutral", "strongly ", "negative", "none", "2", "-", ".", "[", "]", " ", "−", "é")


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_any_text_is_an_answer_or_none(text):
    for space in (CLASSES, LABELS, SENTIMENT):
        parsed = parse(text, space)
        assert parsed is None or (
            parsed.shape == (space.logit_count,) and np.isfinite(parsed).all()
        )


@pytest.mark.parametrize(
    ("space", "target", "wanted"),
    [
        (CLASSES, 0, [0, 1, 0]),
        (CLASSES, 1, [1, 0, 0]),
        (LABELS, np.array([1.0, 0.0, 1.0]), [0, 1, 0]),
        (SENTIMENT, 1.2, [-3]),
        (SENTIMENT, -0.1, [3]),
    ],
)
def test_no_answer_is_wrong_for_every_target(space, target, wanted):
    assert as_wrong_as_can_be(target, space, np.array([5, 3, 2])).tolist() == wanted


def test_prompts_hold_no_target_and_their_answers_are_scored(merbench, tmp_path):
    merbench("ask", "--dataset", "sample", "--out", "prompts.jsonl", check=True)
    corpus = api.load_dataset("sample")
    test, y = corpus.protocols["standard"].splits[0].test, corpus.tasks["sentiment"].target
    lines = [json.loads(line) for line in (tmp_path / "prompts.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == corpus.ids[test].tolist()
    assert all(line.keys() == {"id", "prompt"} for line in lines)
    assert str(corpus.texts[test[0]]) in lines[0]["prompt"]
    assert "-3 = strongly negative" in lines[0]["prompt"]
    for line, target in zip(lines, y[test], strict=True):
        line["answer"] = f"The score is {target:.2f}."
    lines[0]["answer"], lines[1]["answer"] = "I cannot tell.", "1 or 2"
    (tmp_path / "answers.jsonl").write_text("\n".join(map(json.dumps, lines)))
    result = merbench(
        "score", "answers.jsonl", "--dataset", "sample", "--name", "gpt-x", "--json", check=True
    )
    (run,) = json.loads(result.stdout)["runs"]
    assert run["outside"]["unparsed"] == 2 and "2 answers without a label" in run["caveat"]
    off = sum(3 + abs(y[row]) for row in test[:2]) / len(test)
    assert run["metrics"]["test"]["mae"] == pytest.approx(off, abs=0.005)


def test_a_template_of_ones_own_needs_a_place_for_the_transcript(tmp_path):
    (tmp_path / "t.txt").write_text('Is "{text}" {labels}? {"json": 1}\n')
    out = tmp_path / "p.jsonl"
    assert api.ask("sample", out, template=tmp_path / "t.txt", task="emotions", split="valid")
    line = json.loads(out.read_text().splitlines()[0])
    assert line["prompt"].endswith('" happy, sad, anger, surprise, disgust, fear? {"json": 1}')
    (tmp_path / "t.txt").write_text("Is it {labels}?")
    with pytest.raises(RequestError, match=r"t\.txt has no \{text\}"):
        api.ask("sample", out, template=tmp_path / "t.txt")


def test_a_data_set_without_transcripts_cannot_be_asked_about(home, tmp_path):
    with pytest.raises(RequestError, match="tiny has no transcripts of its test rows"):
        api.ask("tiny", tmp_path / "p.jsonl", data=home)
    assert not (tmp_path / "p.jsonl").exists()


def test_answers_that_all_hold_nothing_are_refused(home, tmp_path):
    corpus = api.load_dataset("tiny", home)
    test = corpus.protocols["standard"].splits[0].test
    lines = [{"id": i, "answer": "?"} for i in corpus.ids[test].tolist()]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(RequestError, match="no answer holds a number of the task"):
        api.score(tmp_path / "a.jsonl", "tiny", "x", data=home, store=tmp_path / "s")

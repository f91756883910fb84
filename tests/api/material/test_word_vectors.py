"""Words, contractions and vectors side by side."""

from __future__ import annotations

import copy
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merbench.api import Lexicon, Vectors, pieces_of, words_of


def vectors(*words: str, width: int = 3, seed: int = 0) -> Vectors:
    return Vectors(
        "v",
        words,
        np.random.default_rng(seed).normal(2.0, 5.0, (len(words), width)).astype(np.float32),
    )


@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        ("didnt", ("did", "n't")),
        ("didn't", ("did", "n't")),
        ("can't", ("ca", "n't")),
        ("it's", ("it", "'s")),
        ("they’re", ("they", "'re")),
        ("thats", ("that", "'s")),
        ("giant", ("giant",)),
        ("its", ("its",)),
        ("want", ("want",)),
    ],
)
def test_contractions_come_apart_as_the_vector_files_hold_them(word, pieces):
    assert pieces_of(word) == pieces


def test_words_of_a_transcript():
    assert words_of("I DIDN’T know -- it's 3.5, o'clock (uhh)...") == [
        "i",
        "didn't",
        "know",
        "it's",
        "3",
        "5",
        "o'clock",
        "uhh",
    ]


@given(st.text())
def test_any_text_gives_words_without_spaces(text):
    assert all(word and not any(c.isspace() for c in word) for word in words_of(text))


def test_scaled_is_centred_by_column_and_divided_by_one_deviation():
    v = vectors("a", "b", "c")
    centred = v.matrix - v.matrix.mean(0)
    np.testing.assert_allclose(v.scaled, centred / centred.std(), rtol=1e-5)
    assert abs(v.scaled.mean()) < 1e-6 and v.scaled.std() == pytest.approx(1, rel=1e-5)


def test_a_word_before_its_pieces_and_the_mean_of_the_pieces_that_are_known():
    v = vectors("did", "n't", "didn't", "it")
    assert np.array_equal(v.find("didn't"), v.scaled[2])
    np.testing.assert_allclose(v.find("didnt"), v.scaled[:2].mean(0))
    np.testing.assert_allclose(v.find("it's"), v.scaled[3])
    assert v.find("nothing") is None


def test_a_phrase_is_the_mean_of_its_known_words():
    lexicon = Lexicon((vectors("very", "good"),))
    rows, known = lexicon.phrases(["very good indeed", "unknown words"])
    np.testing.assert_allclose(rows[0], lexicon.files[0].scaled.mean(0), atol=1e-6)
    assert known.tolist() == [True, False] and not rows[1].any()


def test_a_copy_of_a_model_shares_its_vectors():
    lexicon = Lexicon((Vectors("a", ("x",), np.ones((1, 2), np.float32)),))
    assert copy.deepcopy({"of a model": lexicon})["of a model"] is lexicon


def test_scripts_without_spaces_are_cut_into_characters():
    assert words_of("我不想嫁给你") == list("我不想嫁给你")
    assert words_of("ﾊﾝｶｸ 𠮷野家") == list(
        "ハンカク𠮷野家"
    )  # narrow kana, and Han beyond the first plane
    assert words_of("我 love 你, OK?") == ["我", "love", "你", "ok"]
    assert words_of("it's 3 o'clock_now, don't") == ["it's", "3", "o'clock", "now", "don't"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("مَرْحَبًا بالعالم", ["مَرْحَبًا", "بالعالم"]),
        ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]),
        ("วันดี", ["วั", "น", "ดี"]),
        ("안녕 세계", ["안녕", "세계"]),
        ("İstanbul’da", ["i̇stanbul'da"]),
    ],
)
def test_marks_belong_to_their_letters(text, words):
    assert words_of(text) == [unicodedata.normalize("NFC", word) for word in words]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ＯＫ ｄｏｎ＇ｔ １２３", ["ok", "don't", "123"]),
        ("ｶﾞｷﾞ", ["ガ", "ギ"]),
        ("ｶﾞ", ["ガ"]),
        ("𝓱𝓮𝓵𝓵𝓸 ℝ", ["hello", "r"]),
        ("donʼt", ["don't"]),
        ("co\u00adoperate \ufeffnow", ["cooperate", "now"]),
        ("صـــباح الخير", ["صباح", "الخير"]),
        ("deonThai™ ⅓ ２°", ["deonthai", "⅓", "2"]),
    ],
)
def test_another_form_of_a_letter_is_that_letter(text, words):
    assert words_of(text) == words


@pytest.mark.parametrize(
    "text", ["ꦱꦸꦒꦼ", "ᦎᦷᦑ", "ꀊꇴꐯ", "ᨾᩮᩬᩥᨦ", "ㄅㄆㄇ", "ㇰㇱ", "ပၼ်ႇ", "ꩡꩣꩫ", "ᥖᥭᥰ", "人々", "〆切"]
)
def test_every_script_without_spaces_is_cut(text):
    letters = [c for c in text if unicodedata.category(c) in ("Lo", "Lm", "Nl")]
    assert [word[0] for word in words_of(text)] == letters


def test_marks_beyond_the_first_plane_belong_to_their_letters():
    assert words_of("𑄌𑄋𑄴𑄟𑄳𑄦 hi") == ["𑄌𑄋𑄴𑄟𑄳𑄦", "hi"]  # Chakma


@given(st.text())
def test_accents_written_apart_give_the_same_words(text):
    assert words_of(unicodedata.normalize("NFD", text)) == words_of(text)

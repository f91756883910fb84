"""Who trains and tests by groups, by numbers of folds in a column, and whose rows belong together."""

import numpy as np
import pytest

from merbench.api import DataError
from merbench.data.folder.read import read_folder
from tests.data.made_table import folder_of


def speakers(count=30):
    return [["Ann", "Bob", "Cy", "Di", "Eve", ""][k * k % 6] for k in range(count)]


def test_folds_of_a_group_share_nothing_and_are_about_as_large(tmp_path):
    protocol = 'folds = 3\ngroup = "speaker"'
    corpus = read_folder(folder_of(tmp_path, protocol, speaker=speakers()))
    splits, who = corpus.protocols["p"].splits, corpus.units("p")
    assert [split.fold for split in splits] == [0, 1, 2] and set(corpus.groups) == {"speaker"}
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(30))
    for split in splits:
        parts = [set(who[rows]) for rows in (split.train, split.valid, split.test)]
        assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert not any("more than one split" in note for note in corpus.notes)


def test_scores_are_resampled_by_the_group_of_the_protocol(tmp_path):
    corpus = read_folder(
        folder_of(tmp_path, 'column = "mode"\ngroup = "speaker"', speaker=speakers())
    )
    who = corpus.units("p")
    assert who.tolist() == [
        name or f"v{k // 3} (speaker unknown)" for k, name in enumerate(speakers())
    ]
    assert corpus.units("another") is corpus.videos
    assert any("group(s) of speaker that stand in more than one split" in n for n in corpus.notes)
    plain = read_folder(folder_of(tmp_path, 'column = "mode"', speaker=speakers()))
    assert plain.units("p") is plain.videos


def test_a_column_may_number_folds(tmp_path):
    cells = [str(k % 4) if k % 7 else "" for k in range(30)]
    corpus = read_folder(folder_of(tmp_path, 'column = "fold"', fold=cells))
    for k, split in enumerate(corpus.protocols["p"].splits):
        assert sorted(split.test) == [row for row, cell in enumerate(cells) if cell == str(k)]
    for wrong in ("test", "9" * 20):
        cells[4] = wrong
        with pytest.raises(DataError, match=f"line 6.*{wrong}' beside numbers of folds"):
            read_folder(folder_of(tmp_path, 'column = "fold"', fold=cells))


@pytest.mark.parametrize(
    ("protocol", "sentence"),
    [
        ("folds = 2", "folds = 2 is too few"),
        ('folds = 9\ngroup = "speaker"', "more than the 7 groups|more than the"),
        ('folds = 3\ncolumn = "mode"', "leave column and file out"),
        ('folds = 3\ngroup = "nobody"', "no column 'nobody'"),
        ("folds = true", "does not fit; write folds = a whole number"),
        ("", "it does not say how rows are divided"),
        ('column = "fold"', "must number at least 3 folds"),
    ],
)
def test_what_is_wrong_is_one_sentence(protocol, sentence, tmp_path):
    who = ["Ann", "Bob"] * 15
    fold = [str(k % 2) for k in range(30)]
    with pytest.raises(DataError, match=sentence):
        read_folder(folder_of(tmp_path, protocol, speaker=who, fold=fold))


def test_turns_follow_the_numbers_in_the_names_of_clips(tmp_path):
    clips = ["utt10", "utt2", "utt0"] * 10
    corpus = read_folder(folder_of(tmp_path, 'column = "mode"', clip_id=clips))
    video_N, turn_N = corpus.turns_N2.T
    assert turn_N.tolist() == [2, 1, 0] * 10
    assert video_N.tolist() == np.unique(corpus.videos, return_inverse=True)[1].tolist()

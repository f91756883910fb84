from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from merbench.data.dataset_hash import revision
from merbench.data.folder.read import read_folder

USED = ["text.words", "audio.right", "video.ragged", "text.transcript", "video.clip", "audio.one"]


def hashed(folder, protocol="standard", streams=USED, task="sentiment"):
    return revision(read_folder(folder.path), task, protocol, streams)


def test_revision_does_not_see_the_order_of_files_streams_or_words(folder):
    before = hashed(folder)
    header, *lines = (folder.path / "label.csv").read_text().splitlines()
    folder.csv("\n".join([header, *reversed(lines)]))
    assert hashed(folder) == before == hashed(folder, streams=USED[::-1])
    folder.words["vocab"] = np.array(["bad", "sp", "unused", "good"])
    folder.words["word"] = np.array([1, 3, 0])[folder.words["word"]]
    folder.save()
    assert hashed(folder) == before


def test_revision_sees_blocks_as_one(folder, monkeypatch):
    before = hashed(folder)
    monkeypatch.setattr("merbench.data.streams.valid_steps.BLOCK", 4)
    assert hashed(folder) == before


def move_bound(arrays, name):
    """The last step of a row becomes the first of the next."""
    bounds = arrays[name].copy()
    bounds[1 + np.flatnonzero(np.diff(bounds)[:-1])[0]] -= 1
    arrays[name] = bounds


CHANGES = {
    "label": lambda f: f.line(2, "a,1,It was good,1.6,happy,1,0,train"),
    "known": lambda f: f.line(7, "b,x_3,fine,,happy,0,0,valid"),
    "mode": lambda f: f.line(2, "a,1,It was good,1.5,happy,1,0,valid"),
    "text": lambda f: f.line(2, "a,1,It was goof,1.5,happy,1,0,train"),
    "word": lambda f: f.words["word"].__setitem__(3, (f.words["word"][3] + 1) % 3),
    "time": lambda f: f.words["end"].__setitem__(3, 99),
    "value": lambda f: f.arrays["ragged"].__setitem__((2, 1), 9),
    "fitted on": lambda f: f.edit("values = [1, 2]", "values = [1]"),
    "test row": lambda f: f.line(8, "c,1,GREAT,3.0,happy,2,0,unused"),
    "range": lambda f: f.edit("low = -3", "low = -4"),
    "gloss": lambda f: f.edit('kind = "score"', f'kind = "score", glosses = {[*"abcdefg"]}'),
    "modality": lambda f: f.edit('modality = "video"', 'modality = "audio"'),
    "steps of a row": lambda f: move_bound(f.arrays, "bounds"),
    "words of a row": lambda f: move_bound(f.words, "offset"),
    "clip": lambda f: (f.path / "Raw/b/x_2.mp4").write_bytes(b"another"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_revision_sees_each_change(folder, change):
    before = hashed(folder)
    change(folder)
    folder.save()
    assert hashed(folder) != before


def test_revision_sees_the_names_of_labels_and_which_are_known(folder):
    before = {task: hashed(folder, task=task) for task in ("mood", "emotions")}
    folder.edit('words = ["happy", "glum"]', 'words = ["happy", "sour"]')
    folder.csv("\n".join((folder.HEADER, *folder.LINES)).replace(",glum,", ",sour,"))
    assert hashed(folder, task="mood") != before["mood"]
    folder.reset()
    folder.line(6, "b,x_2,ok,,,,0,train")  # in place of 0
    assert hashed(folder, task="emotions") != before["emotions"]
    assert hashed(folder, task="mood") == before["mood"]


def test_revision_sees_only_what_is_used(folder):
    before = hashed(folder, streams=["text.words"])
    folder.arrays["ragged"][0] = 5
    folder.arrays["fold"] = np.roll(folder.arrays["fold"], 3)
    folder.save()
    assert (
        hashed(folder, streams=["text.words"])
        == before
        != hashed(folder, streams=["text.words", "audio.one"])
    )
    # Padding is nobody's content.
    right = hashed(folder, streams=["audio.right"])
    folder.arrays["block"] = np.nan_to_num(folder.arrays["block"], nan=-1)
    folder.save()
    assert hashed(folder, streams=["audio.right"]) == right
    assert (
        len(
            {
                hashed(folder, streams=[], task=t, protocol=p)
                for t in ("sentiment", "mood")
                for p in ("standard", "folds")
            }
        )
        == 4
    )


def test_a_data_set_in_memory_is_hashed_once_and_its_clips_each_time(folder, monkeypatch):
    corpus, computed = read_folder(folder.path), []
    monkeypatch.setattr(
        "merbench.data.dataset_hash._computed", lambda *what: computed.append(what[3])
    )
    for streams in (["text.words"], ["text.words"], ["video.clip"], ["video.clip"], []):
        revision(corpus, "sentiment", "standard", streams)
    assert computed == [["text.words"], ["video.clip"], ["video.clip"], []]
    revision(replace(corpus, texts=corpus.texts), "sentiment", "standard", [])
    assert len(computed) == 5

from __future__ import annotations

from dataclasses import replace

from merbench.data.folder.read import read_folder
from merbench.data.leaking_streams import leak_sentence, leaking_rows


def test_leaks(folder):
    corpus = read_folder(folder.path)
    one = corpus.streams["audio.one"]  # fitted on a_2, a_3, b_x_2, b_x_3, c_3
    (split,) = corpus.protocols["standard"].splits
    assert leaking_rows(one, split.test) == 0 and leaking_rows(one, split.valid) == 2
    sentence = leak_sentence(one, corpus, "standard", split)
    for part in (
        "'audio.one'",
        "2 of the 2 valid rows",
        "'standard'",
        "--allow-leak",
        "leave the stream out",
    ):
        assert part in sentence
    # The folds leak too, so they are no way out; a protocol that evaluates other rows is.
    assert "'folds'" not in sentence
    clean = replace(split, train=split.valid, valid=split.train[:1], test=split.test)
    corpus = replace(
        corpus,
        protocols=corpus.protocols
        | {"clean": replace(corpus.protocols["standard"], splits=(clean,))},
    )
    assert "use the protocol 'clean'" in leak_sentence(one, corpus, "standard", split)
    assert leak_sentence(one, corpus, "clean", clean) == ""
    assert leak_sentence(corpus.streams["audio.right"], corpus, "standard", split) == ""
    fold = corpus.protocols["folds"].splits[0]
    assert (
        "2 of the 3 valid rows and 2 of the 3 test rows of protocol 'folds', fold 0"
        in leak_sentence(one, corpus, "folds", fold)
    )

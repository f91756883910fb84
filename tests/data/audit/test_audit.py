"""What the audit counts and says, against brute force and planted faults."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from merbench.api import Split, Stream
from merbench.data.audit.audit import audit
from merbench.data.audit.feature_values import scan
from merbench.data.audit.near_duplicate_texts import LIKE, twins
from merbench.data.audit.split_overlap import Groups
from merbench.data.folder.read import read_folder
from merbench.testing import tiny
from tests.conftest import loads
from tests.data.made_streams import Law, corpus_of, honest

WORDS = (
    "really",
    "think",
    "that",
    "this",
    "movie",
    "was",
    "not",
    "what",
    "they",
    "had",
    "promised",
    "and",
    "it",
    "bored",
    "me",
    "to",
    "tears",
)


def sentences(found):
    return {(f.level, f.about): f.sentence for f in found.findings}


def test_twins_are_those_of_brute_force():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(5, 15))) for _ in range(60)]
    for text in texts[:30]:
        words = text.split()
        words[rng.integers(len(words))] = "changed"
        texts.append(" ".join(words) + "!")
    found = twins([*texts, texts[0].upper() + "."])
    assert found.text_N[-1] == found.text_N[0]
    plain = [" ".join(t.lower().replace("!", "").split()) for t in texts]
    pieces = [{p[i : i + 5] for i in range(len(p) - 4)} for p in plain]
    wanted = {
        (a, b): len(pieces[a] & pieces[b]) / len(pieces[a] | pieces[b])
        for a, b in combinations(range(len(texts)), 2)
        if len(pieces[a] & pieces[b]) / len(pieces[a] | pieces[b]) >= LIKE
    }
    near = {(a, b): like for a, b, like in found.near}
    assert len(wanted) > 10
    assert {pair: near[pair] for pair in near} == pytest.approx(
        {pair: wanted[pair] for pair in near}
    )
    assert len(near) >= 0.95 * len(wanted)


def test_short_texts_have_no_twins_and_a_twin_in_the_same_split_is_none():
    long = "this is a text of seven words"
    found = twins(
        ["yeah", "Yeah!", long, long, long.upper(), "", "and quite another text that stands alone"]
    )
    assert found.text_N.tolist() == [-1, -1, 0, 0, 0, -1, 1]
    assert found.across(np.array([0, 1, 0, 0, 1, 1, 1])) == [(2, 4, 1.0), (3, 4, 1.0), (4, 2, 1.0)]
    assert found.across(np.array([0, 1, 0, 0, 0, 1, 1])) == []
    assert found.across(np.array([0, 1, 0, 0, -1, 1, 1])) == []


def test_a_text_copied_a_thousand_times_is_no_hang():
    text = "the same disclaimer stands below every one of these clips number "
    found = twins([text + str(i) for i in range(1000)])
    assert len(found.near) < 100_000 and len(found.across(np.arange(1000) % 2)) == 1000


def test_scan_is_numpy_row_by_row():
    rng = np.random.default_rng(0)
    length = rng.integers(0, 6, size=50)
    values = rng.normal(size=(int(length.sum()), 5)).astype(np.float32)
    values[:, 1], values[:, 3] = 0, 4
    values[::17, 2] = np.nan
    start = np.cumsum(length) - length
    long = np.flatnonzero(length > 1)
    values[start[long[0]]] = 0
    values[start[long[1]] : start[long[1]] + length[long[1]]] = 0
    found = scan(Stream("x", "audio", "features", values, start, length))
    assert found.values.not_finite == np.isnan(values).sum()
    assert (
        found.values.zero_rows == 1
        and found.values.zero_first == pytest.approx(1 / (len(long) - 1))
        and not found.values.zero_last
    )
    for row in range(50):
        part = values[start[row] : start[row] + length[row]].astype(np.float64)
        mean = np.nanmean(part, axis=0) if length[row] else np.zeros(5)
        np.testing.assert_allclose(found.mean_ND[row], np.nan_to_num(mean), rtol=1e-5, atol=1e-6)


def test_dead_and_constant_dimensions_padding_and_repeated_rows_are_told():
    rng = np.random.default_rng(0)
    x, y, video = honest(rng, Law(videos=25, width=6))
    corpus = corpus_of(y, video, plain=x)
    n = len(y)
    padded = np.zeros((n, 4, 5), dtype=np.float32)
    padded[:, 2:] = rng.normal(size=(n, 2, 5))
    padded[:, :, 0], padded[:, :, 1] = 0, np.where(padded[:, :, 2] != 0, 7, 0)
    padded[-1] = padded[0]
    left = Stream(
        "left", "video", "features", padded.reshape(-1, 5), np.arange(n) * 4, np.full(n, 4)
    )
    right = replace(left, name="right", start=left.start + 2, length=np.full(n, 2))
    told = [
        f.sentence
        for f in audit(replace(corpus, streams={"left": left, "right": right})).findings
        if f.about == "left"
    ]
    assert any("padded on the left" in s for s in told)
    told = [
        f.sentence
        for f in audit(replace(corpus, streams={"right": right})).findings
        if f.about == "right"
    ]
    assert any("1 dimension of 5 is 0 in every step" in s for s in told) and any(
        "1 dimension of 5 never changes" in s for s in told
    )
    assert any(f"{corpus.ids[-1]} = {corpus.ids[0]}" in s for s in told)


def test_shared_videos_shared_rows_and_look_alike_ids_are_told(folder):
    corpus = read_folder(folder.path)
    assert (
        "2 of 3 videos (b, c) are in more than one of train, valid, test"
        in sentences(audit(corpus))["warning", "standard"]
    )
    speaker = np.where(np.arange(len(corpus)) == 0, "Ann", corpus.videos)
    [told] = [
        f
        for f in audit(replace(corpus, groups={"speaker": speaker})).findings
        if "group" in f.sentence
    ]
    assert told.level == "note" and "2 of 4 groups of speaker (b, c) are in" in told.sentence
    split = corpus.protocols["standard"].splits[0]
    both = replace(
        corpus.protocols["standard"],
        splits=(Split(split.train, split.valid, np.append(split.test, split.train[0])),),
    )
    told = [f.sentence for f in audit(replace(corpus, protocols={"standard": both})).findings]
    assert any("1 row of protocol standard is trained on and tested" in s for s in told)
    ids = corpus.ids.astype("U10")
    ids[1] = "A_01"
    told = sentences(audit(replace(corpus, ids=ids)))
    assert told["warning", "ids"].startswith("'a_1' and 'A_01' look like one row")


def test_labels_are_counted_by_split(folder):
    found = {
        (x.task, x.split): x
        for x in audit(read_folder(folder.path)).labels
        if x.protocol == "standard"
    }
    train = found["sentiment", "train"]
    assert (train.rows, train.unknown, train.low, train.high) == (5, 1, -2.0, 3.0)
    assert train.counts == {"-3": 0, "-2": 1, "-1": 0, "0": 1, "1": 1, "2": 0, "3": 1}
    assert found["mood", "train"].counts == {"happy": 2, "glum": 2}
    assert found["emotions", "test"].counts == {"happy": 2, "sad": 0}


def test_a_split_of_one_class_is_told(folder):
    corpus = read_folder(folder.path)
    mood = corpus.tasks["mood"]
    alone = replace(mood, target=np.zeros_like(mood.target), known=None)
    found = audit(replace(corpus, tasks={"mood": alone}))
    told = [f.sentence for f in found.findings if f.about == "mood"]
    assert "every label of standard test is happy; whatever says so scores 100 % there" in told
    own = [f.sentence for f in audit(corpus).findings if f.about == "mood"]
    assert not any("standard train is" in sentence for sentence in own)


def test_the_command_reports_nothing_on_the_control_set(merbench, monkeypatch):
    reports = []

    def made_once(corpus, watch):
        reports[:] = reports or [audit(corpus, watch)]
        return reports[0]

    monkeypatch.setattr("merbench.data.audit.audit.audit", made_once)
    report = loads(merbench("data", "audit", "sample", "--json", check=True).stdout)
    assert report["findings"] == [] and {s["stream"] for s in report["streams"]} >= {
        "text.words",
        "audio.sample",
        "video.sample",
    }
    assert all(s["probe"]["p"] > 0.001 for s in report["streams"])
    result = merbench("data", "audit", "sample", check=True)
    assert "nothing to report" in result.stderr and "rows by label" in result.stdout


def test_texts_that_were_decoded_wrongly_or_cut_at_an_accent_are_told():
    texts = ["it is good"] * 40
    texts[3], texts[5], texts[7] = "she\ufffds good", "sheâ€™s good", "they don´t go"
    texts[9], texts[11] = "Ça va, mon père, SÃO good", "a `quoted` word, don’t"
    rows = np.arange(len(texts))
    made = corpus_of(rows % 5 - 2.0, rows // 4)
    stream = Stream.of_rows("text.transcript", "text", "strings", np.array(texts))
    found = sentences(audit(replace(made, streams={stream.name: stream})))
    assert found["warning", "text.transcript"].startswith("2 texts have characters that were lost")
    assert found["note", "text.transcript"].startswith("1 text has an accent")


def test_rows_of_equal_means_are_no_repeated_rows_and_neither_are_rows_of_nothing():
    steps_NLD = np.random.default_rng(1).integers(-3, 4, size=(8, 2, 4)).astype(np.float32)
    steps_NLD[4:6] = steps_NLD[:2, ::-1]  # the steps of two rows in another order
    steps_NLD[6] = steps_NLD[2]
    steps_NLD[[3, 7]] = np.nan
    values = steps_NLD.reshape(-1, 4)
    stream = Stream("video.x", "video", "features", values, np.arange(8) * 2, np.full(8, 2))
    found = scan(stream).values
    assert (found.repeated.tolist(), found.repeats.tolist()) == ([6], [2])


def test_a_label_that_no_row_knows_leaves_the_others_known():
    corpus = tiny.corpus("multilabel")
    (name,) = corpus.tasks
    task = corpus.tasks[name]
    known = np.ones(task.target.shape, dtype=bool)
    known[:, 0] = False
    known[corpus.protocols["standard"].splits[0].test] = False
    result = audit(replace(corpus, tasks={name: replace(task, known=known)}))
    sentences = [f.sentence for f in result.findings if f.about == name]
    assert [s for s in sentences if s.startswith("no row of")] == [
        f"no row of standard test has a label of {name}"
    ]
    assert f"standard train has no row of {task.space.words[0]}" in sentences


def test_a_row_that_is_not_used_is_in_no_other_split():
    parts = Groups(("train", "valid", "test"), np.array([0, 2, -1, 0]))
    assert parts.apart(np.zeros(4, int), np.arange(4)).tolist() == [False, True, False, False]

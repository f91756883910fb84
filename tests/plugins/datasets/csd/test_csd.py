"""Computational sequences: small ones made here, cut by brute force; mischief of every kind; and
the real one where it is.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from merbench.api import DataError
from merbench.data.folder.read import read_folder
from merbench_datasets.csd.names import stream_name
from merbench_datasets.csd.steps import means_of_words
from tests.conftest import loads
from tests.plugins.datasets.csd.sdk_folder import VIDEOS, Sdk, put, rows_of


@pytest.fixture
def sdk(tmp_path):
    return Sdk(tmp_path / "sdk")


def test_a_folder_becomes_a_data_set_cut_by_the_labels(sdk, tmp_path):
    origin = put(tmp_path, sdk.path)
    assert origin.rows == origin.taken == 12 and not origin.refused
    corpus = read_folder(tmp_path / "mine")
    assert set(corpus.streams) == {
        "text.words",
        "text.transcript",
        "video.facet42",
        "audio.covarep",
    }
    assert corpus.protocols["standard"].streams == ("text.words", "audio.covarep", "video.facet42")
    assert corpus.ids.tolist() == [f"{v}_{k}" for v in VIDEOS for k in (1, 2, 3)]
    split = corpus.protocols["standard"].splits[0]
    assert [corpus.videos[rows].tolist() for rows in (split.valid, split.test)] == [
        ["b"] * 3,
        ["c"] * 3,
    ]
    np.testing.assert_allclose(
        corpus.tasks["sentiment"].target,
        np.concatenate([sdk.labels[v][:, 0] for v in VIDEOS]),
        atol=1e-6,
    )
    assert corpus.tasks["emotions"].space.words == (
        "happy",
        "sad",
        "anger",
        "surprise",
        "disgust",
        "fear",
    )
    assert (
        corpus.tasks["emotions"].target
        == np.concatenate([sdk.labels[v][:, 1:] > 0 for v in VIDEOS])
    ).all()
    word_sequence, facet, sound = (
        rows_of(corpus, name) for name in ("text.words", "video.facet42", "audio.covarep")
    )
    vocab = corpus.streams["text.words"].vocab
    for v in VIDEOS:
        for k in range(3):
            row_id = f"{v}_{k + 1}"
            np.testing.assert_array_equal(
                facet[row_id][0], sdk.facet[v][0][sdk.inside(sdk.facet, v, k)]
            )
            np.testing.assert_array_equal(
                sound[row_id][0], sdk.sound[v][0][sdk.inside(sdk.sound, v, k)].astype(np.float32)
            )
            at = sdk.inside(sdk.words, v, k)
            words = [sdk.words[v][0][n, 0].decode() for n in at]
            assert [vocab[w] for w in word_sequence[row_id][0]] == words
            np.testing.assert_allclose(word_sequence[row_id][1], sdk.words[v][1][at], atol=1e-6)
            assert corpus.texts[corpus.ids.tolist().index(row_id)] == " ".join(
                w for w in words if w != "sp"
            )
    assert any("steps are in no utterance" in note for note in origin.notes)


def test_the_form_is_recognised_and_the_data_set_runs(sdk, tmp_path, merbench):
    result = merbench(
        "data", "add", "--name", "mine", str(sdk.path), "--data", str(tmp_path), check=True
    )
    assert "12 rows of csd = 12 taken over + 0 refused" in result.stderr
    words = (
        "--dataset",
        "mine",
        "--model",
        "majority",
        "--task",
        "sentiment",
        "--seeds",
        "1",
        "--data",
        str(tmp_path),
        "--json",
    )
    assert loads(merbench("run", *words, check=True).stdout)["runs"][0]["status"] == "done"


def test_a_step_that_shares_less_than_a_millisecond_with_a_word_is_not_of_it():
    values, intervals = np.array([[1.0], [5.0]]), np.array([[0.0, 1.0004], [1.0, 2.0]])
    means = means_of_words(
        values, intervals, np.array([[1.0, 2.0], [0.0, 1.0], [0.9, 1.1], [3.0, 4.0]])
    )
    np.testing.assert_array_equal(means, [[5.0], [1.0], [3.0], [np.nan]])


def test_pooled_or_aligned_to_the_words(sdk, tmp_path):
    put(tmp_path, sdk.path, "pooled", pool="mean")
    put(tmp_path, sdk.path, "aligned", align="words")
    pooled = rows_of(read_folder(tmp_path / "pooled"), "video.facet42")
    corpus = read_folder(tmp_path / "aligned")
    aligned, word_rows = rows_of(corpus, "video.facet42"), rows_of(corpus, "text.words")
    for v in VIDEOS:
        values, intervals = sdk.facet[v]
        values = np.where(np.isfinite(values), values, np.nan)
        for k in range(3):
            np.testing.assert_allclose(
                pooled[f"{v}_{k + 1}"][0],
                np.nanmean(values[sdk.inside(sdk.facet, v, k)], axis=0)[None],
                rtol=1e-5,
            )
            steps, words = aligned[f"{v}_{k + 1}"][0], sdk.inside(sdk.words, v, k)
            assert len(steps) == len(words) == len(word_rows[f"{v}_{k + 1}"][0])
            for w, step in zip(words, steps, strict=True):
                start, end = sdk.words[v][1][w]
                np.testing.assert_allclose(
                    step,
                    np.nanmean(values[(intervals[:, 0] < end) & (intervals[:, 1] > start)], axis=0),
                    rtol=1e-5,
                )


def test_the_transcript_is_of_words_and_never_of_phonemes(sdk, tmp_path):
    sdk.write(
        "CMU_MOSEI_Phones",
        {v: (np.array([[b"g"]] * 20), when) for v, (_, when) in sdk.words.items()},
    )
    put(tmp_path, sdk.path)
    corpus = read_folder(tmp_path / "mine")
    assert (
        corpus.protocols["standard"].streams[0] == "text.words" and "text.phones" in corpus.streams
    )
    assert {word for text in corpus.texts for word in text.split()} == {"so", "good", "é"}
    sdk.write("CMU_MOSEI_ModifiedWords", sdk.words)
    with pytest.raises(
        DataError, match=r"CMU_MOSEI_ModifiedWords\.csd and CMU_MOSEI_TimestampedWords\.csd"
    ):
        put(tmp_path, sdk.path, "two")


def test_a_video_without_a_word_has_an_empty_transcript(sdk, tmp_path):
    sdk.words["b"] = (np.zeros((0, 1), "S4"), np.zeros((0, 2)))
    sdk.save()
    put(tmp_path, sdk.path)
    corpus = read_folder(tmp_path / "mine")
    assert corpus.texts[corpus.videos == "b"].tolist() == [""] * 3


def align(sdk, names=("labels", "words", "facet", "sound")):
    """As the SDK's align() leaves it: an entry for each segment, its steps clipped to it. The
    labels' entries hold the ends of overlapping neighbours too.
    """
    streams = {"labels": {v: (sdk.labels[v], sdk.segments[v]) for v in VIDEOS}}
    streams |= {"words": sdk.words, "facet": sdk.facet, "sound": sdk.sound}
    files = {"labels": "Labels", "words": "TimestampedWords", "facet": "VisualFacet42"}
    cut = {}
    for name in names:
        entries = {}
        for v in VIDEOS:
            values, intervals = streams[name][v]
            for k, (start, end) in enumerate(sdk.segments[v]):
                touch = (intervals[:, 0] < end - 1e-6) & (intervals[:, 1] > start + 1e-6)
                entries[f"{v}[{k}]"] = values[touch], np.clip(intervals[touch], start, end)
        cut[name] = entries
        sdk.write(f"CMU_MOSEI_{files.get(name, 'COVAREP')}", entries)
    return cut


def test_sequences_that_the_sdk_has_aligned(sdk, tmp_path):
    sdk.segments["b"] = np.array([[1.0, 3.0], [2.8, 5.0], [5.0, 7.0]])  # overlap
    cut = align(sdk)
    report = put(tmp_path, sdk.path)
    assert report.refused == {} and report.taken == 3 * len(VIDEOS)
    assert not [note for note in report.notes if "lie in no utterance" in note]
    corpus = read_folder(tmp_path / "mine")
    sentiment = dict(zip(corpus.ids.tolist(), corpus.tasks["sentiment"].target, strict=True))
    facet, words = rows_of(corpus, "video.facet42"), rows_of(corpus, "text.words")
    for v in VIDEOS:
        for k in range(3):
            row_id, entry = f"{v}_{k + 1}", f"{v}[{k}]"
            assert sentiment[row_id] == pytest.approx(sdk.labels[v][k, 0])
            np.testing.assert_array_equal(facet[row_id][0], cut["facet"][entry][0])
            np.testing.assert_allclose(words[row_id][1], cut["words"][entry][1], rtol=1e-6)


def test_entries_of_segments_keep_their_numbers(sdk, tmp_path):
    cut = align(sdk)
    del cut["labels"]["a_x[1]"], cut["facet"]["b[0]"]
    sdk.write("CMU_MOSEI_Labels", cut["labels"])
    sdk.write("CMU_MOSEI_VisualFacet42", cut["facet"])
    report = put(tmp_path, sdk.path)
    corpus = read_folder(tmp_path / "mine")
    assert [row_id for row_id in corpus.ids.tolist() if row_id.startswith("a_x_")] == [
        "a_x_1",
        "a_x_3",
    ]
    facet = rows_of(corpus, "video.facet42")
    np.testing.assert_array_equal(facet["a_x_3"][0], cut["facet"]["a_x[2]"][0])
    assert len(facet["b_1"][0]) == 0 and len(facet["b_2"][0])
    assert any("1 entries have no utterance (a_x[1])" in note for note in report.notes)


@pytest.mark.parametrize("aligned", ["labels", "sound"])
def test_aligned_and_whole_sequences_stand_side_by_side(sdk, tmp_path, aligned):
    align(sdk, (aligned,))
    put(tmp_path, sdk.path)
    rows = rows_of(read_folder(tmp_path / "mine"), "video.facet42")
    for k in range(3):
        inside = sdk.inside(sdk.facet, "a_x", k)
        np.testing.assert_array_equal(rows[f"a_x_{k + 1}"][0], sdk.facet["a_x"][0][inside])


def test_an_aligned_sequence_joins_segments_by_their_time(sdk, tmp_path):
    put(tmp_path, sdk.path)
    cut = align(sdk, ("sound",))["sound"]
    table = tmp_path / "segments.csv"
    lines = [
        f"{v},{k + 1},{start},{end}"
        for v in VIDEOS
        for k, (start, end) in enumerate(sdk.segments[v])
    ]
    table.write_text("\n".join(["video_id,clip_id,start,end", *lines]))
    put(tmp_path, sdk.path / "CMU_MOSEI_COVAREP.csd", stream="audio.cut", segments=str(table))
    rows = rows_of(read_folder(tmp_path / "mine"), "audio.cut")
    for v in VIDEOS:
        for k in range(3):
            expected = cut[f"{v}[{k}]"][0].astype(np.float32)
            np.testing.assert_array_equal(rows[f"{v}_{k + 1}"][0], expected)


def test_two_sequences_of_one_name_are_refused_and_any_case_of_the_suffix_is_read(sdk, tmp_path):
    sdk.write("CMU_MOSEI_Acoustic_COVAREP", sdk.sound)
    with pytest.raises(DataError, match=r"two streams of the source are called 'audio\.covarep'"):
        put(tmp_path, sdk.path)
    assert [path.name for path in tmp_path.iterdir()] == ["sdk"]
    (sdk.path / "CMU_MOSEI_COVAREP.csd").unlink()
    (sdk.path / "CMU_MOSEI_Acoustic_COVAREP.csd").rename(sdk.path / "CMU_MOSEI_COVAREP.CSD")
    put(tmp_path, sdk.path)
    assert "audio.covarep" in read_folder(tmp_path / "mine").streams


def test_a_single_sequence_joins_rows_that_are_there(sdk, tmp_path):
    put(tmp_path, sdk.path)
    extra = sdk.write("more_opensmile", sdk.sound)
    segments = tmp_path / "segments.npz"
    ids = [f"{v}_{k + 1}" for v in VIDEOS for k in range(3)]
    start, end = np.concatenate([sdk.segments[v] for v in VIDEOS]).T
    np.savez(
        segments,
        id=ids[::-1],
        video=[row_id.rpartition("_")[0] for row_id in ids[::-1]],
        start=start[::-1],
        end=end[::-1],
    )
    origin = put(tmp_path, extra, segments=str(segments))
    assert origin.rows == origin.taken == 12
    corpus = read_folder(tmp_path / "mine")
    old, new = rows_of(corpus, "audio.covarep"), rows_of(corpus, "audio.more-opensmile")
    for row_id in ids:
        np.testing.assert_array_equal(old[row_id][0], new[row_id][0])
    with pytest.raises(DataError, match="add the labels first"):
        put(tmp_path, extra, "another", segments=str(segments))


def test_names_of_the_published_files():
    from merbench.cli.data.fetch import FILES
    from merbench_datasets.csd.names import modality_of

    names = [Path(p) for p in FILES["mosi"] if "Label" not in p]
    assert [stream_name(p, modality_of(p), "Words.csd" in p.name) for p in names] == [
        "text.words", "text.timestampedwordvectors", "video.facet-42", "video.openface-2", "audio.covarep",
    ]  # fmt: skip


@pytest.mark.skipif("MERBENCH_DATA" not in os.environ, reason="MERBENCH_DATA is not set")
def test_the_real_words_of_mosi_joined_to_its_segments(merbench, tmp_path):
    real = Path(os.environ["MERBENCH_DATA"])
    merbench("data", "add", "mosi", str(real / "mosi"), "--data", str(tmp_path), check=True)
    csd = real / "formats/CMU_MOSI_ModifiedTimestampedWords.csd"
    words = (
        "--form",
        "csd",
        "--set",
        f"segments={real / 'mosi/utterance.npz'}",
        "--set",
        "stream=text.csd",
        "--data",
        str(tmp_path),
    )
    result = merbench("data", "add", "mosi", str(csd), *words, check=True)
    assert "2,199 rows of csd = 2,199 taken over + 0 refused" in result.stderr
    corpus = read_folder(tmp_path / "mosi")
    from_csd, from_table = (corpus.streams[name] for name in ("text.csd", "text.words"))
    same = 0
    for row in range(len(corpus)):
        a, b = (slice(s.start[row], s.start[row] + s.length[row]) for s in (from_csd, from_table))
        if [from_csd.vocab[w] for w in from_csd.values[a]] == [
            from_table.vocab[w] for w in from_table.values[b]
        ]:
            same += 1
            np.testing.assert_array_equal(from_csd.times[a], from_table.times[b])
    assert same == 2197, (
        "two words lie across the border of two segments, and were given to the other one there"
    )

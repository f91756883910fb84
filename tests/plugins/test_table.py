"""The form ``table``: ids, texts and labels of one's own, and MELD's csv files."""

from __future__ import annotations

import csv

import pytest

from merbench.data.folder.read import read_folder
from tests.conftest import loads

MODES = ("train", "valid", "test")


def write(path, rows, delimiter=","):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def meld(folder):
    """MELD's three files; dialogue 0 stands in each split."""
    folder.mkdir()
    for mode in ("train", "dev", "test"):
        rows = [
            {
                "Sr No.": str(k),
                "Utterance": f"{mode}, “{k}”",
                "Speaker": "Joey",
                "Emotion": ("joy", "anger", "neutral")[k % 3],
                "Sentiment": ("positive", "negative", "neutral")[k % 3],
                "Dialogue_ID": str(k // 2),
                "Utterance_ID": str(k % 2),
                "StartTime": "00:00:01,000",
            }
            for k in range(6)
        ]
        write(folder / f"{mode}_sent_emo.csv", rows)
    return folder


@pytest.fixture
def put(merbench, tmp_path):
    def call(*words, check=True):
        home = str(tmp_path / "home")
        done = merbench("data", "add", *map(str, words), "--data", home, "--json", check=check)
        return loads(done.stdout) if check else done

    return call


def test_meld(put, tmp_path):
    report = put("--name", "meld", meld(tmp_path / "MELD"))
    assert (report["form"], report["rows"], report["taken"]) == ("table", 18, 18)
    corpus = read_folder(tmp_path / "home/meld")
    assert set(corpus.tasks) == {"emotion", "sentiment"}
    assert corpus.tasks["emotion"].space.words == ("anger", "joy", "neutral")
    row = corpus.ids.tolist().index("valid_dia1_utt1")
    assert corpus.texts[row] == "dev, “3”" and corpus.tasks["emotion"].target[row] == 1
    (split,) = corpus.protocols["standard"].splits
    for mode in MODES:
        videos = {corpus.videos[k] for k in getattr(split, mode)}
        assert videos == {f"{mode}_dia{number}" for number in range(3)}


def rows():
    return [
        {"id": f"v{k}", "text": f"text, {k}", "label": str(k % 5 - 2.5), "split": MODES[k % 3]}
        for k in range(12)
    ]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_a_table_of_ones_own(put, tmp_path, suffix):
    path = tmp_path / f"mine.{suffix}"
    if suffix == "parquet":
        arrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        table = [row | {"label": float(row["label"])} for row in rows()]
        parquet.write_table(arrow.Table.from_pylist(table), path)
    else:
        write(path, rows(), "\t" if suffix == "tsv" else ",")
    assert put("--name", "mine", path)["taken"] == 12
    corpus = read_folder(tmp_path / "home/mine")
    assert corpus.tasks["sentiment"].space.kind == "score"
    for k, row in enumerate(rows()):
        at = corpus.ids.tolist().index(f"v{k}_0")
        assert corpus.texts[at] == row["text"]
        assert corpus.tasks["sentiment"].target[at] == float(row["label"])


def test_columns_may_be_named(put, tmp_path):
    names = {"id": "Clip", "text": "Said", "label": "Mood", "split": "mode"}
    renamed = [{names[key]: cell for key, cell in row.items()} for row in rows()]
    for k, row in enumerate(renamed):
        row |= {"Film": f"f{k // 4}", "Mood": ("sad", "Glad")[k % 2]}
    path = write(tmp_path / "x.csv", renamed)
    done = put("--name", "a", path, check=False)
    assert done.returncode == 2 and "no column of texts (Clip, Said, Mood, mode, Film)" in (
        done.stderr
    )
    given = ("text=Said", "labels=Mood", "video=Film", "clip=Clip")
    sets = [word for setting in given for word in ("--set", setting)]
    put("--name", "a", path, "--form", "table", *sets)
    corpus = read_folder(tmp_path / "home/a")
    assert corpus.tasks["mood"].space.words == ("glad", "sad")
    assert corpus.videos[corpus.ids.tolist().index("f1_v5")] == "f1"


def test_label_and_sentiment_are_two_tasks(put, tmp_path):
    both = [row | {"sentiment": ("bad", "good")[k % 2]} for k, row in enumerate(rows())]
    put("--name", "a", write(tmp_path / "x.csv", both))
    tasks = read_folder(tmp_path / "home/a").tasks
    assert {name: task.space.kind for name, task in tasks.items()} == {
        "label": "score",
        "sentiment": "class",
    }


@pytest.mark.parametrize(
    ("drop", "sentence"),
    [
        ("id", "no column for video_id"),
        ("split", "no column for mode"),
        ("label", "no column of labels"),
    ],
)
def test_what_is_missing_is_one_sentence(put, tmp_path, drop, sentence):
    path = write(
        tmp_path / "x.csv", [{k: v for k, v in row.items() if k != drop} for row in rows()]
    )
    done = put("--name", "a", path, check=False)
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr


def test_a_column_of_many_words_is_no_column_of_labels(put, tmp_path):
    many = [
        {"id": str(k), "text": "x", "label": f"word {k}", "mode": MODES[k % 3]} for k in range(90)
    ]
    done = put("--name", "a", write(tmp_path / "x.csv", many), check=False)
    assert done.returncode == 2 and "has 90 words, and is no column of labels" in done.stderr


def test_a_segment_with_two_rows_is_reported(put, tmp_path):
    rows = [
        {
            "video_id": f"v{k % 3}",
            "clip_id": str(k),
            "text": "x",
            "label": f"{k % 5 - 2}",
            "mode": MODES[k % 3],
            "start": str(k if k != 12 else 0),
            "end": str(k + 0.9 if k != 12 else 0.9),
        }
        for k in range(30)
    ]
    report = put("--name", "mine", write(tmp_path / "mine.csv", rows))
    assert [n for n in report["notes"] if "two rows" in n] == [
        "1 segment(s) have two rows, under two ids (v0_0 = v0_12); both rows are kept"
    ]

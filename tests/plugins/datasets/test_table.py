"""The form ``table``: ids, texts and labels of one's own, and MELD's csv files."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from merbench.api import DataError
from merbench.data.folder.read import read_folder
from merbench_datasets.joined_labels import in_order, sign_between
from merbench_datasets.label_values import numbers_in

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


def test_meld(add_data, tmp_path):
    report = add_data("--name", "meld", meld(tmp_path / "MELD"))
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


def test_rows_of_a_video_in_several_files_are_counted_on(add_data, tmp_path):
    folder = tmp_path / "cut"
    folder.mkdir()
    for mode in ("train", "dev", "test"):
        table = [{"video_id": "v", "text": f"{mode} {k}", "label": k - 1} for k in range(3)]
        write(folder / f"{mode}.csv", table)
    assert add_data("--name", "cut", folder)["taken"] == 9
    corpus = read_folder(tmp_path / "home/cut")
    assert sorted(corpus.ids) == [f"v_{k}" for k in range(9)] and len(set(corpus.texts)) == 9


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_a_table_of_ones_own(add_data, tmp_path, suffix):
    path = tmp_path / f"mine.{suffix}"
    if suffix == "parquet":
        arrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        table = [row | {"label": float(row["label"])} for row in rows()]
        parquet.write_table(arrow.Table.from_pylist(table), path)
    else:
        write(path, rows(), "\t" if suffix == "tsv" else ",")
    assert add_data("--name", "mine", path)["taken"] == 12
    corpus = read_folder(tmp_path / "home/mine")
    assert corpus.tasks["sentiment"].space.kind == "score"
    for k, row in enumerate(rows()):
        at = corpus.ids.tolist().index(f"v{k}_0")
        assert corpus.texts[at] == row["text"]
        assert corpus.tasks["sentiment"].target[at] == float(row["label"])


def test_columns_may_be_named(add_data, tmp_path):
    names = {"id": "Clip", "text": "Said", "label": "Mood", "split": "mode"}
    renamed = [{names[key]: cell for key, cell in row.items()} for row in rows()]
    for k, row in enumerate(renamed):
        row |= {"Film": f"f{k // 4}", "Mood": ("sad", "Glad")[k % 2]}
    path = write(tmp_path / "x.csv", renamed)
    done = add_data("--name", "a", path, check=False)
    assert done.returncode == 2 and "no column of texts (Clip, Said, Mood, mode, Film)" in (
        done.stderr
    )
    settings = ("text=Said", "labels=Mood", "video=Film", "clip=Clip")
    sets = [word for setting in settings for word in ("--set", setting)]
    add_data("--name", "a", path, *sets)
    corpus = read_folder(tmp_path / "home/a")
    assert corpus.tasks["mood"].space.words == ("glad", "sad")
    assert corpus.videos[corpus.ids.tolist().index("f1_v5")] == "f1"


def test_two_columns_whose_names_differ_by_case_are_refused(add_data, tmp_path):
    path = write(tmp_path / "x.csv", [row | {"Label ": "0"} for row in rows()])
    done = add_data("--name", "a", path, check=False)
    assert done.returncode == 2 and "two columns called 'label' and 'Label'" in done.stderr


def test_ids_that_a_program_kept_as_floats_or_with_spaces_are_those_of_others(add_data, tmp_path):
    same = [row | {"video_id": f"v{k // 3}", "clip_id": str(k % 3)} for k, row in enumerate(rows())]
    odd = [
        row | {"video_id": f" {row['video_id']}", "clip_id": f"{row['clip_id']}.0"} for row in same
    ]
    ids = []
    empty = [*odd, odd[0] | {"clip_id": ""}]
    for name, table in (("same", same), ("odd", odd), ("empty", empty)):
        add_data("--name", name, write(tmp_path / f"{name}.csv", table))
        ids.append(read_folder(tmp_path / "home" / name).ids.tolist())
    assert ids[0] == ids[1] == ids[2] and "v1_2" in ids[0]


def test_names_are_parted_alike_in_every_file(add_data, tmp_path):
    """The names of the test rows alone would be those of one video each."""
    folder = tmp_path / "x"
    folder.mkdir()
    for mode, videos in (("train", "abcd"), ("dev", "a"), ("test", "e")):
        table = [
            {"id": f"{video}_{k}", "text": "x", "label": k - 1} for video in videos for k in (0, 1)
        ]
        write(folder / f"{mode}.csv", [row | {"id": f"{row['id']}{mode[0]}"} for row in table])
    add_data("--name", "x", folder)
    corpus = read_folder(tmp_path / "home/x")
    assert "e_0t" in corpus.ids.tolist() and sorted(set(corpus.videos)) == [*"abcde"]


def test_rows_of_a_video_are_counted_where_no_column_does(add_data, tmp_path):
    table = [{"video_id": f"v{k % 3}", **row} for k, row in enumerate(rows())]
    for row in table:
        del row["id"]
    assert add_data("--name", "a", write(tmp_path / "x.csv", table))["taken"] == 12
    corpus = read_folder(tmp_path / "home/a")
    assert corpus.texts[corpus.ids.tolist().index("v1_2")] == "text, 7"


def folder_with_clips(folder):
    (folder / "wav").mkdir(parents=True)
    for k in range(11):
        (folder / f"wav/v{k}.WAV").write_bytes(b"RIFF")
    write(folder / "labels.csv", [row | {"file": row["id"]} for row in rows()])
    return folder


def test_clips_lie_where_a_pattern_says(add_data, tmp_path):
    source = folder_with_clips(tmp_path / "mine")
    report = add_data("--name", "a", source, "--set", "clips=wav/{file}.WAV")
    corpus = read_folder(tmp_path / "home/a")
    assert corpus.streams["audio.clip"].length.sum() == 11 and "video.clip" not in corpus.streams
    assert corpus.protocols["standard"].streams == ("text.transcript", "audio.clip")
    assert "1 of 12 rows have no clip at wav/{file}.WAV" in report["notes"]


def test_clips_that_nobody_names_are_reported(add_data, tmp_path):
    source = folder_with_clips(tmp_path / "mine")
    (note,) = add_data("--name", "a", source)["notes"]
    assert note.startswith("not taken over: 11 clips (wav/v0.WAV, ...)")
    assert "clips='wav/{video_id}_{clip_id}.WAV'" in note
    done = add_data("--name", "b", source, "--set", "clips=wav/{name}.WAV", check=False)
    assert done.returncode == 2 and "there is no column 'name'" in done.stderr
    done = add_data("--name", "b", source, "--set", "clips=../{file}.WAV", check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_label_and_sentiment_are_two_tasks(add_data, tmp_path):
    both = [row | {"sentiment": ("bad", "good")[k % 2]} for k, row in enumerate(rows())]
    add_data("--name", "a", write(tmp_path / "x.csv", both))
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
def test_what_is_missing_is_one_sentence(add_data, tmp_path, drop, sentence):
    path = write(
        tmp_path / "x.csv", [{k: v for k, v in row.items() if k != drop} for row in rows()]
    )
    done = add_data("--name", "a", path, check=False)
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr


def test_a_column_of_many_words_is_no_column_of_labels(add_data, tmp_path):
    many = [
        {"id": str(k), "text": "x", "label": f"word {k}", "mode": MODES[k % 3]} for k in range(90)
    ]
    done = add_data("--name", "a", write(tmp_path / "x.csv", many), check=False)
    assert done.returncode == 2 and "has 90 words, and is no column of labels" in done.stderr


def test_a_label_without_end_is_unknown(add_data, tmp_path):
    """And is not the highest of its scale."""
    odd = [row | {"label": label} for row, label in zip(rows(), ["inf", "1e400"], strict=False)]
    report = add_data("--name", "a", write(tmp_path / "x.csv", odd + rows()[2:]))
    assert any("2 rows have no finite label" in note for note in report["notes"])
    assert (~read_folder(tmp_path / "home/a").tasks["sentiment"].known).sum() == 2


def test_what_programs_write_for_nothing_is_no_class(add_data, tmp_path):
    cells = ["NaN", "joy", "none", "N/A", "joy", "none"]
    odd = [row | {"label": cells[k % 6]} for k, row in enumerate(rows())]
    report = add_data("--name", "a", write(tmp_path / "x.csv", odd))
    unknown = sum(cells[k % 6] in ("NaN", "N/A") for k in range(len(odd)))
    assert report["notes"] == [
        "label: 2 classes (joy, none)",
        f"label: {unknown} rows have no label",
    ]


def test_empty_lines_are_no_rows_and_rows_without_ids_one_sentence(add_data, tmp_path):
    path = write(tmp_path / "x.csv", rows())
    n_rows = add_data("--name", "a", path)["rows"]
    path.write_text(path.read_text() + "\n,,,\n , ,,\n")
    assert add_data("--name", "b", path)["rows"] == n_rows
    nameless = [row | {"video_id": "", "clip_id": "0"} for row in rows()]
    done = add_data("--name", "c", write(path, nameless), check=False)
    assert done.returncode == 2 and "has a video_id and a clip_id; fill them" in done.stderr


def test_a_segment_with_two_rows_is_reported(add_data, tmp_path):
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
    report = add_data("--name", "mine", write(tmp_path / "mine.csv", rows))
    assert [n for n in report["notes"] if "two rows" in n] == [
        "1 segment has two rows, under two ids (v0_0 = v0_12); both rows are kept"
    ]


@pytest.mark.parametrize(
    ("name", "delimiter", "encoding"),
    [("a.csv", ";", "utf-8-sig"), ("a.CSV", "\t", "utf-16"), ("a.csv", "|", "utf-8")],
)
def test_a_table_as_spreadsheets_write_it(add_data, tmp_path, name, delimiter, encoding):
    """With decimal commas, as where a semicolon parts the columns."""
    own_rows = [row | {"label": row["label"].replace(".", ",")} for row in rows()]
    path = write(
        tmp_path / name, [{f" {k.title()}": v for k, v in row.items()} for row in own_rows]
    )
    text = path.read_text()
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(csv.reader(text.splitlines()))
    assert add_data("--name", "a", path)["taken"] == 12
    corpus = read_folder(tmp_path / "home/a")
    row = corpus.ids.tolist().index("v4_0")
    assert corpus.texts[row] == "text, 4" and corpus.tasks["sentiment"].target[row] == 1.5


def test_numbers_are_read_as_people_write_them():
    cells = ["1.5", " -2 ", "−0,5", "+1", "", "N/A", "50%", "1e-1"]
    expected = [1.5, -2, -0.5, 1, np.nan, np.nan, 50, 0.1]
    np.testing.assert_array_equal(numbers_in(cells, "x"), expected)
    assert numbers_in(["joy", "none", "", "joy"], "x") is None
    assert np.isnan(numbers_in(["", "nan"], "x")).all()
    with pytest.raises(DataError, match="x holds 'two' among numbers"):
        numbers_in(["1", "two", "3"], "x")
    with pytest.raises(DataError, match="x holds '1_0' among numbers"):
        numbers_in(["1", "1_0", "3"], "x")


def test_whole_numbers_of_emotions_are_classes(add_data, tmp_path):
    coded = [
        {k: v for k, v in row.items() if k != "label"} | {"emotion": str(at % 3 + 1)}
        for at, row in enumerate(rows())
    ]
    path = write(tmp_path / "x.csv", coded)
    report = add_data("--name", "a", path)
    assert any("3 classes (1 = 1, 2 = 2, 3 = 3)" in note for note in report["notes"])
    named = ("--form", "table", "--set", "words=joy, anger, neutral")
    add_data("--name", "b", path, *named)
    task = read_folder(tmp_path / "home/b").tasks["emotion"]
    assert task.space.words == ("joy", "anger", "neutral") and task.target[:3].tolist() == [0, 1, 1]
    wrong = add_data("--name", "c", path, *named[:3], "words=joy,anger", check=False)
    assert wrong.returncode == 2 and "has the 3 classes 1, 2, 3, and --set words=" in wrong.stderr


SEVERAL = ({"joy"}, {"joy", "anger"}, {"anger", "very sad"}, set(), {"joy"}, {"very sad"})
JOINED = {
    "bars": [" | ".join(sorted(labels)).title() for labels in SEVERAL],
    "semicolons": [";".join(sorted(labels)) for labels in SEVERAL],
    "commas": [", ".join(sorted(labels)) for labels in SEVERAL],
    "lists": [str(sorted(labels)) for labels in SEVERAL],
    "arrow": [sorted(labels) for labels in SEVERAL],
}


@pytest.mark.parametrize("way", JOINED)
def test_cells_with_several_labels_are_a_task_of_any_number_of_them(way, add_data, tmp_path):
    own_rows = [
        {**{k: v for k, v in row.items() if k != "label"}, "emotion": JOINED[way][at % 6]}
        for at, row in enumerate(rows())
    ]
    path = tmp_path / "x.csv"
    if way == "arrow":
        arrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        path = tmp_path / "x.parquet"
        parquet.write_table(arrow.Table.from_pylist(own_rows), path)
    else:
        write(path, own_rows)
    (note,) = [
        note for note in add_data("--name", "a", path)["notes"] if note.startswith("emotion")
    ]
    assert "4 of 12 rows have several labels" in note
    assert "any number of 3 (anger, joy, very sad)" in note
    task = read_folder(tmp_path / "home/a").tasks["emotion"]
    assert task.space.kind == "multilabel" and task.space.words == ("anger", "joy", "very sad")
    ids = read_folder(tmp_path / "home/a").ids.tolist()
    for at in range(12):
        row, labels = ids.index(f"v{at}_0"), SEVERAL[at % 6]
        if labels:
            assert task.target[row].tolist() == [word in labels for word in task.space.words]
        else:  # an empty list has none of them, an empty cell says nothing
            assert (task.known is None) == (way in ("lists", "arrow"))
            known = task.known is None or task.known[row].any()
            assert not (known and task.target[row].any())


def test_what_joins_labels():
    signs = {
        "|": ["1|3", "2"], ";": ["joy; anger"], ",": ["joy,anger", "joy"],
        "": ["calm, content", "angry", "", "sad/low"],
    }  # fmt: skip
    assert {sign: sign_between(cells) for sign, cells in signs.items()} == {s: s for s in signs}
    assert in_order({"10", "9"}) == ["9", "10"] and in_order({"b", "a", "2"}) == ["2", "a", "b"]


def test_numbers_of_joined_labels_may_have_words(add_data, tmp_path):
    cells = ["0|2", "1", "2", "0"]
    own_rows = [{**row, "label": cells[at % 4]} for at, row in enumerate(rows())]
    path = write(tmp_path / "x.csv", own_rows)
    add_data("--name", "a", path, "--form", "table", "--set", "words=joy,anger,fear")
    task = read_folder(tmp_path / "home/a").tasks["label"]
    assert task.space.words == ("joy", "anger", "fear") and task.target[0].tolist() == [1, 0, 1]


def test_splits_are_known_by_their_usual_names(add_data, tmp_path):
    names = {"train": "Training", "valid": " val", "test": "test"}
    add_data(
        "--name", "a", write(tmp_path / "x.csv", [r | {"split": names[r["split"]]} for r in rows()])
    )
    (split,) = read_folder(tmp_path / "home/a").protocols["standard"].splits
    assert (len(split.train), len(split.valid), len(split.test)) == (4, 4, 4)
    (tmp_path / "hub").mkdir()
    for part in ("train", "validation", "test"):
        own_rows = [r | {"id": f"{part}{k}"} for k, r in enumerate(rows())]
        write(tmp_path / f"hub/{part}-00000-of-00001.csv", own_rows)
    assert add_data("--name", "b", tmp_path / "hub")["taken"] == 36


def test_ids_of_videos_and_clips_join_rows_that_are_there(add_data, tmp_path):
    apart = [
        {"video_id": f"v{k // 2}", "clip_id": str(k % 2), "text": "x", "label": "1.5", "mode": mode}
        for k, mode in enumerate(MODES * 4)
    ]
    add_data("--name", "a", write(tmp_path / "apart.csv", apart))
    with_ids = [
        {"id": f"{r['video_id']}$_${r['clip_id']}", "text": "x", "label": "1.5", "mode": r["mode"],
         "more": str(k)} for k, r in enumerate(apart)
    ]  # fmt: skip
    assert add_data("--name", "a", write(tmp_path / "whole.csv", with_ids))["taken"] == 12
    assert len(set(read_folder(tmp_path / "home/a").videos)) == 6


def test_columns_of_a_parquet_that_hold_no_text_or_number_are_told(add_data, tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    own_rows = [r | {"label": None if k == 3 else k % 5 - 2, "picture": b"x", "tags": ["a"]}
            for k, r in enumerate(rows())]  # fmt: skip
    parquet.write_table(arrow.Table.from_pylist(own_rows), tmp_path / "x.parquet")
    notes = add_data("--name", "a", tmp_path / "x.parquet")["notes"]
    assert any("not taken over of x.parquet: picture, tags" in note for note in notes)
    assert read_folder(tmp_path / "home/a").tasks["sentiment"].known.sum() == 11


def test_a_setting_is_one_of_the_form_that_is_recognised(add_data, tmp_path):
    path = write(tmp_path / "x.csv", rows())
    done = add_data("--name", "a", path, "--set", "layer=1", check=False)
    assert done.returncode == 2 and "settings of form table" in done.stderr


@pytest.mark.parametrize("field", ["text", "video", "clip", "labels"])
def test_a_column_that_is_named_and_not_there_is_an_error(add_data, tmp_path, field):
    path = write(tmp_path / "x.csv", rows())
    done = add_data("--name", "a", path, "--set", f"{field}=nothere", check=False)
    assert done.returncode == 2 and "nothere" in done.stderr and "it has" in done.stderr
    assert not (tmp_path / "home/a").exists()

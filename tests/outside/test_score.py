"""Predictions made elsewhere: from the file to the board, and what is wrong with a file."""

from __future__ import annotations

import csv
import json
import random
from dataclasses import replace

import numpy as np
import pytest

import merbench as api
from merbench.api import RequestError
from merbench.functions.look.catalogue import load_dataset
from merbench.outside.prompts import write_prompts
from merbench.outside.score import Goal, SeedFiles, score
from merbench.report.folder.folder import Folder
from merbench.report.verify.run import check_runs
from merbench.results.metrics import BUILT_IN
from merbench.results.records.outside import About, digest
from merbench.results.records.record import Track
from merbench.results.store.history import replaced_runs
from merbench.results.store.merge import merge
from merbench.results.store.store import Store

OFFERED = {"streams": ["audio.x", "video.x"], "pretrained": []}


@pytest.fixture(autouse=True)
def _no_vectors(monkeypatch):
    """Of data sets that may be on this machine."""
    monkeypatch.delenv("MERBENCH_DATA", raising=False)


@pytest.fixture
def tiny(home):
    return load_dataset("tiny", home)


def write(path, ids, scores):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "score"), *zip(ids, scores, strict=True)])
    return path


@pytest.fixture
def right(tiny, tmp_path):
    """``right(seed)``: a file of predictions of the test rows, which miss by a little."""
    test = tiny.protocols["standard"].splits[0].test

    def right(seed=0, name="right.csv"):
        noise = np.random.default_rng(seed).normal(size=len(test)) / 2
        scores = np.clip(tiny.tasks["sentiment"].target[test] + noise, -3, 3)
        return write(tmp_path / f"{seed}-{name}", tiny.ids[test], scores.tolist())

    return right


def pooled(stream, rows):
    ends = zip(stream.start[rows], stream.length[rows], strict=True)
    return np.stack([stream.values[a : a + n].mean(axis=0) for a, n in ends])


def test_scikit_learn_predictions_stand_on_the_board_with_its_numbers(
    merbench, tiny, home, tmp_path
):
    linear = pytest.importorskip("sklearn.linear_model")
    metrics = pytest.importorskip("sklearn.metrics")
    split, y = tiny.protocols["standard"].splits[0], tiny.tasks["sentiment"].target
    x = {rows: pooled(tiny.streams["audio.x"], getattr(split, rows)) for rows in ("train", "test")}
    model = linear.Ridge(alpha=3).fit(x["train"], y[split.train])
    predicted = model.predict(x["test"])
    shuffled = np.random.default_rng(1).permutation(len(split.test))
    file = write(tmp_path / "ridge.csv", tiny.ids[split.test][shuffled], predicted[shuffled])
    (tmp_path / "about.toml").write_text('streams = ["audio.x", "video.x"]\npretrained = []\n')
    words = ("--dataset", "tiny", "--data", str(home), "--store", "s")
    merbench("score", str(file), "--name", "sk", "--about", "about.toml", *words, check=True)
    api.run("ridge", "tiny", data=home, store=tmp_path / "s", progress=False)
    (board,) = json.loads(
        merbench("leaderboard", "--format", "json", "--store", "s", check=True).stdout
    )
    row = next(row for row in board["rows"] if row["name"] == "sk (outside)")
    of = {metric: summary["mean"] for metric, summary in row["summary"].items()}
    truth = y[split.test]
    assert of["mae"] == pytest.approx(metrics.mean_absolute_error(truth, predicted), rel=1e-6)
    assert of["corr"] == pytest.approx(np.corrcoef(truth, predicted)[0, 1], rel=1e-6)
    assert of["acc2_has0"] == metrics.accuracy_score(truth >= 0, predicted >= 0)
    assert of["acc7"] == metrics.accuracy_score(np.rint(truth), np.rint(predicted))
    assert len(board["rows"]) > 1 and row["standing"]["rank"] == 1 and row["intervals"]["mae"]
    assert any("outside merbench" in note for note in board["notes"])
    result = merbench(
        "compare", "sk", "ridge", "--store", "s", "--data", str(home), check=True
    ).stdout
    assert "sk minus ridge" in result
    result = merbench("ensemble", "sk", "ridge", "--store", "s", check=True).stdout
    assert "mean, seed by seed" in result


def test_a_board_with_outside_predictions_is_verified_and_notices_a_change(
    merbench, home, tmp_path, right
):
    files = [right(seed) for seed in range(3)]
    api.score(files, "tiny", "mine", data=home, store=tmp_path / "s", about=OFFERED)
    merbench("leaderboard", "build", "--store", "s", "--out", "b", check=True)
    result = merbench("leaderboard", "verify", "b", "--data", str(home))
    assert result.returncode == 0, result.stdout
    merbench("leaderboard", "submit", "mine", "--store", "s", "--out", "sent", check=True)
    result = merbench("leaderboard", "verify", "sent", "--data", str(home))
    assert result.returncode == 0, result.stdout

    from safetensors.numpy import load_file, save_file

    (file,) = (tmp_path / "b").glob("*/predictions/*")
    tensors = load_file(file)
    first = min(tensors)
    tensors[first][0] += 1e-7
    save_file(tensors, file)
    told = merbench("leaderboard", "verify", "b", "--data", str(home)).stdout
    assert f"{first}: its predictions are not those that were scored" in told


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"caveat": ""}, "its caveat is not what its makers state"),
        ({"reads": ["train", "test"]}, "it was made outside merbench, and has a training"),
        ({"outside": None}, "it is done, and has no cost"),
    ],
)
def test_a_mark_that_was_taken_off_is_noticed(home, tmp_path, right, change, sentence):
    (record,) = api.score(right(), "tiny", "mine", data=home, store=tmp_path / "s").records
    changed = record.model_copy(update=change)
    for of, wanted in ((record, False), (changed, True)):
        folder = Folder(tmp_path, (of,), {}, {}, {of.run_id: tmp_path / "records/x.json"})
        failures = check_runs(folder, None)
        assert any(sentence in failure.sentence for failure in failures) == wanted


def test_every_form_of_a_file_gives_the_same_predictions(home, tmp_path, right, tiny):
    rows = list(csv.DictReader(right().open()))
    ids, scores = [row["id"] for row in rows], [float(row["score"]) for row in rows]
    lines = [json.dumps({"id": i, "score": s}) for i, s in zip(ids, scores, strict=True)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    np.savez(tmp_path / "a.npz", id=np.array(ids), score=np.array(scores))
    files = [right(), tmp_path / "a.jsonl", tmp_path / "a.npz"]
    try:
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table({"id": ids, "score": scores}), tmp_path / "a.parquet")
        files.append(tmp_path / "a.parquet")
    except ImportError:
        pass
    stored = set()
    for number, file in enumerate(files):
        store = tmp_path / f"s{number}"
        (record,) = api.score(file, "tiny", "mine", data=home, store=store).records
        rows = Store(store).predictions(record.run_id)
        stored.add(record.outside.predictions_sha256)
        assert digest(rows.ids, rows.prediction) == record.outside.predictions_sha256
    assert len(stored) == 1


def test_one_file_is_scored_fold_by_fold(home, tmp_path, tiny):
    file = write(tmp_path / "all.csv", tiny.ids, np.zeros(len(tiny)))
    result = api.score(file, "tiny", "zero", protocol="folds", data=home, store=tmp_path / "s")
    assert [record.fold for record in result.records] == [0, 1, 2]
    y = tiny.tasks["sentiment"].target
    assert result.summary["mae"].mean == pytest.approx(np.abs(y).mean(), rel=1e-6)


def test_what_is_not_stated_stands_on_a_board_of_its_own(home, tmp_path, right):
    api.run("ridge", "tiny", data=home, store=tmp_path / "s", progress=False)
    known = api.score(right(), "tiny", "a", data=home, store=tmp_path / "s", about=OFFERED)
    assert "inputs unknown" not in known.track.title and not known.notes
    other = {"streams": ["audio.x", "video.x"], "pretrained": ["gpt-x, 2026-01"]}
    for name, about, part in (("b", None, "inputs unknown"), ("c", other, "gpt-x, 2026-01")):
        result = api.score(right(), "tiny", name, data=home, store=tmp_path / "s", about=about)
        assert part in result.track.title and len(result.notes) == 1
    boards = api.leaderboard(tmp_path / "s").boards
    assert [sorted(scores.rows) for _, scores in boards] == [
        ["a (outside)", "ridge"],
        ["c (outside)"],
        ["b (outside)"],
    ]


def test_a_seed_is_replaced_only_when_asked(home, tmp_path, right):
    store = tmp_path / "s"
    api.score(right(0), "tiny", "mine", data=home, store=store)
    api.score(right(0), "tiny", "mine", data=home, store=store)
    with pytest.raises(RequestError, match="other predictions; give another --name"):
        api.score(right(1), "tiny", "mine", data=home, store=store)
    (record,) = api.score(right(1), "tiny", "mine", data=home, store=store, force=True).records
    assert [r.run_id for r in Store(store).records()] == [record.run_id]


def test_what_was_said_of_the_same_predictions_stays(home, tmp_path, right, tiny):
    rows = tiny.protocols["standard"].splits[0].valid
    valid = write(tmp_path / "valid.csv", tiny.ids[rows], np.zeros(len(rows)))
    asked = {"dataset": "tiny", "name": "mine", "data": home, "store": tmp_path / "s"}
    about = OFFERED | {"licence": "MIT", "source": "a page"}
    (first,) = api.score(right(), valid=valid, about=about, **asked).records
    (again,) = api.score(right(), about=OFFERED | {"source": "a book"}, **asked).records
    assert (again.outside.about.licence, again.outside.about.source) == ("MIT", "a book")
    assert again.metrics == first.metrics and again.metrics.valid
    assert again.caveat == again.outside.sentence


def test_merging_refuses_altered_predictions(home, tmp_path, right):
    api.score(right(), "tiny", "mine", data=home, store=tmp_path / "s")
    theirs = Store(tmp_path / "s")
    (record,) = theirs.records()
    assert [m.how for m in merge(theirs.root, Store(tmp_path / "t"))] == ["copied"]
    rows = theirs.predictions(record.run_id)
    rows.prediction[0] += 1
    theirs.put(record, rows)
    (merged,) = merge(theirs.root, Store(tmp_path / "u"))
    assert merged.how == "refused" and "not those that were scored" in merged.why


def test_thresholds_are_chosen_on_validation_predictions(tmp_path):
    corpus = load_dataset("sample")
    split, words = corpus.protocols["standard"].splits[0], corpus.tasks["emotions"].space.words

    def file(part, certain=0.2):
        rows = getattr(split, part)
        # Right, but far below one half.
        p = corpus.tasks["emotions"].target[rows] * certain
        lines = [("id", *words), *([i, *q] for i, q in zip(corpus.ids[rows], p, strict=True))]
        with (tmp_path / f"{part}.csv").open("w", newline="") as out:
            csv.writer(out).writerows(lines)
        return tmp_path / f"{part}.csv"

    asked = {"task": "emotions", "store": tmp_path / "s"}
    fixed = api.score(file("test"), "sample", "fixed", **asked)
    assert fixed.summary["micro_f1"].mean == 0
    cuts = ("fixed:0.1", "fixed:.1", "fixed:0.10")
    low = [api.score(file("test"), "sample", "low", thresholds=cut, **asked) for cut in cuts]
    assert len({result.records[0].run_id for result in low}) == 1, "one cut, however it is written"
    assert low[1].summary["micro_f1"].mean == 1
    tuned = api.score(
        file("test"), "sample", "tuned", valid=file("valid"), thresholds="tuned_on_valid", **asked
    )
    assert tuned.summary["micro_f1"].mean == 1 and tuned.records[0].metrics.valid["micro_f1"] == 1
    asked |= {"name": "tuned", "thresholds": "tuned_on_valid"}
    other = file("valid", 0.4)
    with pytest.raises(RequestError, match="with other thresholds; give another --name"):
        api.score(file("test"), "sample", valid=other, **asked)
    (again,) = api.score(file("test"), "sample", valid=other, force=True, **asked).records
    (before,) = replaced_runs(Store(tmp_path / "s"), again.run_id)
    assert (before.thresholds, again.thresholds) == ([0.2] * 6, [0.4] * 6)
    asked = {"task": "emotions", "store": tmp_path / "s"}
    with pytest.raises(RequestError, match="give them with --valid FILE"):
        api.score(file("test"), "sample", "no", thresholds="tuned_on_valid", **asked)


# --- what is wrong with a file


def _cells(change):
    """A mutation of the rows below the header: ``change(rows, draw)`` edits them in place."""

    def mutate(path, draw):
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        change(rows, draw)
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])

    return mutate


def _cell(column, value):
    return _cells(lambda rows, draw: draw.choice(rows).__setitem__(column, value))


def _text(change):
    return lambda path, draw: path.write_bytes(change(path.read_bytes(), draw))


MUTATIONS = {
    "nan": _cell(1, "nan"),
    "infinite": _cell(1, "-inf"),
    "empty": _cell(1, ""),
    "blank": _cell(1, "  "),
    "word": _cell(1, "positive"),
    "far": _cell(1, "87"),
    "far below": _cell(1, "-6.1"),
    "huge": _cell(1, "1e308"),
    "underscore": _cell(1, "1_0"),
    "comma": _cell(1, "1,5"),
    "hex": _cell(1, "0x10"),
    "no id": _cell(0, ""),
    "another id": _cell(0, "v9_7"),
    "id of a train row": _cell(0, "v0_0"),
    "id of a validation row": _cell(0, "v2_0"),
    "id in other letters": _cells(lambda rows, draw: rows[0].__setitem__(0, rows[0][0].upper())),
    "row twice": _cells(lambda rows, draw: rows.append(list(draw.choice(rows)))),
    "row missing": _cells(lambda rows, draw: rows.remove(draw.choice(rows))),
    "all rows but one missing": _cells(lambda rows, draw: rows.__delitem__(slice(1, None))),
    "a row more": _cells(lambda rows, draw: rows.append(["v99_0", "1"])),
    "a cell more": _cells(lambda rows, draw: draw.choice(rows).append("1")),
    "a cell less": _cells(lambda rows, draw: draw.choice(rows).pop()),
    "no header": _text(lambda data, draw: data.split(b"\r\n", 1)[1]),
    "header alone": _text(lambda data, draw: data.split(b"\r\n", 1)[0]),
    "nothing": _text(lambda data, draw: b""),
    "column renamed": _text(lambda data, draw: data.replace(b"score", b"scores")),
    "id renamed": _text(lambda data, draw: data.replace(b"id", b"name")),
    "two candidates": _text(lambda data, draw: data.replace(b"\r\n", b",1\r\n").replace(b"score,1", b"score,prediction")),
    "not text": _text(lambda data, draw: data + bytes([draw.randrange(128, 192)])),
    "a NUL byte": _text(lambda data, draw: data.replace(b",", b",\0", 2)),
    "a quote": _text(lambda data, draw: data.replace(b"\r\nv", b'\r\n"v', 1)),
    "a column twice": _text(lambda data, draw: data.replace(b"id,score", b"id,id")),
}  # fmt: skip


@pytest.mark.parametrize("wrong", MUTATIONS)
def test_a_wrong_file_is_one_sentence_and_nothing_is_kept(wrong, home, tmp_path, right):
    good, bad = right(0), right(1)
    MUTATIONS[wrong](bad, random.Random(wrong))
    with pytest.raises(RequestError) as refused:
        api.score([good, bad], "tiny", "mine", data=home, store=tmp_path / "s")
    sentence = str(refused.value)
    assert "\n" not in sentence and bad.name in sentence
    assert not list((tmp_path / "s").rglob("*.json"))


def test_a_wrong_row_is_named_with_what_is_near(home, tmp_path, right):
    bad = right()
    bad.write_text(bad.read_text().replace("v3_0", "v3_O"))
    with pytest.raises(
        RequestError, match=r"line 4: 'v3_O' is none of the test rows; did you mean 'v3_"
    ):
        api.score(bad, "tiny", "mine", data=home, store=tmp_path / "s")


@pytest.mark.parametrize("part", ["valid", "test"])
def test_a_split_without_labels_is_neither_scored_nor_asked_about(tiny, right, tmp_path, part):
    task, split = tiny.tasks["sentiment"], tiny.protocols["standard"].splits[0]
    known = ~np.isin(np.arange(len(tiny.ids)), getattr(split, part))
    corpus = replace(tiny, tasks={"sentiment": replace(task, known=known)})
    asked = {"task": "sentiment", "protocol": "standard"}
    track = Track(dataset="tiny", revision="", streams=[], **asked)
    goal = Goal("mine", About(), corpus, track, BUILT_IN.of(task.space))
    rows = split.valid
    valid = write(tmp_path / "valid.csv", tiny.ids[rows], np.zeros(len(rows)))
    sentence = f"the {part} split of tiny has no row with a known sentiment; choose another --task"
    with pytest.raises(RequestError, match=sentence):
        score(goal, [SeedFiles(0, right(), valid)])
    with pytest.raises(RequestError, match=sentence):
        write_prompts(tmp_path / "out", corpus, part=part, **asked)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"name": "ridge"}, "is a model that merbench trains"),
        ({"name": "a,b"}, "leave out commas"),
        ({"name": " "}, "printable characters"),
        ({"name": "--x"}, "a hyphen at the start"),
        ({"seed": (0, 1)}, "1 files of predictions and seeds 0, 1"),
        ({"seed": -1}, "a number from 0"),
        ({"valid": ("a", "b")}, "one for each, in the same order"),
        ({"protocol": "fold"}, "did you mean 'folds'"),
        ({"thresholds": "tuned_on_valid"}, "no multilabel one; leave it out"),
        ({"about": {"streams": ["audio.y"], "pretrained": []}}, "unknown stream 'audio.y'"),
        ({"about": {"stream": []}}, "unknown key 'stream'; did you mean 'streams'"),
        ({"about": {"streams": 3}}, "streams is a list of names"),
        ({"about": {"source": "me@home.org"}}, "leave e-mail addresses out"),
        ({"about": {"date": "soon"}}, "about: date: "),
        ({"about": {"pretrained": ["vectors:x"]}}, "unknown word vectors 'x'"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_one_sentence(asked, sentence, home, tmp_path, right):
    keywords = {"name": "mine", "data": home, "store": tmp_path / "s", **asked}
    with pytest.raises(RequestError, match=sentence):
        api.score(right(), "tiny", **keywords)
    assert not list((tmp_path / "s").rglob("*.json"))


def test_the_same_predictions_are_not_two_seeds(home, tmp_path, right):
    with pytest.raises(RequestError, match="has the predictions of seed 0 again"):
        api.score([right(0), right(0, "copy.csv")], "tiny", "x", data=home, store=tmp_path / "s")


def test_an_about_file_that_cannot_be_read_is_one_sentence(merbench, home, right, tmp_path):
    words = ("--dataset", "tiny", "--name", "x", "--data", str(home), "--about", "about.toml")
    assert "cannot be read" in merbench("score", str(right()), *words).stderr
    (tmp_path / "about.toml").write_text("source = ")
    result = merbench("score", str(right()), *words)
    assert result.returncode == 2 and "about.toml is not TOML" in result.stderr

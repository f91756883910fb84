"""Folders of boards as a user builds, sends and checks them; the runs are made up, so that nothing
is trained.
"""

from __future__ import annotations

import json
import shutil

import pytest

import merbench as api
from merbench.api import DataError, RequestError
from merbench.bench.own_labels import truth_of
from merbench.cli.look.leaderboard.studies import left_out
from merbench.cli.shared.session import Session
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.functions.look.catalogue import load_dataset
from merbench.report.folder.folder import Folder
from merbench.report.scores.runs_of_a_store import StoreSource
from merbench.results.store.store import Store
from tests.report.made import corpus, put, record, spec


@pytest.fixture
def store(tmp_path):
    """Runs of a data set that is not here: on two tracks of one task and protocol, and on one that
    joins two data sets.
    """
    store = Store(tmp_path / "runs")
    alone = record(0, 0.5, spec(dataset="there"))[0].track.model_copy(
        update={"streams": ["text.words"]}
    )
    put(store, 0.5, spec("one", dataset="there"), range(2), track=alone)
    put(store, 0.5, spec("two", dataset="there"), range(2))
    put(store, 0.6, spec("two", dataset="there", lr=0.1), range(2))
    put(store, 0.5, spec("three", dataset="there+other"), range(2))
    return store


def test_what_was_printed_is_printed_again_until_a_file_of_the_store_changes(
    merbench, store, monkeypatch
):
    words = ("leaderboard", "--store", str(store.root))
    (store.runs / "cut.json").write_text("{")
    first = merbench(*words)
    with monkeypatch.context() as unread:
        unread.setattr(StoreSource, "records", lambda self: pytest.fail("the records were read"))
        again = merbench(*words)
    assert again.stdout == first.stdout and "three" in first.stdout
    assert again.stderr == first.stderr and "cut.json cannot be read" in first.stderr
    assert merbench(*words, "--intervals").stdout != first.stdout
    assert merbench(*words, "--format", "md").stdout.startswith("### there")
    put(store, 0.5, spec("four", dataset="there"), range(2))
    assert "four" in merbench(*words).stdout
    for path in store.runs.glob("*"):
        path.unlink()
    assert "no finished run" in merbench(*words, check=False).stderr


def test_the_best_rows_of_a_table_are_printed_and_the_others_counted(merbench, store):
    words = ("leaderboard", "--store", str(store.root), "--dataset", "there")
    whole, best = merbench(*words).stdout, merbench(*words, "--rows", "1").stdout
    assert [text.count("\n two") for text in (whole, best)] == [2, 1]
    assert "1 more row: --rows 2 or --format csv shows every row" in best
    assert "more row" not in whole


@pytest.mark.parametrize("metric", [(), ("--metric", "mae")])
def test_compare_says_what_is_significant(merbench, store, metric):
    """Of one pair: the larger of its two p; with two seeds none is under .05."""
    put(store, 0.3, spec("good", dataset="there"), range(8))
    put(store, 0.9, spec("bad", dataset="there"), range(8))
    for names, significant in ((("good", "bad"), True), (("good", "three"), False)):
        words = ("compare", *names, *metric, "--rows", "0", "--json")
        if names[1] == "three":
            put(store, 0.9, spec("three", dataset="there"), range(2))
            words = (*words, "--dataset", "there")
        mae = json.loads(merbench(*words, check=True).stdout)["difference"]["mae"]
        assert mae["p_adjusted"] == max(mae["p"], mae["p_interval"])
        assert mae["significant"] == significant


def content(folder):
    return {
        p.relative_to(folder): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.parent != folder
    }


def test_building_one_track_leaves_the_others(merbench, tmp_path, store):
    messages = merbench("leaderboard", "build", "--out", "boards", check=True).stderr
    assert "left out: there+other" in messages and "2 boards" in messages
    before = content(tmp_path / "boards")
    assert {p.parts[0] for p in before} == {
        "there-sentiment-standard-words",
        "there-sentiment-standard-words-covarep",
    }
    merbench("leaderboard", "build", "--out", "boards", "--track", "covarep", check=True)
    assert content(tmp_path / "boards") == before
    shutil.rmtree(tmp_path / "boards" / "there-sentiment-standard-words")
    merbench("leaderboard", "build", "--out", "boards", "--dataset", "there", check=True)
    assert content(tmp_path / "boards") == before


@pytest.mark.parametrize("row", [spec("two", dataset="there"), spec("one", "x", dataset="there")])
@pytest.mark.parametrize("finished", [0, 2])
def test_a_row_with_a_run_that_failed_is_left_out_and_the_rest_is_built(
    merbench, tmp_path, row, finished
):
    store = Store(tmp_path / "runs")
    put(store, 0.5, spec("one", dataset="there"), range(3))
    put(store, 0.5, spec("three", dataset="elsewhere"), range(3))
    merbench("leaderboard", "build", "--out", "without", check=True)
    put(store, 0.6, row, range(finished))
    for seed in range(finished, 3):
        failed, _ = record(seed, 0.6, row, status="failed", metrics=None, error="boom")
        store.put(failed)
    messages = merbench("leaderboard", "build", "--out", "boards", check=True).stderr
    name = f"{row.model} {row.ablation}".strip()
    sentence = f": {name}: seed {finished} has not finished (boom); the same run command makes"
    assert messages.count("left out: there") == 1 and sentence in messages
    assert content(tmp_path / "boards") == content(tmp_path / "without")


def test_a_published_row_is_not_left_out_because_another_seed_failed(merbench, tmp_path, store):
    merbench("leaderboard", "build", "--out", "boards", "--dataset", "there", check=True)
    before = content(tmp_path / "boards")
    failed, _ = record(2, 0.5, spec("two", dataset="there"), status="failed", metrics=None)
    store.put(failed)
    ended = merbench("leaderboard", "build", "--out", "boards", "--dataset", "there", check=False)
    assert ended.returncode == 2 and "does not have in a finished row" in ended.stderr
    assert content(tmp_path / "boards") == before


def test_a_folder_of_another_track_is_not_overwritten(merbench, tmp_path, store):
    merbench("leaderboard", "build", "--out", "boards", "--track", "covarep", check=True)
    before = content(tmp_path / "boards")
    other = record(0, 0.5, spec(dataset="there"))[0].track.model_copy(update={"revision": "f" * 64})
    put(Store(tmp_path / "else"), 0.5, spec("x", dataset="there"), range(2), track=other)
    merbench("leaderboard", "build", "--store", "else", "--out", "boards", check=True)
    after = content(tmp_path / "boards")
    assert len({path.parts[0] for path in after}) == 2
    runs = ("records", "predictions", "rows.json", "scores.json")
    assert all(after[path] == before[path] for path in before if path.parts[1] in runs)
    index = (tmp_path / "boards" / "index.html").read_text()
    assert "revision fffffff" in index and index.count("revision ") >= 2


def test_tracks_that_differ_in_one_pretrained_file_are_two_boards(merbench, tmp_path):
    store, one = Store(tmp_path / "runs"), record(0, 0.5, spec(dataset="there"))[0].track
    for name, sha in (("a", "1"), ("b", "2")):
        track = one.model_copy(update={"pretrained": {"vectors:glove": sha * 64}})
        for model, miss in (("x", 0.5), ("y", 0.6)):
            put(store, miss, spec(f"{model}{name}", dataset="there"), range(2), track=track)
        put(store, 0.7, spec("both", dataset="there", lr=0.1 * int(sha)), range(2), track=track)
    merbench("leaderboard", "build", "--out", "boards", check=True)
    folders = [p.name for p in (tmp_path / "boards").iterdir() if p.is_dir()]
    pages = [(tmp_path / "boards" / name / "index.html").read_text() for name in folders]
    assert len(folders) == 2 and sum("glove 1111111" in page for page in pages) == 1
    assert "is not what its records" not in merbench("leaderboard", "verify", "boards").stdout
    result = merbench("compare", "both", "both")
    assert (
        result.returncode == 2
        and "glove 1111111" in result.stderr
        and "glove 2222222" in result.stderr
    )
    printed = merbench("compare", "xa", "both", "--track", "glove 1111111", check=True).stdout
    assert "glove 1111111" in printed
    shown = merbench("leaderboard", "--boards", "boards", "--track", "glove 2222222", check=True)
    assert "xb" in shown.stdout and "xa" not in shown.stdout


def test_what_verify_rejects_is_not_built(merbench, tmp_path):
    bad = {"reads": ["train", "valid", "test", "trained"]}
    put(Store(tmp_path / "runs"), 0.5, spec("x", dataset="there"), range(2), **bad)
    result = merbench("leaderboard", "build", "--out", "boards")
    assert (
        result.returncode == 2
        and "verify would reject boards/there-sentiment-standard" in result.stderr
    )
    assert "test rows may have been read before the end" in result.stderr
    assert not (tmp_path / "boards").exists()
    merbench("leaderboard", "build", "--out", "boards", "--unchecked", check=True)
    assert (tmp_path / "boards" / "index.html").is_file()


def test_rows_of_unequal_seeds_are_not_built_without_the_data_either(merbench, tmp_path):
    store = Store(tmp_path / "runs")
    for model, count in (("x", 3), ("y", 3), ("z", 2)):
        put(store, 0.5, spec(model, dataset="there"), range(count))
    result = merbench("leaderboard", "build", "--out", "boards")
    assert result.returncode == 2 and not (tmp_path / "boards").exists()
    assert "z: its seeds are 0, 1, and those of the other rows 0, 1, 2" in result.stderr


def test_a_contribution_goes_into_built_boards_as_its_readme_says(merbench, tmp_path, home):
    test = load_dataset("tiny", home).protocols["standard"].splits[0].test
    ids = load_dataset("tiny", home).ids[test].tolist()

    def score(name, store, pretrained, value):
        lines = [f"{i},{value + place / 9}" for place, i in enumerate(ids)]
        (tmp_path / f"{name}.csv").write_text("\n".join(("id,score", *lines)))
        about = {"streams": ["audio.x", "video.x"], "pretrained": pretrained}
        api.score(
            tmp_path / f"{name}.csv", "tiny", name, data=home, store=tmp_path / store, about=about
        )

    score("a", "ours", ["x"], 0)
    score("b", "ours", [], 0.5)
    score("c", "theirs", [], 1)
    data = ("--data", str(home))
    merbench("leaderboard", "build", "--store", "ours", "--out", "boards", check=True)
    merbench(
        "leaderboard",
        "submit",
        "c",
        "--store",
        "theirs",
        "--out",
        "mine",
        "--boards",
        "boards",
        check=True,
    )
    (folder,) = (p for p in (tmp_path / "mine").iterdir() if p.is_dir())
    assert f"- `{folder.name}` (there already): tiny" in (tmp_path / "mine/README.md").read_text()
    for part in ("records", "predictions"):
        into = tmp_path / "boards" / folder.name / part
        assert into.is_dir()
        shutil.copytree(folder / part, into, dirs_exist_ok=True)
    merbench("leaderboard", "render", "boards", "--rescore", *data, check=True)
    result = merbench("leaderboard", "verify", "boards", *data)
    assert result.returncode == 0, result.stdout
    shutil.copytree(folder, tmp_path / "boards" / "another-name")
    result = merbench("leaderboard", "render", "boards")
    assert result.returncode == 2 and "hold the same track" in result.stderr


def test_a_contribution_to_a_folder_without_boards_is_refused(merbench, tmp_path, store):
    (tmp_path / "empty").mkdir()
    result = merbench(
        "leaderboard", "submit", "two (train.lr=0.1)", "--out", "mine", "--boards", "empty"
    )
    assert result.returncode == 2 and "--boards empty holds no boards" in result.stderr
    assert not (tmp_path / "mine").exists()


def test_a_run_is_packed_with_the_row_that_it_is_in_and_a_name_with_each_of_its_rows(
    merbench, tmp_path, store
):
    runs = put(store, 0.5, spec("one", dataset="there"), range(2, 4), source_digest="1" * 12)
    merbench("leaderboard", "submit", runs[0].run_id, "--out", "mine", check=True)
    (folder,) = (p for p in (tmp_path / "mine").iterdir() if p.is_dir())
    assert folder.name == "there-sentiment-standard-words-covarep"
    merbench("leaderboard", "submit", "one", "--out", "ours", check=True)
    assert len([p for p in (tmp_path / "ours").iterdir() if p.is_dir()]) == 2


def test_a_contribution_keeps_its_folder_and_never_covers_a_row(merbench, tmp_path, store):
    merbench("leaderboard", "build", "--out", "boards", check=True)
    merbench("leaderboard", "submit", "two (train.lr=0.1)", "--out", "mine", check=True)
    (folder,) = (p for p in (tmp_path / "mine").iterdir() if p.is_dir())
    (sent,) = (folder / "records").iterdir()
    assert folder.name == "there-sentiment-standard-words-covarep" and sent.stem.startswith(
        "two-train.lr-0.1-"
    )
    shutil.copytree(folder, tmp_path / "boards" / folder.name, dirs_exist_ok=True)
    result = merbench("leaderboard", "render", "boards")
    assert result.returncode == 2 and "keep it in one of them" in result.stderr


def test_a_board_whose_data_are_not_here_is_not_checked_and_the_rest_is(merbench, tmp_path, store):
    merbench("leaderboard", "build", "--out", "boards", check=True)
    result = merbench("leaderboard", "verify", "boards")
    assert (
        result.returncode == 2 and result.stderr.count("not checked: ") == 2 and not result.stdout
    )
    (tmp_path / "boards" / "index.html").write_text("mine wins")
    result = merbench("leaderboard", "verify", "boards")
    assert result.returncode == 1 and result.stdout.startswith("boards/index.html: ")
    result = merbench("leaderboard", "verify", "boards", "--json")
    outcome = json.loads(result.stdout)
    assert result.returncode == 1 and [x["file"] for x in outcome["failures"]] == [
        "boards/index.html"
    ]
    assert {x["board"] for x in outcome["not_checked"]} == {
        str(path.parent.relative_to(tmp_path)) for path in tmp_path.glob("boards/*/rows.json")
    }


@pytest.mark.parametrize(
    ("named", "what"), [("task", "task x"), ("protocol", "protocol x"), ("streams", "stream x")]
)
def test_a_track_that_names_what_the_data_lack_is_told(named, what):
    track = record(0, 0.5, spec())[0].track.model_copy(
        update={named: ["x"] if named == "streams" else "x"}
    )
    with pytest.raises(DataError, match=f"your sample has no {what} "):
        truth_of(Session().catalog, corpus(), track)


def test_streams_are_hashed_once_for_all_runs_that_read_them(monkeypatch):
    hashed = []
    monkeypatch.setattr("merbench.data.dataset_hash.revision", lambda *what: hashed.append(what))
    track = record(0, 0.5, spec())[0].track
    content = truth_of(Session().catalog, corpus(), track, with_optimum=False).content
    for streams in ((), ("audio.x",), (), ("audio.x",)):
        content(streams)
    assert [streams for *_, streams in hashed] == [(), ("audio.x",)]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("leaderboard", "--store", "x", "build"), "--store before build"),
        (("leaderboard", "--dataset", "there", "verify", "boards"), "--dataset before verify"),
        (
            ("leaderboard", "--format", "html", "--intervals", "--track", "covarep"),
            "leave --intervals out",
        ),
        (("leaderboard", "--format", "csv", "--rows", "3"), "leave --rows out"),
        (("leaderboard", "--format", "md", "--rows", "3"), "leave --rows out"),
        (("compare", "--all", "--plot", "x.svg"), "--plot is for two models"),
        (("compare", "--all", "--rows", "5"), "--rows is for two models"),
        (
            ("predict", "--text", "x", "--run", "00", "--seeds", "3"),
            "--seeds has no effect on --run 00",
        ),
        (
            ("predict", "--text", "x", "--run", "00", "--model", "merclip"),
            "--model has no effect on --run 00",
        ),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(merbench, store, words, sentence):
    result = merbench(*words)
    assert result.returncode == 2 and sentence in result.stderr and not result.stdout


def test_what_was_printed_for_another_track_is_refused(merbench, tmp_path, store):
    (tmp_path / "extra.json").write_text('{"labels": {}, "test": [], "track": {"dataset": "mosi"}}')
    result = merbench("leaderboard", "build", "--out", "boards", "--extra", "extra.json")
    assert (
        result.returncode == 2
        and "--extra extra.json is of no track" in result.stderr
        and not (tmp_path / "boards").exists()
    )


def test_what_was_printed_for_a_track_stays_on_its_board_until_it_is_printed_again(
    merbench, tmp_path, store
):
    track = record(0, 0.5, spec("two", dataset="there"))[0].track.model_dump(mode="json")

    def build(*words, **printed):
        if printed:
            result = {"labels": {}, "test": [], "track": track, **printed}
            (tmp_path / "extra.json").write_text(json.dumps(result))
        merbench("leaderboard", "build", "--out", "boards", *words, check=True)
        (path,) = (tmp_path / "boards").glob("*/generalise.json")
        return json.loads(path.read_text())

    first = build("--extra", "extra.json", test=[{"name": "a"}])
    assert build() == first
    second = build("--extra", "extra.json", test=[{"name": "b"}])
    assert build() == second != first
    both = merbench("leaderboard", "build", "--out", "boards", *("--extra", "extra.json") * 2)
    assert both.returncode == 2 and "are both of generalise on one track" in both.stderr


def test_a_store_without_a_whole_seed_has_no_board(tmp_path):
    store = Store(tmp_path / "runs")
    put(store, 0.5, spec("tfn", protocol="folds"), range(2), (0,), folds=2)
    with pytest.raises(RequestError, match="continues what is unfinished"):
        api.leaderboard(store.root)


def test_brackets_in_names_are_shown_as_they_are(merbench, tmp_path):
    for model, miss in (("[/b] a:smile:", 0.5), ("b", 0.6)):
        put(Store(tmp_path / "runs"), miss, spec(model, dataset="there"), range(2))
    assert "[/b] a:smile:" in merbench("compare", "[/b] a:smile:", "b", check=True).stdout
    every = merbench("compare", "--all", check=True)
    assert "1 [/b] a:smile:" in every.stdout and "run six or more" in every.stderr, (
        "two seeds cannot separate anything"
    )


@pytest.mark.parametrize(
    "words", [("compare", "two", "one"), ("leaderboard", "submit", "two", "--out", "mine")]
)
def test_a_model_of_several_rows_is_told_with_their_names(merbench, store, words):
    result = merbench(*words)
    assert result.returncode == 2
    assert (
        "there are several rows of two: 'two (train.lr=0.001)', 'two (train.lr=0.1)'; name one of them"
        in result.stderr
    )


def test_a_row_that_lacks_a_fold_is_not_submitted(merbench, store, tmp_path):
    in_folds = spec("folded", dataset="there", protocol="folds")
    for fold in (0, 1):
        store.put(*record(0, 0.5, in_folds, fold))
    store.put(*record(1, 0.5, in_folds, 0))
    result = merbench("leaderboard", "submit", "folded", "--out", "mine")
    assert result.returncode == 2 and not (tmp_path / "mine").exists()
    assert "folded: seed 1 lacks 1 of 2 finished folds" in result.stderr


def test_a_row_that_a_study_names_and_its_board_lacks_is_told(tmp_path):
    session = Session()
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "s.toml").write_text(
        'models = ["majority", "tfn"]\nfloors = false\nseeds = 3\n[[tracks]]\ndataset = "sample"'
    )
    plan = resolve(Request("tfn"), session.catalog, session.dataset("sample", None), None)
    runs = tuple(record(seed, 0.5, spec("tfn"), track=plan.track)[0] for seed in range(2))
    boards = [("board", Folder(tmp_path / "board", runs, {}, {}, {}).board)]
    files = [tmp_path / "studies" / "s.toml"]
    failures = [(f.file.name, f.sentence) for f in left_out(session, files, None, boards)]
    assert failures == [
        ("s.toml", "the board board lacks majority, seeds 0, which this study names"),
        ("s.toml", "the board board lacks tfn, seeds 2, which this study names"),
    ]
    (tmp_path / "studies" / "s.toml").write_text(
        'models = ["tfn"]\nfloors = false\nseeds = 2\n[tune]\n[[tracks]]\ndataset = "sample"'
    )
    (failure,) = left_out(session, files, None, boards)
    assert "lacks tfn tuned, seeds 0, 1," in failure.sentence

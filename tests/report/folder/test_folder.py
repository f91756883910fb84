"""A folder of boards: nothing is lost, nothing of the data is in it, and what is drawn from it is
the same to the byte.
"""

from __future__ import annotations

import json
import re
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from safetensors.numpy import load, save

from merbench.api import DataError
from merbench.api.control_characters import printable
from merbench.cli.look.leaderboard.boards import from_folder
from merbench.report.folder.names import folder_names, slug
from merbench.report.folder.packed import pack, unpack
from merbench.report.folder.read import read, read_all, tracks
from merbench.report.scores.board.board_scores import score
from merbench.report.scores.cache import Cache
from merbench.report.scores.rows.entries import collect
from merbench.report.scores.runs_of_a_store import StoreSource
from merbench.report.site.board_page.reproduce import command
from merbench.report.site.site import site
from merbench.results.files import write_together
from merbench.results.records.record import Track
from merbench.results.store.store import Store
from tests.report.made import put, put_board, record, spec, truth


@pytest.fixture
def root(tmp_path):
    return boards(tmp_path)


def boards(tmp_path):
    """A copy of what ``build`` makes, which a process makes once."""
    shutil.copytree(_built().name, tmp_path, dirs_exist_ok=True)
    return tmp_path / "boards"


@cache
def _built():
    folder = TemporaryDirectory(prefix="boards-")
    build(Path(folder.name), "boards")
    return folder


def build(tmp_path, name):
    """Three models with a variant and a floor on one track, one in two folds on another."""
    store = Store(tmp_path / "store")
    for model, miss in (("merclip", 0.5), ("mult", 0.6)):
        put(store, miss, spec(model), range(6))
    put(store, 0.7, spec("merclip", "no-x"), range(6))
    put(store, 1.4, spec("ridge"), [0], history=[], best_epoch=None)
    put(store, 0.8, spec("mult", protocol="folds"), range(3), (0, 1))
    source = StoreSource(store)
    made = collect(source.records(), {"ridge"})
    for folder, board in zip(folder_names([b.track for b in made]), made, strict=True):
        put_board(tmp_path / name / folder, board, score(board, source, Cache(None)), source)
    for path, content in site([read(p) for p in tracks(tmp_path / name)]).items():
        (tmp_path / name / path).write_bytes(content)


def content(root):
    return {
        p.relative_to(root).as_posix(): p.read_bytes()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


def test_packed_records_come_back_and_say_what_is_common_once():
    records = [record(seed, 0.5, spec(), fold)[0] for seed in range(3) for fold in (0, 1)]
    odd = record(
        9,
        0.5,
        spec(),
        history=[{"stage": "a", "epoch": 0}, {"stage": "b", "epoch": 0, "mae": 1.0}],
        status="failed",
        metrics=None,
    )[0]
    for some in ([records[0]], records, [*records, odd]):
        assert unpack(pack(some)) == some
    assert len(pack(records)) < 0.6 * sum(len(r.model_dump_json()) for r in records)


def test_packed_records_keep_the_order_of_their_keys():
    """Of two commits, both clean: what they share stands behind what they do not."""
    records = [
        record(seed, 0.5, spec(), provenance={"git": {"commit": commit, "dirty": False}})[0]
        for seed, commit in enumerate(("a" * 40, "b" * 40))
    ]
    for before, after in zip(records, unpack(pack(records)), strict=True):
        assert json.dumps(after.provenance) == json.dumps(before.provenance)


def test_a_folder_gives_back_its_runs(tmp_path, root):
    store = StoreSource(Store(tmp_path / "store"))
    kept = {r.run_id: r for p in tracks(root) for r in read(p).records}
    assert kept == {r.run_id: r for r in store.records()}
    for path in tracks(root):
        folder = read(path)
        for run in folder.records:
            assert np.array_equal(
                folder.predicted[run.run_id], store.predictions(run.run_id).prediction
            )
            assert list(folder.ids["" if run.fold is None else str(run.fold)]) == list(
                store.predictions(run.run_id).ids
            )


def test_labels_and_texts_are_nowhere(root):
    _, _, y = truth()
    wanted = json.dumps(y[:5].tolist())[1:-1]
    for name, data in content(root).items():
        assert wanted.encode() not in data and b"text of" not in data, name
        assert y.astype(np.float32).tobytes() not in data and y.tobytes() not in data, name


def test_drawing_again_and_building_again_changes_no_byte(tmp_path, root):
    again = site([read(p) for p in tracks(root)])
    assert {name: data for name, data in content(root).items() if name in again} == again
    build(tmp_path, "other")
    assert content(tmp_path / "other") == content(root)
    assert {
        "index.html",
        "sample-sentiment-standard/scores.svg",
        "sample-sentiment-standard/ablations.svg",
    } <= set(again)
    assert b"merclip no-x" in again["sample-sentiment-standard/table.md"]


def test_control_characters_of_others_are_in_no_file(tmp_path):
    store = Store(tmp_path / "store")
    put(
        store, 0.5, spec("tfn\x1b[2J", dataset="x\u202e"), range(2), caveat="\x9b2J", notes=["\x7f"]
    )
    (board,) = collect(store.records(), {})
    path, source = tmp_path / "boards/x", StoreSource(store)
    robust = {"track": {"\x1b": "\ud800"}, "lines": [], "curves": {}}
    put_board(path, board, score(board, source, Cache(None)), source, {"robust": robust})
    folder = read(path)
    assert folder.records == tuple(sorted(store.records(), key=lambda r: r.run_id))
    texts = content(tmp_path) | site([folder])
    for name, data in texts.items():
        if name.endswith((".json", ".md", ".csv", ".tex", ".html")) and "store/" not in name:
            assert printable(data.decode()) == data.decode(), name


@pytest.mark.parametrize("kind", ["generalise", "robust"])
@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "1",
        '{"track": {}, "labels": {}, "test": [{"summary": 1}]}',
        '{"track": {}, "lines": [], "curves": {"tfn": {"audio": []}}}',
        "NaN",
    ],
)
def test_what_lies_beside_the_records_and_cannot_be_drawn_is_named(root, kind, text):
    path = root / "sample-sentiment-standard"
    (path / f"{kind}.json").write_text(text)
    with pytest.raises(DataError, match=rf"{kind}\.json cannot be read: ."):
        read(path)


def test_a_folder_that_cannot_be_read_names_its_file(root):
    path = root / "sample-sentiment-standard"
    for name, text in (
        ("records/mult.json", "{"),
        ("scores.json", "[]"),
        ("rows.json", "x"),
        ("predictions/mult.safetensors", "x"),
    ):
        kept = (path / name).read_bytes()
        (path / name).write_text(text)
        with pytest.raises(DataError, match=name):
            read(path)
        (path / name).write_bytes(kept)
    with pytest.raises(DataError, match="is one board"):
        tracks(path)


def test_a_board_that_lost_a_file_is_not_passed_over(root, capsys):
    path = root / "sample-sentiment-standard"
    write_together(path, {"written.json": json.dumps({"files": ["rows.json"]}).encode()})
    for name in ("rows.json", "scores.json", "robust.json"):
        kept = (path / name).read_bytes() if (path / name).exists() else None
        (path / name).unlink(missing_ok=True)
        if name == "rows.json":
            with pytest.raises(DataError, match=r"rows\.json cannot be read: it is not there; "):
                read_all(root)
        (path / name).mkdir()
        with pytest.raises(DataError, match=rf"{name} cannot be read: it is no file"):
            read_all(root)
        (path / name).rmdir()
        if kept:
            (path / name).write_bytes(kept)
    (path / "scores.json").unlink()
    assert len(from_folder(root)) == len(read_all(root)) - 1
    assert f"left out: {path} has no scores.json" in capsys.readouterr().err


def test_names_of_folders():
    def track(*streams, protocol="standard"):
        return Track(
            dataset="mosi", revision="r", task="sentiment", protocol=protocol, streams=list(streams)
        )

    plain, folds, other = track("a.b"), track("a.b", protocol="folds"), track("a.c")
    newer = other.model_copy(update={"revision": "s"})
    every = [plain, folds, other, newer]
    names = folder_names(every)
    assert names[:2] == ["mosi-sentiment-standard-b", "mosi-sentiment-folds"]
    assert all(re.fullmatch(r"mosi-sentiment-standard-c-[0-9a-f]{6}", name) for name in names[2:])
    assert len(set(names)) == 4 and folder_names(every[::-1]) == names[::-1]
    assert slug("merclip (train.lr=0.001)") == "merclip-train.lr-0.001"


def test_a_name_of_signs_or_of_any_length_is_a_file_name_of_its_own():
    assert slug("..") == "" and len(slug("x" * 900)) < 200
    of_other_names = {"revision": "", "task": "..", "protocol": "情", "streams": []}
    names = folder_names(
        [Track(dataset=n, **of_other_names) for n in ("感", "心", "x" * 900, "x" * 901, "..")]
    )
    assert len(set(names)) == len(names) and all(names)
    assert all(len(name) < 200 and not name.startswith(".") for name in names)


def test_a_track_keeps_the_folder_that_it_has():
    one, other = (
        Track(dataset="mosi", revision="r", task="sentiment", protocol="standard", streams=[s])
        for s in ("a.b", "a.c")
    )
    assert folder_names(
        [one, other], {"mine": other, "old": one.model_copy(update={"protocol": "folds"})}
    ) == [
        "mosi-sentiment-standard-b",
        "mine",
    ]
    assert folder_names([one, other], {"mosi-sentiment-standard": other}) == [
        "mosi-sentiment-standard-b",
        "mosi-sentiment-standard",
    ]


def rows(tmp_path, *models, seeds=range(2)):
    """A board of these models and its source."""
    store = Store(tmp_path / "-".join(map(slug, models)))
    for model in models:
        put(store, 0.5, spec(model), seeds)
    source = StoreSource(store)
    (board,) = collect(source.records(), ())
    return board, score(board, source, Cache(None)), source


def test_rows_whose_names_make_one_file_name_lose_nothing(tmp_path):
    board, scores, source = rows(tmp_path, "a_b", "a-b", "c")
    put_board(tmp_path / "board", board, scores, source)
    assert {r.run_id for r in read(tmp_path / "board").records} == {
        r.run_id for r in source.records()
    }
    files = sorted(p.stem for p in (tmp_path / "board" / "records").iterdir())
    assert (
        [len(f) for f in files] == [12, 12, 1]
        and files[0][:4] == files[1][:4] == "a-b-"
        and files[2] == "c"
    )


def test_what_was_just_written_is_drawn_as_it_is_read(tmp_path):
    written = put_board(tmp_path / "board", *rows(tmp_path, "mult", "merclip"))
    assert site([written]) == site([read(tmp_path / "board")])


def test_a_folder_that_cannot_be_written_leaves_the_old_one(tmp_path):
    put_board(tmp_path / "board", *rows(tmp_path, "a"))
    before = content(tmp_path / "board")
    with pytest.raises(TypeError):
        put_board(tmp_path / "board", *rows(tmp_path, "b"), {"robust": object()})
    assert content(tmp_path / "board") == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "board"]


def test_contributed_rows_lie_beside_those_that_are_there(tmp_path, root):
    path = root / "sample-sentiment-standard"
    before = {r.run_id for r in read(path).records}
    put_board(tmp_path / "new", *rows(tmp_path, "mult", seeds=range(6, 8)), alone=True)
    for file in (*(tmp_path / "new").glob("records/*"), *(tmp_path / "new").glob("predictions/*")):
        file.rename(path / file.relative_to(tmp_path / "new"))
    assert len(read(path).records) == len(before) + 2
    put_board(tmp_path / "again", *rows(tmp_path, "mult", "x"), alone=True)
    for file in (tmp_path / "again").glob("records/mult*"):
        file.rename(path / "records" / f"again-{file.name}")
    with pytest.raises(DataError, match="keep it in one of them"):
        read(path)


def test_the_command_spells_every_setting_out():
    line = command(spec("merclip", "no-x"), [0, 1, 2])
    start = "merbench run --model merclip --dataset sample --task sentiment --protocol standard --modalities text --ablation no-x "
    assert line.startswith(start)
    for words in (
        "--part fusion=decoder",
        "--part head=none",
        "--set fusion.width=64",
        "--set train.lr=0.001",
        "--seeds 3",
    ):
        assert words in line
    assert '\'fusion.order=["text", "audio"]\'' in line
    assert command(spec(), [4]).endswith("--seed 4")


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        (
            "records/mult.json",
            '"seed":0',
            '"seed":1,"seed":0',
            "the key 'seed' stands twice in one object",
        ),
        ("records/mult.json", '"seed":0', '"seed":"0"', "seed: Input should be a valid integer"),
        (
            "records/mult.json",
            '"loss.task.l1": [',
            '"loss.task.l1": [NaN,',
            "NaN is no finite number",
        ),
        ("records/mult.json", '"seconds":1', '"seconds":1e999', "is no finite number"),
        (
            "records/mult.json",
            '"runs": [',
            '"more": 1, "runs": [',
            "the key 'more' is none of packed records",
        ),
        ("records/mult.json", '"kind": "score"', '"kinds": "score"', "space.kind: Field required"),
        (
            "records/mult.json",
            '"tuned_by": null',
            '"tuned_by": {"trials": 3}',
            "tuned_by has no number of seconds",
        ),
        ("rows.json", '"": [', '"": [7, ', "Input should be a valid string"),
        ("rows.json", '"": [', '"": [], "": [', "the key '' stands twice"),
        ("scores.json", '"metric":"mae"', '"metric":1', "metric: Input should be a valid string"),
    ],
)
def test_what_readers_would_take_for_different_things_is_not_read(tmp_path, name, old, new, reason):
    put_board(tmp_path / "board", *rows(tmp_path, "mult"))
    file = tmp_path / "board" / name
    told = file.read_text()
    assert old in told
    file.write_text(told.replace(old, new, 1))
    with pytest.raises(DataError, match=rf"{name} cannot be read: .*{reason}"):
        read(tmp_path / "board")


def test_predictions_lie_once_and_beside_their_records(tmp_path):
    put_board(path := tmp_path / "board", *rows(tmp_path, "mult", "merclip"))
    mine, other = (path / "predictions" / f"{n}.safetensors" for n in ("mult", "merclip"))
    tensors, more = load(mine.read_bytes()), load(other.read_bytes())
    name = min(tensors)
    other.write_bytes(save(more | {name: tensors[name]}))
    with pytest.raises(
        DataError,
        match=rf"merclip.safetensors holds the predictions of run {name}, whose record is in .*mult.json",
    ):
        read(path)
    other.write_bytes(save(more | {"x": tensors[name]}))
    mine.write_bytes(save(tensors | {"x": tensors[name]}))
    with pytest.raises(
        DataError, match=r"predictions of run x stand in .*mult.safetensors and in another file"
    ):
        read(path)
    mine.write_bytes(save({name: np.array(1.0)}))
    with pytest.raises(
        DataError,
        match=rf"mult.safetensors cannot be read: what it holds of run {name} are no rows",
    ):
        read(path)

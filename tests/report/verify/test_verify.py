"""A folder that is what it says passes; each thing that is altered is found, with its file."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from merbench.api import DataError, MetricDef
from merbench.report.folder.packed import pack, unpack
from merbench.report.folder.read import read, tracks
from merbench.report.folder.write import write_scores
from merbench.report.pictures.plots import CREATOR
from merbench.report.pictures.themes import DRAWN_BY
from merbench.report.site.site import site
from merbench.report.verify.board import verify
from merbench.report.verify.drawn_files import verify_index
from merbench.report.verify.scores import rescored
from merbench.report.verify.truth import Truth
from merbench.results.metrics import BUILT_IN
from merbench.results.records.record import Metrics
from tests.report.folder.test_folder import boards
from tests.report.made import content, corpus


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = boards(tmp_path_factory.mktemp("built"))
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def path(tmp_path, built):
    for name, data in built.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path / "sample-sentiment-standard"


def known(changed=None, protocol="standard"):
    data = changed or corpus()
    return Truth(
        data,
        "sentiment",
        protocol,
        lambda streams: content(protocol, streams),
        {},
        {"ridge"},
        {"ridge"},
    )


def failures(path, changed=None, protocol="standard"):
    folder = read(path)
    return {
        (f.file.relative_to(path).as_posix(), f.sentence)
        for f in verify(folder, known(changed, protocol))
    }


@pytest.fixture
def undrawn(monkeypatch):
    """Tables, pictures and pages are taken as they lie there: to draw them takes longer than all
    else.
    """

    def lying(folders, kept):
        return {
            f"{f.path.name}/{p.name}": p.read_bytes()
            for f in folders
            for p in f.path.iterdir()
            if p.suffix not in (".json", "")
        }

    monkeypatch.setattr("merbench.report.verify.board.site", lying)


def retrained(r, **changed):
    return {"spec": r.spec.model_copy(update={"train": r.spec.train.model_copy(update=changed)})}


def alter(path, change, which=0):
    """One run's record, altered."""
    file = path / "records" / "mult.json"
    records = unpack(file.read_bytes())
    records[which] = records[which].model_copy(update=change(records[which]))
    file.write_bytes(pack(records))


def test_a_sound_folder_passes(path):
    assert not failures(path)
    assert not failures(path.parent / "sample-sentiment-folds", protocol="folds")


def test_a_metric_that_came_later_is_no_failure(path):
    added = MetricDef(
        name="worst",
        kinds=("score",),
        title="worst",
        summary="largest error",
        value=lambda y, p: np.abs(y - p).max(),
        higher_is_better=False,
        headline=True,
    )
    truth = dataclasses.replace(known(), registry=BUILT_IN.with_plugins([added]))
    assert "worst" in rescored(read(path), truth).headline
    assert not list(verify(read(path), truth))


def test_a_metric_of_a_plugin_that_is_not_here_is_no_failure(path):
    def told(r):
        return {
            "metrics": Metrics(
                valid=r.metrics.valid | {"ccc": 0.5}, test=r.metrics.test | {"ccc": 0.5}
            )
        }

    alter(path, told)
    folder = read(path)
    facts = folder.scores.metrics | {
        "ccc": dataclasses.replace(folder.scores.metrics["corr"], name="ccc", title="CCC")
    }
    write_scores(path, folder.scores.model_copy(update={"metrics": facts}))
    for name, data in site([read(path)]).items():
        (path.parent / name).write_bytes(data)
    assert "| CCC ↑ |" in (path / "table.md").read_text()
    assert not {sentence for file, sentence in failures(path)}


def test_one_prediction(path, undrawn):
    file = path / "predictions" / "mult.safetensors"
    tensors = load(file.read_bytes())
    first = sorted(tensors)[0]
    tensors[first] = tensors[first].copy()
    tensors[first][7] += np.float32(0.001)
    file.write_bytes(save(tensors))
    ((where, sentence),) = failures(path)
    assert (
        where == "predictions/mult.safetensors"
        and first in sentence
        and "predictions give" in sentence
    )


def test_the_last_bit_of_one_prediction(path, undrawn):
    file = path / "predictions" / "mult.safetensors"
    tensors = {name: array.copy() for name, array in load(file.read_bytes()).items()}
    made = tensors[min(tensors)]
    at = np.abs(made - 0.1).argmin()
    made[at] = np.nextafter(made[at], np.float32(9))
    file.write_bytes(save(tensors))
    ((where, sentence),) = failures(path)
    assert where == "predictions/mult.safetensors" and "predictions give" in sentence


def test_a_run_without_metrics_hides_nothing_of_those_beside_it(path, undrawn):
    file = path / "predictions" / "mult.safetensors"
    tensors = {name: array.copy() for name, array in load(file.read_bytes()).items()}
    undefined, other, *_ = sorted(tensors)
    tensors[undefined][0] = np.nan
    tensors[other][7] += np.float32(0.001)
    file.write_bytes(save(tensors))
    sentences = {sentence for _, sentence in failures(path)}
    assert f"run {undefined}: 1 predictions are not finite" in sentences
    assert any(f"run {other}: its predictions give" in s for s in sentences)
    assert len(sentences) == 2


def test_one_label(path, undrawn):
    task = corpus().tasks["sentiment"]
    target = task.target.copy()
    target[-1] += 0.2
    changed = dataclasses.replace(
        corpus(), tasks={"sentiment": dataclasses.replace(task, target=target)}
    )
    folder = read(path)
    from merbench.data.dataset_hash import revision

    mine = dataclasses.replace(
        known(changed), content=lambda streams: revision(changed, "sentiment", "standard", streams)
    )
    failure, *_ = verify(folder, mine)
    assert failure.file.name == "scores.json" and "labels or splits differ" in failure.sentence
    found = failures(path, changed)
    assert any(where.startswith("predictions/") for where, _ in found), (
        "also where the recorded content is believed"
    )


def test_one_field_of_a_spec(path, undrawn):
    alter(path, lambda r: {"spec": r.spec.model_copy(update={"thresholds": "fixed:0.4"})})
    assert ("records/mult.json", "its id is not that of its spec") in {
        (w, s.split(": ", 1)[-1].split(",")[0]) for w, s in failures(path)
    }


def test_one_seed(path, undrawn):
    alter(path, lambda r: {"seed": 77})
    found = failures(path)
    assert any("its id is not" in s for _, s in found)
    assert any("its seeds are 1, 2, 3, 4, 5, 77" in s for _, s in found)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: {"best_epoch": 2}, "best_epoch is 2, and the best validation epoch is 1"),
        (lambda r: {"reads": ["train", "test", "valid", "trained", "test"]}, "read before the end"),
        (lambda r: {"reads": []}, "read before the end"),
        (
            lambda r: {"counts": {"train": 100, "valid": 20, "test": 59}},
            "its splits have the sizes",
        ),
        (
            lambda r: {
                "seed": 10**9,
                "tuned_by": {"study": "s", "trials": 1, "seconds": 1.0, "seeds_per_trial": 1},
            },
            "tuned with",
        ),
        (lambda r: {"contents": {"data": "0" * 64}}, "content of the streams"),
        (lambda r: {"contents": r.contents | {"vectors:x": "y"}}, "pretrained material"),
        (
            lambda r: {
                "metrics": r.metrics.model_copy(update={"test": r.metrics.test | {"corr": 0.99}})
            },
            "its predictions give corr",
        ),
        (lambda r: {"status": "failed"}, "seed 0 has not finished"),
        (lambda r: {"fold": 3}, "no fold 3"),
        (
            lambda r: {"metrics": r.metrics.model_copy(update={"valid": {"mae": 0.001}})},
            "validation mae is 0.001",
        ),
        (
            lambda r: {"space": r.space.model_copy(update={"words": ["x"] * 7})},
            "its label space is not that of the task",
        ),
        (lambda r: {"thresholds": [0.35]}, "its thresholds are [0.35]"),
        (
            lambda r: {"spec": r.spec.model_copy(update={"allow_leak": True})},
            "says allow_leak=True",
        ),
        (
            lambda r: {"spec": r.spec.model_copy(update={"streams": {"text": "text.gone"}})},
            "reads text.gone, which your",
        ),
        (
            lambda r: {"spec": r.spec.model_copy(update={"protocol": "folds"})},
            "names the protocol folds, and its track standard",
        ),
        (
            lambda r: {"spec": r.spec.model_copy(update={"init_from": "00"})},
            "pretrained material that its track does not name",
        ),
        (
            lambda r: {"spec": r.spec.model_copy(update={"thresholds": "x"})},
            "thresholds 'x' is not known",
        ),
        (
            lambda r: {
                "spec": r.spec.model_copy(update={"stages": [{"name": "main", "settings": 1}]})
            },
            "stages and history cannot be checked: Type",
        ),
        (lambda r: {"schema_number": 2}, "its schema is 2"),
        (
            lambda r: {"history": r.history[:2]},
            "its history of stage main ends after 2 epochs, and its spec trains on: 3, patience 8",
        ),
        (
            lambda r: {"history": [*r.history, r.history[0] | {"epoch": 3}]},
            "epoch 3 of stage main is none that its spec trains",
        ),
        (
            lambda r: {"history": [r.history[0], *r.history[:2]]},
            "epoch 0 of stage main is none that its spec trains",
        ),
        (
            lambda r: retrained(r, epochs=2),
            "epoch 2 of stage main is none that its spec trains: 2 at most, patience 8",
        ),
        (lambda r: retrained(r, select="foo"), "train.select='foo' is no metric of a score task"),
        (
            lambda r: {"history": [*r.history, r.history[0] | {"stage": "more"}]},
            "its history has the stage 'more'",
        ),
        (
            lambda r: {"history": [{"stage": "main", "mae": 1.0}]},
            "an epoch of its history has stage, mae",
        ),
        (lambda r: {"history": [], "best_epoch": None}, "a run of it has no history"),
        (lambda r: {"error": "no memory"}, "it is done, and has an error"),
        (lambda r: {"cost": None}, "it is done, and has no cost"),
        (
            lambda r: {"tuned_by": {"trials": 3, "seconds": 1.0}},
            "its runs name more than one search",
        ),
        (
            lambda r: {
                "metrics": r.metrics.model_copy(update={"valid": {"mae": r.metrics.valid["mae"]}})
            },
            "of test rows are not the same",
        ),
        (
            lambda r: {
                "metrics": r.metrics.model_copy(update={"test": r.metrics.test | {"corr": None}})
            },
            ", and its record says None",
        ),
    ],
)
def test_one_thing_in_a_record(path, undrawn, change, sentence):
    alter(path, change)
    assert any(sentence in told for _, told in failures(path)), failures(path)


def test_one_number_of_a_table_of_the_scores_or_of_a_page(path):
    for name, old, new in (("table.md", "merclip", "merchip"), ("index.html", "mult", "tlum")):
        kept = (path / name).read_text()
        (path / name).write_text(kept.replace(old, new, 1))
        ((where, _),) = failures(path)
        assert where == name
        (path / name).write_text(kept)
    told = json.loads((path / "scores.json").read_text())
    told["rows"]["mult"]["intervals"]["mae"][0] -= 0.01
    (path / "scores.json").write_text(json.dumps(told))
    assert any("rows.mult.intervals.mae[0] is" in s for _, s in failures(path))


def test_a_run_or_its_predictions_that_are_gone(path, undrawn):
    file = path / "records" / "mult.json"
    file.write_bytes(pack(unpack(file.read_bytes())[:-1]))
    found = failures(path)
    assert any("no record of it" in s for _, s in found) and any(
        "its seeds are 0, 1, 2, 3, 4" in s for _, s in found
    )


def test_a_track_that_names_other_streams(path, undrawn):
    for file in (path / "records").glob("*.json"):
        records = [
            r.model_copy(
                update={"track": r.track.model_copy(update={"streams": ["audio.covarep"]})}
            )
            for r in unpack(file.read_bytes())
        ]
        file.write_bytes(pack(records))
    assert any(
        "it reads text.words, which its track does not offer" in s for _, s in failures(path)
    )


def test_a_leak_that_its_track_does_not_name(path, undrawn):
    streams = dict(corpus().streams)
    streams["text.words"] = dataclasses.replace(
        streams["text.words"], fitted_on=np.arange(180) == 179
    )
    leaky = dataclasses.replace(corpus(), streams=streams)
    assert any(
        "reads text.words, which was fitted on labels of rows that are scored" in s
        for _, s in failures(path, leaky)
    )


def test_what_is_no_file_of_a_board_and_what_is_of_another(path, undrawn):
    (path / "more").mkdir()
    (path / "more" / "x.txt").write_text("x")
    (path / "predictions" / "gone.safetensors").write_bytes(save({}))
    (path / "robust.json").write_text('{"lines": [], "curves": {}, "track": {"dataset": "mosi"}}')
    rows = json.loads((path / "rows.json").read_text())
    (path / "rows.json").write_text(json.dumps(rows | {"7": []}))
    found = dict(failures(path))
    assert all(
        "is no file of a board" in found[name]
        for name in ("more/x.txt", "predictions/gone.safetensors")
    )
    assert (
        "of another track" in found["robust.json"]
        and "rows of fold '7'" in found["rows.json"]
        and len(found) == 4
    )


def test_a_score_by_epoch_that_is_a_text_is_named_with_its_file(path):
    alter(path, lambda r: {"history": [*r.history[:2], r.history[2] | {"mae": "x"}]})
    with pytest.raises(DataError, match=r"\.json cannot be read: its history has .* no number"):
        read(path)


def test_records_of_two_tracks_are_told_in_one_sentence(path):
    alter(path, lambda r: {"track": r.track.model_copy(update={"revision": "f" * 64})})
    with pytest.raises(DataError, match="holds records of 2 tracks"):
        rescored(read(path), known())


def test_a_model_that_is_called_a_floor(path, undrawn):
    folder = read(path)
    write_scores(path, rescored(folder, dataclasses.replace(known(), floors={"ridge", "mult"})))
    assert any(
        w == "scores.json" and s.startswith("floors is ['mult', 'ridge']")
        for w, s in failures(path)
    )


def test_one_seed_of_a_floor_whose_labels_each_seed_draws(path, undrawn):
    file = path / "records" / "ridge.json"
    (ridge,) = unpack(file.read_bytes())
    drawn = ridge.spec.model_copy(update={"labels": "keep:0.5"})
    file.write_bytes(pack([ridge.model_copy(update={"spec": drawn})]))
    assert (
        "records/ridge.json",
        "ridge: its seeds are 0, and those of the other rows 0, 1, 2, 3, 4, 5",
    ) in failures(path)


def test_one_seed_that_stands_for_all(path, undrawn):
    file, kept = path / "records" / "mult.json", path / "predictions" / "mult.safetensors"
    records, made = unpack(file.read_bytes()), load(kept.read_bytes())
    best = records[0]
    file.write_bytes(pack([r.model_copy(update={"metrics": best.metrics}) for r in records]))
    kept.write_bytes(save({r.run_id: made[best.run_id] for r in records}))
    assert (
        "records/mult.json",
        "mult: the predictions of seed 5 are those of seed 0",
    ) in failures(path)


def test_seeds_that_were_picked(path, undrawn):
    for file in (path / "records").glob("m*.json"):
        file.write_bytes(pack([r for r in unpack(file.read_bytes()) if r.seed not in (0, 3)]))
        kept = path / "predictions" / file.with_suffix(".safetensors").name
        there = {r.run_id for r in unpack(file.read_bytes())}
        kept.write_bytes(save({k: v for k, v in load(kept.read_bytes()).items() if k in there}))
    assert (
        "records/mult.json",
        "mult: its seeds are 1, 2, 4, 5, and must be all from 0 on",
    ) in failures(path)


def test_pictures_and_the_list_of_boards(path):
    picture, drawn = path / "scores.svg", (path / "scores.svg").read_bytes()
    for changed in (b"<svg>faked</svg>", drawn.replace(b"merclip", b"merchip")):
        picture.write_bytes(changed)
        assert {w for w, _ in failures(path)} == {"scores.svg"}
    picture.write_bytes(drawn.replace(CREATOR.encode(), DRAWN_BY.encode() + b"0.1"))
    assert not failures(path), "another matplotlib draws with other bytes"
    picture.unlink()
    assert {w for w, _ in failures(path)} == {"scores.svg"}
    folders = [read(p) for p in tracks(path.parent)]
    assert not verify_index(path.parent, folders)
    (path.parent / "index.html").write_text("mine wins")
    (path.parent / "board.js").write_text("document.body.textContent = 'mine wins'")
    assert [f.file.name for f in verify_index(path.parent, folders)] == ["index.html", "board.js"]


def test_scores_come_out_the_same(path):
    folder = read(path)
    assert rescored(folder, known()) == folder.scores

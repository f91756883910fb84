"""Exports against the published schema, the hub's own parser and a parser of BibTeX."""

from __future__ import annotations

import json
import re
from hashlib import sha256

import pytest

import merbench as api
from merbench.api import RequestError
from merbench.report.exports.bibtex import _escaped
from merbench.report.exports.hub import to_yaml
from merbench.results.store.store import Store
from tests.conftest import FIXTURES
from tests.report.made import put, record, spec


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A model, a variant of it and a floor on one track, and one model on another."""
    root = tmp_path_factory.mktemp("export") / "runs"
    store = Store(root)
    put(store, 0.5, spec("tfn", dataset="there"), range(3))
    put(store, 0.6, spec("tfn", "no-x", dataset="there"), range(3))
    put(store, 0.9, spec("majority", dataset="there"), range(1))
    alone = record(0, 0.5, spec(dataset="there"))[0].track
    track = alone.model_copy(update={"pretrained": {"vectors:x": "1"}})
    put(store, 0.5, spec('a "b" [c]: #1', dataset="there"), range(2), track=track)
    return root


def test_every_row_is_a_record_of_every_eval_ever(store, tmp_path):
    validators = pytest.importorskip("jsonschema")
    schema = json.loads((FIXTURES / "every_eval_ever.schema.json").read_text())
    files = api.export("every-eval-ever", tmp_path, store)
    assert len(files) == 4
    scores = {}
    for file in files:
        content = json.loads(file.read_text())
        validators.Draft7Validator(schema).validate(content)
        assert re.fullmatch(
            r"data/[^/]+/merbench/[^/]+/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.json",
            file.relative_to(tmp_path).as_posix(),
        )
        mae = content["evaluation_results"][0]
        assert (
            mae["metric_config"]["metric_id"] == "mae" and mae["metric_config"]["lower_is_better"]
        )
        scores[content["model_info"]["name"]] = mae["score_details"]
    table = api.leaderboard(store).boards
    shown = {n: row for _, s in table for n, row in s.rows.items()}
    assert scores.keys() == shown.keys()
    for name, details in scores.items():
        assert details["score"] == shown[name].summary["mae"].mean
        interval = details["uncertainty"]["confidence_interval"]
        assert (interval["lower"], interval["upper"]) == shown[name].intervals["mae"]
    assert api.export("every-eval-ever", tmp_path, store) == files
    broken = {**content, "evaluation_results": [{**mae, "score_details": {}}]}
    assert list(validators.Draft7Validator(schema).iter_errors(broken)), "the schema notices"


def test_single_rows_are_instances_of_every_eval_ever_and_average_to_the_row(store, tmp_path):
    validators = pytest.importorskip("jsonschema")
    schema, instance = (
        validators.Draft7Validator(json.loads((FIXTURES / f"{name}.schema.json").read_text()))
        for name in ("every_eval_ever", "every_eval_ever_instance")
    )
    files = api.export("every-eval-ever", tmp_path, store, rows=True)
    records = [file for file in files if file.suffix == ".json"]
    assert len(files) == 2 * len(records) == 8
    for file in records:
        content = json.loads(file.read_text())
        schema.validate(content)
        of_rows = content["detailed_evaluation_results"]
        data = (tmp_path / of_rows["file_path"]).read_bytes()
        lines = [json.loads(line) for line in data.splitlines()]
        instance.validate(lines[0])
        assert sha256(data).hexdigest() == of_rows["checksum"]
        assert len(lines) == of_rows["total_rows"]
        assert {line["evaluation_id"] for line in lines} == {content["evaluation_id"]}
        mean = sum(line["evaluation"]["score"] for line in lines) / len(lines)
        (mae,) = (
            r for r in content["evaluation_results"] if r["metric_config"]["metric_id"] == "mae"
        )
        assert mean == pytest.approx(mae["score_details"]["score"], rel=1e-5)
        assert mae["evaluation_name"] == lines[0]["evaluation_name"]


def test_where_files_go_is_one_sentence(merbench, store, tmp_path):
    (tmp_path / "file").touch()
    words = ("leaderboard", "export", "--store", str(store), "--format", "bibtex")
    for more, sentence in (
        ((), "say where the files go, such as --out bibtex"),
        (("--out", "file/x"), "file is no folder, so that file/x cannot be one"),
        (("--out", "o", "--rows"), "single rows are no part of the export bibtex"),
    ):
        done = merbench(*words, *more)
        assert done.returncode == 2 and sentence in done.stderr, done.stderr


def test_an_export_replaces_only_what_an_export_wrote(store, tmp_path):
    (bib, *_) = api.export("bibtex", tmp_path / "b", store)
    (tmp_path / bib.name).write_text("mine")
    with pytest.raises(RequestError, match=rf"{bib.name} is in the way, and merbench did not"):
        api.export("bibtex", tmp_path, store)
    assert (tmp_path / bib.name).read_text() == "mine"
    (file, *_) = api.export("hf", tmp_path, store)
    file.write_text("changed")
    assert file in api.export("hf", tmp_path, store) and file.read_text() != "changed"


@pytest.mark.parametrize("form", ["hf", "every-eval-ever", "bibtex"])
def test_boards_exported_one_by_one_are_the_files_of_all_at_once(store, tmp_path, form):
    titles = [board.title for board, _ in api.leaderboard(store).boards]
    for title in titles:
        api.export(form, tmp_path / "one", store, track=title)
    api.export(form, tmp_path / "all", store)
    one, all_at_once = (
        {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        for folder in (tmp_path / "one", tmp_path / "all")
    )
    assert one == all_at_once


def test_the_hub_reads_back_what_is_written(store, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    yaml = pytest.importorskip("yaml")
    files = api.export("hf", tmp_path, store, hub_dataset="me/there")
    cards = [file for file in files if file.name == "README.md"]
    means = {}
    for file in cards:
        card = hub.ModelCard.load(file)
        results = {result.metric_type: result for result in card.data.eval_results}
        assert results["mae"].dataset_split == "test" and results["mae"].dataset_type == "there"
        means[card.data.model_name] = results["mae"].metric_value
    rows = {n: row for _, s in api.leaderboard(store).boards for n, row in s.rows.items()}
    assert means == {name: row.summary["mae"].mean for name, row in rows.items()}
    entries = [file for file in files if file.parent.name == ".eval_results"]
    assert len(entries) == len(cards)
    for file in entries:
        (entry,) = hub.parse_eval_result_entries(yaml.safe_load(file.read_text()))
        assert entry.dataset_id == "me/there" and entry.task_id == "sentiment"
        assert entry.value in means.values() and entry.notes.startswith("MAE, mean over ")


def test_bibtex_names_each_board_and_outside_sources(store, tmp_path, home):
    files = api.export("bibtex", tmp_path, store)
    text = "\n".join(file.read_text() for file in files)
    keys = re.findall(r"^@misc\{([^,]+),$", text, re.MULTILINE)
    assert len(keys) == len(set(keys)) == len(files) == 2 and all(
        key.startswith("merbench-there") for key in keys
    )
    assert text.count("{") == text.count("}")

    corpus = api.load_dataset("tiny", home)
    ids = corpus.ids[corpus.protocols["standard"].splits[0].test].tolist()
    (tmp_path / "p.csv").write_text("\n".join(["id,score", *(f"{i},0.5" for i in ids)]))
    about = {"source": "https://example.org/a_b", "date": "2025-03-01", "licence": "MIT"}
    api.score(tmp_path / "p.csv", "tiny", "x_1", data=home, store=tmp_path / "s", about=about)
    (file,) = api.export("bibtex", tmp_path / "o", tmp_path / "s")
    text = file.read_text()
    assert r"howpublished = {https://example.org/a\_b}" in text and "year = {2025}" in text
    assert r"title = {x\_1: predictions of tiny" in text


def test_bibtex_names_the_newest_version_by_its_numbers(tmp_path):
    store = Store(tmp_path / "runs")
    for model, version in (("tfn", "0.10.0"), ("lmf", "0.9.0")):
        put(store, 0.5, spec(model), range(1), provenance={"merbench": version})
    (file,) = api.export("bibtex", tmp_path / "out", store.root)
    assert "version = {0.10.0}" in file.read_text()


def test_the_command_exports_what_is_asked_for(merbench, store, tmp_path):
    words = ("leaderboard", "export", "--store", str(store), "--out", "o")
    told = merbench(*words, "--format", "hf", "--track", "· x", check=True).stderr
    assert "o: 1 file\n" in told
    done = merbench(*words, "--format", "bibtex", "--hub-dataset", "a/b")
    assert done.returncode == 2 and "has no effect on the export bibtex" in done.stderr
    with pytest.raises(RequestError, match="export\\(form='csv'\\): give 'hf'"):
        api.export("csv", tmp_path, store)


def test_a_hub_data_set_takes_scores_of_one_data_set_alone(store, tmp_path):
    two = Store(tmp_path / "two")
    put(two, 0.5, spec(dataset="there"), range(1))
    put(two, 0.5, spec(dataset="here"), range(1))
    with pytest.raises(RequestError, match=r"these boards are of here, there; choose .* --dataset"):
        api.export("hf", tmp_path / "o", two.root, hub_dataset="me/there")
    with pytest.raises(RequestError, match="'there' is no data set of the hub; name it OWNER/NAME"):
        api.export("hf", tmp_path / "o", store, hub_dataset="there")
    assert not (tmp_path / "o").exists()


def test_yaml_and_bibtex_keep_any_text():
    yaml = pytest.importorskip("yaml")
    value = {"a": [{"b": 'x: "y" # z\n', "c": None}, {"d": [1, 2.5, True]}], "e": "– ü"}
    assert yaml.safe_load(to_yaml(value)) == value
    numbers = {"a": 1e-05, "b": -2e20, "c": 1.5e-07, "d": 0.25, "e": 3.0}
    assert yaml.safe_load(to_yaml(numbers)) == numbers
    assert _escaped("50 % of a_b & {c}") == r"50 \% of a\_b \& \{c\}"


def test_braces_around_a_text_of_others_do_not_make_it_tex():
    assert _escaped(r"{\input{x}}") == r"\{\textbackslash{}input\{x\}\}"


@pytest.mark.parametrize("form", ["hf", "every-eval-ever", "bibtex"])
def test_control_characters_of_others_are_spelled_out(form, tmp_path):
    yaml = pytest.importorskip("yaml")
    store = Store(tmp_path / "runs")
    put(store, 0.5, spec("tfn\x1b[2J\x9b\u202e", dataset="there\x1b[2J\x7f"), range(1))
    (file,) = api.export(form, tmp_path / "out", store.root)
    text = file.read_text()
    assert text.replace("\n", "").isprintable() and "2J" in text
    if form == "hf":
        (model,) = yaml.safe_load(text.split("---\n")[1])["model-index"]
        assert model["name"] == "tfn\x1b[2J\x9b\u202e"

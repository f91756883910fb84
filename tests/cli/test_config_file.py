"""Options from a file."""

from __future__ import annotations

import tomllib
from typing import Any

import click
import pytest

from merbench.cli.shared.config_file import ConfigCommand, _as_toml
from merbench.cli.shared.request import gather
from merbench.cli.shared.run_options import run_options
from tests.conftest import loads
from tests.tiny_runs import SAMPLE


def test_a_saved_file_gives_the_same_run_and_the_command_line_goes_before(merbench, tmp_path):
    words = ("run", "--model", "tfn", "--no-products", "--dataset", SAMPLE, "--epochs", "1",
             "--set", "train.lr=5e-4", "--seed", "3", "--json")  # fmt: skip
    first = merbench(*words, "--save-config", "run.toml", check=True)
    assert "wrote run.toml" in first.stderr
    saved = tomllib.loads((tmp_path / "run.toml").read_text())
    assert saved["model"] == "tfn" and saved["ablation"] == ["no-products"] and saved["seed"] == [3]
    again = merbench("run", "--config", "run.toml", check=True)
    (record,), (wanted,) = loads(again.stdout)["runs"], loads(first.stdout)["runs"]
    assert record["run_id"] == wanted["run_id"] and "taken from the store" in again.stderr
    other = merbench("run", "--config", "run.toml", "--seed", "4", check=True)
    assert [r["seed"] for r in loads(other.stdout)["runs"]] == [4]


def test_settings_may_be_a_table(merbench, tmp_path):
    text = f'model = "tfn"\ndataset = "{SAMPLE}"\nset = {{ train = {{ lr = 5e-4, epochs = 1 }} }}\nseeds = 1\njson = true'
    (tmp_path / "a.toml").write_text(text)
    (record,) = loads(merbench("run", "--config", "a.toml", check=True).stdout)["runs"]
    assert record["spec"]["train"]["lr"] == 5e-4 and record["spec"]["train"]["epochs"] == 1


def test_a_setting_of_the_command_line_leaves_the_others_of_the_file(merbench, tmp_path):
    text = f'model = "tfn"\ndataset = "{SAMPLE}"\nepochs = 1\nseeds = 1\njson = true'
    (tmp_path / "a.toml").write_text(f"{text}\nset = {{ train.lr = 5e-4, fusion.hidden = 16 }}")
    words = ("run", "--config", "a.toml", "--set", "train.lr=1e-4", "--save-config", "b.toml")
    (record,) = loads(merbench(*words, check=True).stdout)["runs"]
    spec = record["spec"]
    assert (spec["train"]["lr"], spec["parts"]["fusion"]["config"]["hidden"]) == (1e-4, 16)
    saved = tomllib.loads((tmp_path / "b.toml").read_text())
    assert saved["set"] == ["fusion.hidden=16", "train.lr=1e-4"]


@pytest.mark.parametrize("words", [("--no-full-product",), ("--ablation", "no-full-product")])
def test_ablations_of_the_command_line_go_before_those_of_the_file(merbench, tmp_path, words):
    text = f'model = "tfn"\ndataset = "{SAMPLE}"\nepochs = 1\nseeds = 1\njson = true'
    (tmp_path / "a.toml").write_text(f'{text}\nablation = ["no-products"]')
    report = merbench("ablate", "--config", "a.toml", *words, "--save-config", "b.toml", check=True)
    assert [v["name"] for v in loads(report.stdout)["ablations"]] == ["no-full-product"]
    assert tomllib.loads((tmp_path / "b.toml").read_text())["ablation"] == ["no-full-product"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("modle = 'tfn'", "'modle' is no option; did you mean 'model'"),
        ("model = ['tfn']", "model takes one value"),
        ("set = 3", "set takes a list"),
        ("json = 'yes'", "json is true or false"),
        ("json = 1", "json is true or false"),
        ("seeds = 1979-05-27", "seeds takes texts and numbers, and no date"),
        ("seeds = true", "a.toml: seeds: "),
        ("seeds = 1.5", "a.toml: seeds: "),
        ("seed = [[1]]", "seed takes texts and numbers, and no list"),
        ("seed = [1, {}]", "seed takes texts and numbers, and no dict"),
        ("set = { train = { lr = 1979-05-27 } }", "set holds a date"),
        ("set = { train.lr = 1, 'train.lr' = 2 }", "set: train.lr is given twice; give it once"),
        ("device = 3", "a.toml: device: "),
        (f"set.{'a.' * 300}b = 1", "a.toml is not TOML (its tables are nested deeper than 50"),
        ("seeds = 'ten'", "a.toml: seeds: "),
        ("model = ", "a.toml is not TOML"),
    ],
)
def test_what_is_wrong_ends_with_2_in_one_sentence(merbench, tmp_path, text, sentence):
    (tmp_path / "a.toml").write_text(text)
    result = merbench("run", "--config", "a.toml")
    assert result.returncode == 2 and not result.stdout and "Traceback" not in result.stderr
    assert sentence in result.stderr


def test_a_file_that_is_not_there(merbench):
    result = merbench("run", "--config", "nowhere.toml")
    assert (
        result.returncode == 2
        and "nowhere.toml" in result.stderr
        and "Traceback" not in result.stderr
    )


@click.command(cls=ConfigCommand)
@run_options
def command(**typed: Any) -> None:
    pass


@pytest.mark.parametrize(
    ("text", "words", "settings"),
    [
        ("epochs = 5", ("--set", "train.epochs=3"), {"train.epochs": 3}),
        ("set = { train.epochs = 5 }", ("--epochs", "3"), {"train.epochs": 3}),
        ("set = { fusion = 'tfn' }", ("--part", "fusion=mult"), {"fusion": "mult"}),
        ("part = { fusion = 'tfn' }", ("--set", "fusion=mult"), {"fusion": "mult"}),
        (
            "set = { label_encoder = 'label-table' }",
            ("--part", "label-encoder=none"),
            {"label_encoder": None},
        ),
        (
            "set = { encoder.text = 'word-bilstm', train.lr = 1 }",
            ("--encoder", "text=word-vectors"),
            {"encoder.text": "word-vectors", "train.lr": 1},
        ),
        (
            "set = { train.lr_factors = { 'fusion.' = 2 } }",
            (),
            {"train.lr_factors": {"fusion.": 2}},
        ),
    ],
)
def test_the_command_line_goes_before_the_file_whichever_option_says_it(
    tmp_path, text, words, settings
):
    (tmp_path / "a.toml").write_text(text)
    context = command.make_context("run", ["--config", str(tmp_path / "a.toml"), *words])
    assert gather((), **context.params).request.settings == settings


@pytest.mark.parametrize(
    ("text", "words", "seeds"),
    [
        ("seeds = 3", ("--seed", "7"), (7,)),
        ("seed = [7]", ("--seeds", "2"), (0, 1)),
        ("seed = [7]", (), (7,)),
    ],
)
def test_seeds_of_the_command_line_go_before_those_of_the_file(tmp_path, text, words, seeds):
    (tmp_path / "a.toml").write_text(text)
    context = command.make_context("run", ["--config", str(tmp_path / "a.toml"), *words])
    assert gather((), **context.params).seeds == seeds
    assert "null" not in _as_toml(context)

"""A data set's own settings, and data sets that wrap others."""

import dataclasses

import pytest

from merbench.api import Component, Config, RequestError
from merbench.engine.plan.datasets import open_dataset, with_settings
from merbench.host.catalog import Catalog, Plugin
from merbench.testing import tiny
from merbench.testing.checks import check_plugin

SMALL = "sample:test=5,train=9,valid=4"


def test_settings_are_part_of_the_name(catalog):
    settings = {"dataset.valid": 4, "train.lr": 0.1, "dataset.train": 9, "dataset.test": 5}
    assert with_settings("sample", settings) == (SMALL, {"train.lr": 0.1})
    assert with_settings(None, {"train.lr": 1}) == (None, {"train.lr": 1})
    corpus = open_dataset(catalog, SMALL, [])
    split = corpus.protocols["standard"].splits[0]
    assert (len(split.train), len(split.valid), len(split.test)) == (9, 4, 5)
    assert corpus.name == SMALL
    assert open_dataset(catalog, "sample:valid=4,train=9,test=5", []).name == SMALL
    assert with_settings("sample:train=9,valid=4", {"dataset.test": 5})[0] == SMALL


def test_equal_settings_are_one_name(catalog):
    usual = catalog.load(catalog.component("dataset", "sample")).Config()
    again = f"{SMALL},flip={usual.flip},seed={usual.seed}"
    assert open_dataset(catalog, again, []).name == SMALL
    assert open_dataset(catalog, f"sample:train={usual.train}", []).name == "sample"
    written = {open_dataset(catalog, f"{SMALL},flip={flip}", []).name for flip in (".2", "2e-1")}
    assert written == {"sample:flip=0.2,test=5,train=9,valid=4"}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("sample:trian=9", "unknown setting 'dataset.trian'; did you mean 'dataset.train'"),
        ("sample:train=0", "dataset.train=0 does not fit dataset sample"),
        ("sample:train", "'train' is not of the form KEY=VALUE"),
        ("mosi:seed=1", "data set mosi is read from a folder and has no settings"),
        ("smaple:seed=1", "unknown dataset 'smaple'; did you mean 'sample'"),
    ],
)
def test_what_does_not_fit_is_one_sentence(name, sentence, catalog):
    with pytest.raises(RequestError, match=sentence):
        open_dataset(catalog, name, [])
    with pytest.raises(RequestError, match="stands in its name, such as sample:seed=1"):
        with_settings(None, {"dataset.seed": 1})


def test_two_values_of_one_setting_are_refused(catalog):
    twice = with_settings("sample:seed=2,train=9", {"dataset.seed": 1})[0]
    with pytest.raises(RequestError, match=r"dataset.seed is 1 and 2 by .* leave one of"):
        open_dataset(catalog, twice, [])
    same = with_settings("sample:seed=1,train=9", {"dataset.seed": 1})[0]
    assert open_dataset(catalog, same, []).name == "sample:seed=1,train=9"


class Plain:
    def __init__(self, config):
        pass

    def load(self):
        return tiny.corpus("score")


class Half:
    """A wrapper: as many rows of another data set as are asked for, under other videos."""

    class Config(Config):
        of: str = "plain"

    def __init__(self, config):
        self.config = config

    def load(self, open_dataset):
        corpus = open_dataset(self.config.of)
        return dataclasses.replace(corpus, name="half", notes=(f"half of {corpus.name}",))


def test_a_data_set_may_wrap_another():
    factories = {"plain": Plain, "half": Half}
    parts = tuple(
        Component(kind="dataset", name=name, summary="", target=f"{__name__}:It")
        for name in factories
    )
    catalog = Catalog([Plugin("plug", "dist", "1", parts)])
    catalog.load = lambda component: factories[component.name]
    assert Plain(None).load().name == "tiny"  # the factory's own word for it
    assert open_dataset(catalog, "plain", []).name == "plain"
    assert open_dataset(catalog, "half", []).notes == ("half of plain",)
    assert [verdict.status for verdict in check_plugin(catalog, "half")] == ["passed"]
    assert open_dataset(catalog, "half:of=plain", []).name == "half"
    assert open_dataset(catalog, "half:of=half", []).name == "half:of=half"
    with pytest.raises(RequestError, match="unknown dataset 'nothing'"):
        open_dataset(catalog, "half:of=nothing", [])


def test_a_run_with_settings_and_its_packages(merbench, tmp_path):
    words = ("--dataset", "sample", "--model", "majority", "--seeds", "1", "--store", str(tmp_path))
    small = [w for k in ("train=9", "valid=4", "test=5") for w in ("--set", f"dataset.{k}")]
    for _ in range(2):
        result = merbench("run", *words, *small, check=True)
    assert "taken from the store" in result.stderr
    board = merbench("leaderboard", "--store", str(tmp_path), check=True)
    assert SMALL in board.stdout

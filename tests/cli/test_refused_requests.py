"""A request that is refused leaves nothing behind, however late it is refused."""

from __future__ import annotations

import pytest

TINY = ("--dataset", "tiny", "--data", "data", "--epochs", "1")
WRONG = ("--model", "mult", "--set", "fusion.heads=7", "--set", "fusion.width=16")
"""Known when the model is built: 16 is no multiple of 7."""


def content(folder):
    """But for caches."""
    paths = (path.relative_to(folder) for path in folder.rglob("*"))
    return {str(path) for path in paths if path.parts[0] not in ("cache", "share")}


@pytest.mark.parametrize(
    "words",
    [
        ("run", *WRONG, *TINY, "--save-config", "run.toml", "--log", "tensorboard=logs"),
        ("run", *WRONG, *TINY, "--jobs", "2", "--store", "a/b"),
        ("run", *WRONG, *TINY, "--set", "train.stack=true"),
        ("predict", "data/tiny", *WRONG, *TINY),
        ("robust", *WRONG, *TINY, "--plot", "plot.svg"),
        ("tune", *WRONG, *TINY[:4], "--plots", "plots"),
    ],
    ids=" ".join,
)
def test_what_is_refused_when_the_model_is_built_leaves_nothing(merbench, home, tmp_path, words):
    if "--log" in words:
        pytest.importorskip("tensorboard")
    before = content(tmp_path)
    result = merbench(*words)
    assert result.returncode == 2 and "no multiple of fusion.heads=7" in result.stderr
    assert content(tmp_path) == before


def test_what_is_there_stays_where_it_is(merbench, home, tmp_path):
    (tmp_path / "runs").mkdir()
    assert merbench("run", *WRONG, *TINY).returncode == 2
    assert not list((tmp_path / "runs").iterdir())
    merbench("run", "--model", "majority", *TINY[:4], check=True)
    before = content(tmp_path)
    assert merbench("run", *WRONG, *TINY).returncode == 2
    assert content(tmp_path) | {"runs/claims"} == before


def test_a_source_that_is_refused_leaves_no_data_home(merbench, home, tmp_path):
    before = content(tmp_path)
    words = ("--name", "mine", "data/tiny", "--without", "nope", "--data", "new/home")
    result = merbench("data", "add", *words)
    assert result.returncode == 2 and "the source has no stream 'nope'" in result.stderr
    assert content(tmp_path) == before


@pytest.mark.parametrize("place", ["data", "data/tiny/label.csv/run.toml"])
def test_a_file_that_cannot_be_written_is_reported_before_training(merbench, home, place):
    for option, words in (
        ("--save-config", ("run", "--model", "tfn")),
        ("--plot", ("robust", "--model", "tfn")),
    ):
        result = merbench(*words, *TINY, option, place)
        assert result.returncode == 2 and place in result.stderr and "tfn" not in result.stderr


def test_curves_that_nobody_asked_for_are_refused_before_training(merbench, home, tmp_path):
    words = ("robust", "--model", "tfn", *TINY, "--corrupt", "audio=drop", "--plot", "plot.svg")
    before = content(tmp_path)
    result = merbench(*words)
    assert result.returncode == 2 and "two strengths or more" in result.stderr
    assert content(tmp_path) == before


def test_options_of_a_run_that_fails_are_saved(merbench, home, tmp_path):
    words = ("--set", "train.lr=1e30", "--set", "train.clip_norm=0", "--set", "train.batch_size=4")
    result = merbench(
        "run", "--model", "late-fusion-dnn", *TINY, *words, "--save-config", "run.toml"
    )
    assert result.returncode == 1 and (tmp_path / "run.toml").exists()


SEARCHED = """
models = ["late-fusion-dnn", { name = "mult", modalities = %s }]
seeds = 1
floors = false
tune.trials = 2
[[tracks]]
dataset = "tiny"
"""


def test_whoever_asks_how_far_a_study_is_begins_no_search(merbench, home, tmp_path):
    (tmp_path / "study.toml").write_text(SEARCHED % '["audio", "video"]')
    (tmp_path / "wrong.toml").write_text(SEARCHED % '["audio"]')
    before = content(tmp_path)
    result = merbench("study", "status", "study.toml", "--data", "data", check=True)
    assert "2 waiting" in result.stderr + result.stdout
    merbench("study", "run", "study.toml", "--data", "data", "--dry-run", check=True)
    result = merbench("study", "run", "wrong.toml", "--data", "data")
    assert result.returncode == 2 and "mult needs at least 2 modalities" in result.stderr
    assert content(tmp_path) == before

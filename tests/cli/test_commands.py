"""The commands as a user calls them."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pandas as pd
import pytest

from merbench.api.declarations.component import COMPONENT_KINDS
from tests.conftest import loads
from tests.tiny_runs import SAMPLE

QUICK = ("--dataset", SAMPLE, "--epochs", "1")


@pytest.fixture(scope="module")
def two_seeds(program, tmp_path_factory):
    """A store with two seeds of late-fusion-dnn and the floors."""
    folder = tmp_path_factory.mktemp("two-seeds")
    program(folder)("run", "--model", "late-fusion-dnn", *QUICK, "--seeds", "2", check=True)
    return folder / "runs"


@pytest.fixture
def with_two_seeds(two_seeds, tmp_path):
    """The same in the folder where ``merbench`` is called."""
    shutil.copytree(two_seeds, tmp_path / "runs")


def test_run_prints_one_object_and_a_second_call_does_nothing_but_print_it(merbench):
    words = ("run", "--model", "late-fusion-dnn", *QUICK, "--seeds", "2", "--json")
    first, second = merbench(*words, check=True), merbench(*words, check=True)
    assert first.stdout == second.stdout
    assert "2 runs taken from the store" in second.stderr
    printed = loads(first.stdout)
    assert set(printed) == {"track", "runs", "summary", "floors", "best_possible"}
    assert printed["floors"]["ridge"]["mae"]["n"] == 1 and "nothing" in printed["best_possible"]
    values = [r["metrics"]["test"]["mae"] for r in printed["runs"]]
    assert printed["summary"]["mae"] == {
        "mean": pytest.approx(np.mean(values)),
        "sd": pytest.approx(np.std(values, ddof=1)),
        "n": 2,
    }
    assert all(
        {"run_id", "seed", "metrics"} <= set(r) and set(r["metrics"]) == {"valid", "test"}
        for r in printed["runs"]
    )


def test_the_default_data_set_is_named_with_the_reason(merbench):
    result = merbench("run", "--model", "majority", "--seeds", "1", check=True)
    assert result.stderr.startswith("dataset sample: no MOSI here")
    for word in ("majority", "MAE", "Acc-2 has0 / non0", "best possible", "text + audio + video"):
        assert word in result.stdout


def test_a_closed_form_is_run_once(merbench):
    words = ("run", "--model", "majority", *QUICK[:2], "--seeds", "3", "--json")
    result = merbench(*words, check=True)
    assert "seed 0 alone is run" in result.stderr and [
        run["seed"] for run in loads(result.stdout)["runs"]
    ] == [0]


def test_a_closed_form_and_its_floors_are_run_for_each_seed_that_draws_other_train_rows(merbench):
    words = ("run", "--model", "ridge", *QUICK[:2], "--seeds", "2", "--json")
    for policy in (("--task", "emotions", "--labels", "keep:0.5"), ("--missing", "audio=0.5")):
        result = loads(merbench(*words, *policy, check=True).stdout)
        assert [run["seed"] for run in result["runs"]] == [0, 1]
        one, other = (run["metrics"] for run in result["runs"])
        assert one != other
        metric = next(iter(result["summary"]))
        assert {scores[metric]["n"] for scores in result["floors"].values()} == {2}


def test_a_closed_form_goes_on_from_the_one_run_that_there_is(merbench):
    words = ("run", "--model", "tfidf-ridge", *QUICK[:2], "--json")
    (first,) = loads(merbench(*words, check=True).stdout)["runs"]
    (more,) = loads(merbench(*words, "--init-from", first["run_id"], check=True).stdout)["runs"]
    assert more["spec"]["init_from"] and more["run_id"] != first["run_id"]


def test_a_data_set_that_is_not_there_tells_what_to_do(merbench, tmp_path):
    result = merbench(
        "run",
        "--model",
        "majority",
        "--dataset",
        "mosi",
        env={"MERBENCH_DATA": str(tmp_path / "nowhere")},
    )
    assert result.returncode == 2 and not result.stdout
    for word in ("nowhere", "mosi", "--dataset sample"):
        assert word in result.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("rnu", "--model", "merclip"), "unknown command 'rnu'; did you mean 'run'?"),
        (("run", "--model", "merclup"), "did you mean 'merclip'"),
        (("run", "--set", "fusion.widht=3", *QUICK), "did you mean 'fusion.width'"),
        (("run", "--set", "nonsense", *QUICK), "KEY=VALUE"),
        (("run", "--part", "encoder=x", *QUICK), "--encoder"),
        (("run", "--encoder", "smell=x", *QUICK), "MODALITY=NAME"),
        (
            ("run", "--model", "text-only", "--encoder", "audio=log-mel", *QUICK),
            "error: --encoder audio=log-mel: encoder.audio does not fit",
        ),
        (("run", "--modalities", "text,smell", *QUICK), "unknown modality 'smell'"),
        (("run", "--no-lable-encoder", *QUICK), "did you mean '--no-label-encoder' or "),
        (("run", "--no-weight", *QUICK), "did you mean '--no-weights'?"),
        (
            ("ablate", "--model", "text-ensemble", "--no-such", *QUICK),
            "unknown ablation 'no-such' of text-ensemble; there are: --ablation one-member",
        ),
        (
            ("robust", "--model", "text-ensemble,text-only", "--no-such", *QUICK),
            "'no-such' of text-ensemble,text-only; there are: --ablation one-member",
        ),
        (
            ("tune", "--ablation", "label-radnom", *QUICK[:2]),
            "did you mean '--ablation label-random'",
        ),
        (("run", "tfn"), "unexpected argument 'tfn'; it is named with --model tfn"),
        (("tune", "sample"), "unexpected argument 'sample'; it is named with --dataset sample"),
        (("ablate", "tfn2"), "unexpected argument 'tfn2'"),
        (("run", "--set", "train.lr", "1e-3"), "did you mean --set train.lr=1e-3?"),
        (("robust", "--batch-size", "8"), "it is --set train.batch_size=VALUE"),
        (("run", "--fusion", "mult"), "it is --part fusion=NAME"),
        (("tune", "--label-encoder", "label-hf"), "it is --part label-encoder=NAME"),
        (("run", "--model", "tfn,mult", *QUICK), "one model is asked for here"),
        (("run", "--model", "TFN", *QUICK), "did you mean 'tfn'"),
        (("run", "--encoder", "text=tfn", *QUICK), "a component of kind fusion has that name"),
        (("run", "--set", "train.learning_rate=1", *QUICK), "there are: train.accumulate, "),
        (("run", "--seeds", "0,1", *QUICK), "0,1 are several; name each, --seed 0 --seed 1"),
        (("study", "S.toml"), "unknown command 'S.toml'; there are: run, status"),
        (("run", "--seeds", "2", "--seed", "1", *QUICK), "exclude each other"),
        (("run", "--epochs", "0", *QUICK[:2]), "--epochs"),
        (("run", "--seed", "1000000000", *QUICK), "999999999"),
        (("run", "--dataset", "mosl"), "unknown dataset 'mosl'"),
        (("run", "--dataset", "mosl", "--data", "nowhere"), "nowhere (which is no folder)"),
        (
            ("run", "--thresholds", "fixed:0.3", *QUICK),
            "--thresholds fixed:0.3 has no effect on task sentiment",
        ),
        (("run", "--modalities", "", *QUICK), "unknown modality ''"),
        (("run", "--set", "lr=1e-3", *QUICK), "did you mean 'train.lr'?"),
        (
            ("run", "--set", "nonsense.lr2=1", *QUICK),
            "fusion, head, label_encoder, objective.task, stage.main, train",
        ),
        (
            ("--no-plugin", "mercliq", "list", "models"),
            "--no-plugin mercliq: no such plugin is installed",
        ),
        (("run", "--model", "mult", "--modalities", "text", *QUICK), "at least 2 modalities"),
        (("ablate", "--ablation", "no-labels", *QUICK), "unknown ablation 'no-labels'"),
        (("ablate", "--model", "majority", *QUICK), "declares no ablations"),
        (("leaderboard",), "merbench run"),
        (("data", "show", "smaple"), "did you mean 'sample'"),
        (("tune", "--plots", "file", *QUICK), "Directory 'file' is a file"),
        (("leaderboard", "build", "--out", "file"), "Directory 'file' is a file"),
        (("plugins", "check", "mercliq"), "did you mean 'merclip'"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_exit_code_2(merbench, words, sentence, tmp_path):
    (tmp_path / "file").touch()
    result = merbench(*words)
    assert result.returncode == 2, result.stderr
    assert sentence in result.stderr and "Traceback" not in result.stderr
    assert not result.stdout


def test_progress_tells_the_subsets_of_one_model_apart(merbench):
    progress = merbench(
        "ablate",
        "--model",
        "ridge",
        *QUICK[:2],
        "--modalities",
        "all-subsets",
        "--json",
        check=True,
    ).stderr
    for name in ("ridge", "ridge text", "ridge audio+video"):
        assert f"{name} · seed 0 · " in progress


def test_a_failed_run_is_exit_code_1(merbench):
    result = merbench(
        "run",
        "--model",
        "tfn",
        *QUICK,
        "--seeds",
        "1",
        "--set",
        "train.lr=1e30",
        "--set",
        "train.clip_norm=0",
        "--json",
    )
    assert result.returncode == 1, result.stderr
    (record,) = loads(result.stdout)["runs"]
    assert record["status"] == "failed" and "not finite" in record["error"]
    assert f"failed: tfn · seed 0: {record['error']}" in result.stderr


def test_a_file_that_cannot_be_written_is_one_sentence(merbench, tmp_path):
    (tmp_path / "file").touch()
    merbench("run", "--model", "majority", *QUICK[:2], check=True)
    result = merbench("leaderboard", "build", "--out", "file/boards")
    assert result.returncode == 2
    sentence = result.stderr.splitlines()[-1]
    assert (
        sentence.startswith("error: file is no folder, so that file/boards")
        and "choose" in sentence
    ), sentence


def test_a_read_only_store_is_told_before_training(merbench, tmp_path):
    (tmp_path / "store").write_text("a file, not a folder")
    result = merbench("run", "--model", "majority", *QUICK[:2], "--store", str(tmp_path / "store"))
    assert result.returncode == 2 and "--store DIR" in result.stderr


def test_ablate_compares_in_pairs(merbench):
    words = (
        "ablate",
        "--model",
        "tfn",
        *QUICK,
        "--seeds",
        "2",
        "--ablation",
        "no-products",
        "--no-full-product",
        "--json",
    )
    report = loads(merbench(*words, check=True).stdout)
    assert [v["name"] for v in report["ablations"]] == ["no-products", "no-full-product"]
    for ablation in report["ablations"]:
        d = ablation["difference"]["mae"]
        assert d["mean"] == pytest.approx(
            ablation["summary"]["mae"]["mean"] - report["base"]["mae"]["mean"]
        )
        assert d["low"] <= d["mean"] <= d["high"] and 0 < d["p"] <= d["p_adjusted"] <= 1
        assert not d["significant"], "two seeds cannot be significant"


def test_leaderboard_in_three_forms(merbench, with_two_seeds):
    text = merbench("leaderboard", check=True).stdout
    assert "late-fusion-dnn" in text and "ridge (floor)" in text and "±" in text
    assert (
        "| late-fusion-dnn | 1 | 2 |"
        in merbench("leaderboard", "--format", "md", check=True).stdout
    )
    result = merbench("leaderboard", "--format", "csv", "--dataset", SAMPLE, check=True)
    frame = pd.read_csv(io.StringIO(result.stdout)).set_index("model")
    assert frame["mae_sd"]["late-fusion-dnn"] > 0 and frame["group"]["ridge"] == "floors"
    assert frame["track"].nunique() == 1
    assert merbench("leaderboard", "--dataset", "mosi").returncode == 2
    result = merbench("leaderboard", "--format", "csv", "--intervals")
    assert result.returncode == 2 and "leave --intervals out" in result.stderr


def test_a_board_is_built_verified_and_contributed(merbench, with_two_seeds, tmp_path):
    assert "1 board" in merbench("leaderboard", "build", "--out", "boards", check=True).stderr
    before = {p: p.read_bytes() for p in (tmp_path / "boards").rglob("*") if p.is_file()}
    merbench("leaderboard", "build", "--out", "boards", check=True)
    merbench("leaderboard", "render", "boards", "--rescore", check=True)
    assert {p: p.read_bytes() for p in (tmp_path / "boards").rglob("*") if p.is_file()} == before
    assert "nothing wrong" in merbench("leaderboard", "verify", "boards", check=True).stderr
    assert "late-fusion-dnn" in merbench("leaderboard", "--boards", "boards", check=True).stdout
    assert "<table" in merbench("leaderboard", "--format", "html", check=True).stdout
    (record,) = (tmp_path / "boards").glob("*/records/late-fusion-dnn.json")
    scores = loads((record.parents[1] / "scores.json").read_text())
    assert "text + audio + video" in scores["optimum"], "also of a data set with settings"
    record.write_text(record.read_text().replace('"seed":1', '"seed":5'))
    wrong = merbench("leaderboard", "verify", "boards")
    assert (
        wrong.returncode == 1 and f"{record}: run".replace(str(tmp_path) + "/", "") in wrong.stdout
    )
    merbench("leaderboard", "submit", "late-fusion-dnn", "--out", "mine", check=True)
    assert "pull" in (tmp_path / "mine" / "README.md").read_text()
    assert "nothing wrong" in merbench("leaderboard", "verify", "mine", check=True).stderr
    again = merbench("leaderboard", "submit", "late-fusion", "--out", "other")
    assert again.returncode == 2 and "did you mean 'late-fusion-dnn'" in again.stderr


def test_doctor_says_what_is_missing_and_what_to_do(merbench):
    rows = {r["what"]: r for r in loads(merbench("doctor", "--json", check=True).stdout)}
    assert rows["torch"]["ok"] and rows["plugin merclip"]["ok"] and rows["store"]["ok"]
    assert not rows["data set mosi"]["ok"] and rows["data set mosi"]["fix"]
    assert rows["data set sample"]["ok"]


def test_data_show_sample_prints_the_optimum_of_every_set_of_modalities(merbench):
    shown = loads(merbench("data", "show", "sample", "--json", check=True).stdout)
    lines = shown["best_possible"]["sentiment"]
    best = {" ".join(r["modalities"]): r["scores"]["mae"] for r in lines}
    assert set(best) == {
        "",
        "text",
        "audio",
        "video",
        "text audio",
        "text video",
        "audio video",
        "text audio video",
    }
    assert best["text audio video"]["expected"] < best["text"]["expected"] < best[""]["expected"]


def test_list_names_every_kind(merbench):
    listed = loads(merbench("list", "--json", check=True).stdout)
    models = {r["name"]: r["summary"] for r in listed["models"]}
    assert "merclip" in models and models["lmf"].startswith(
        "Low-rank Multimodal Fusion"
    )  # not that of the fusion of its name
    assert "mae" in [r["name"] for r in listed["metrics"]]
    assert all(rows for rows in listed.values())
    kinds = {f"{kind}s" for kind in COMPONENT_KINDS}  # a whole model has a recipe of its own
    assert kinds <= set(listed)


def test_two_models_are_compared_row_by_row(merbench, with_two_seeds):
    report = loads(
        merbench(
            "compare", "late-fusion-dnn", "ridge", "--json", "--plot", "fit.svg", check=True
        ).stdout
    )
    assert (
        report["difference"]["mae"]["low"] <= report["difference"]["mae"]["mean"]
        and len(report["disagree"]) == 5
    )
    assert report["disagree"][0]["text"], "the generated set has transcripts"
    assert (
        "disagree most"
        in merbench("compare", "late-fusion-dnn", "ridge", "--metric", "mae", check=True).stdout
    )
    assert loads(merbench("compare", "--all", "--json", check=True).stdout)[0]["models"] == [
        "late-fusion-dnn"
    ]
    for words, sentence in (
        (("ridge",), "two models"),
        (("rigde", "ridge"), "'ridge'"),
        (("ridge", "majority", "--metric", "mea"), "'mae'"),
    ):
        result = merbench("compare", *words)
        assert result.returncode == 2 and sentence in result.stderr

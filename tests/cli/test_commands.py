"""The commands as a user calls them."""

from __future__ import annotations

import io

import click
import numpy as np
import pandas as pd
import pytest

from merbench.cli.builtin import SUMMARIES
from merbench.cli.main import cli
from merbench.cli.shared.groups import TITLES
from tests.conftest import loads

QUICK = ("--dataset", "sample", "--epochs", "1")


def leaves(command, ctx=None):
    """Every command that is no group, with the words that call it."""
    ctx = ctx or click.Context(command)
    if isinstance(command, click.Group):
        if command.invoke_without_command:
            yield (), command
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            for words, leaf in leaves(inner, click.Context(inner, parent=ctx)):
                yield (name, *words), leaf
    else:
        yield (), command


def test_every_command_has_help_with_an_example():
    found = dict(leaves(cli))
    assert {words[0] for words in found} == {name for room in SUMMARIES.values() for name in room}
    for words, command in found.items():
        text = command.get_help(click.Context(command))
        assert "Example: merbench " + " ".join(words)[: len(words[0])] in text, words


def test_the_help_shows_every_command_under_the_heading_of_its_group():
    text = cli.get_help(click.Context(cli, info_name="merbench"))
    for group, title in TITLES.items():
        rows = " ".join(text.partition(f"\n{title}:\n")[2].partition("\n\n")[0].split())
        for name, summary in SUMMARIES[group].items():
            assert f"{name} {summary}" in rows


def test_a_group_shows_whole_sentences():
    ctx = click.Context(cli)
    study = cli.get_command(ctx, "study")
    text = study.get_help(click.Context(study, parent=ctx))
    assert "..." not in text.partition("Commands:")[2]
    assert "Make every run of a study that the store lacks." in " ".join(text.split())


def test_run_prints_one_object_and_a_second_call_does_nothing_but_print_it(merbench):
    words = ("run", "--model", "late-fusion-dnn", *QUICK, "--seeds", "2", "--json")
    first, second = merbench(*words, check=True), merbench(*words, check=True)
    assert first.stdout == second.stdout
    assert "2 runs taken from the store" in second.stderr
    found = loads(first.stdout)
    assert set(found) == {"track", "runs", "summary", "floors", "best_possible"}
    assert found["floors"]["ridge"]["mae"]["n"] == 1 and "nothing" in found["best_possible"]
    values = [r["metrics"]["test"]["mae"] for r in found["runs"]]
    assert found["summary"]["mae"] == {
        "mean": pytest.approx(np.mean(values)),
        "sd": pytest.approx(np.std(values, ddof=1)),
        "n": 2,
    }
    assert all(
        {"run_id", "seed", "metrics"} <= set(r) and set(r["metrics"]) == {"valid", "test"}
        for r in found["runs"]
    )


def test_the_default_data_set_is_named_with_the_reason(merbench):
    done = merbench("run", "--model", "majority", "--seeds", "1", check=True)
    assert done.stderr.startswith("dataset sample: no MOSI here")
    for word in ("majority", "MAE", "Acc-2 has0 / non0", "best possible", "text + audio + video"):
        assert word in done.stdout


def test_a_closed_form_is_run_once(merbench):
    done = merbench("run", "--model", "majority", "--seeds", "3", "--json", check=True)
    assert "seed 0 alone is run" in done.stderr and [
        run["seed"] for run in loads(done.stdout)["runs"]
    ] == [0]


def test_a_closed_form_goes_on_from_the_one_run_that_there_is(merbench):
    words = ("run", "--model", "tfidf-ridge", *QUICK[:2], "--json")
    (first,) = loads(merbench(*words, check=True).stdout)["runs"]
    (more,) = loads(merbench(*words, "--init-from", first["run_id"], check=True).stdout)["runs"]
    assert more["spec"]["init_from"] and more["run_id"] != first["run_id"]


def test_a_data_set_that_is_not_there_tells_what_to_do(merbench, tmp_path):
    done = merbench(
        "run",
        "--model",
        "majority",
        "--dataset",
        "mosi",
        env={"MERBENCH_DATA": str(tmp_path / "nowhere")},
    )
    assert done.returncode == 2 and not done.stdout
    for word in ("nowhere", "mosi", "--dataset sample"):
        assert word in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("rnu", "--model", "merclip"), "unknown command 'rnu'; did you mean 'run'?"),
        (("run", "--model", "merclup"), "did you mean 'merclip'"),
        (("run", "--set", "fusion.widht=3", *QUICK), "did you mean 'fusion.width'"),
        (("run", "--set", "nonsense", *QUICK), "KEY=VALUE"),
        (("run", "--part", "encoder=x", *QUICK), "--encoder"),
        (("run", "--encoder", "smell=x", *QUICK), "MODALITY=NAME"),
        (("run", "--modalities", "text,smell", *QUICK), "unknown modality 'smell'"),
        (("run", "--no-lable-encoder", *QUICK), "did you mean '--no-label-encoder'"),
        (("run", "--seeds", "2", "--seed", "1", *QUICK), "exclude each other"),
        (("run", "--epochs", "0", *QUICK[:2]), "--epochs"),
        (("run", "--seed", "1000000000", *QUICK), "999999999"),
        (("run", "--dataset", "mosl"), "unknown dataset 'mosl'"),
        (("run", "--dataset", "mosl", "--data", "nowhere"), "nowhere (which is no folder)"),
        (
            ("run", "--thresholds", "fixed:0.3", *QUICK),
            "--thresholds fixed:0.3 changes nothing of task sentiment",
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
    done = merbench(*words)
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert not done.stdout


def test_progress_tells_the_subsets_of_one_model_apart(merbench):
    told = merbench(
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
        assert f"{name} · seed 0 · " in told


def test_a_failed_run_is_exit_code_1(merbench):
    done = merbench(
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
    assert done.returncode == 1, done.stderr
    (record,) = loads(done.stdout)["runs"]
    assert record["status"] == "failed" and "not finite" in record["error"]
    assert f"failed: tfn · seed 0: {record['error']}" in done.stderr


def test_a_file_that_cannot_be_written_is_one_sentence(merbench, tmp_path):
    (tmp_path / "file").touch()
    merbench("run", "--model", "majority", *QUICK[:2], check=True)
    done = merbench("leaderboard", "build", "--out", "file/boards")
    assert done.returncode == 2
    said = done.stderr.splitlines()[-1]
    assert said.startswith("error: file/boards") and "a file has the name of a folder" in said, said


def test_a_read_only_store_is_told_before_training(merbench, tmp_path):
    (tmp_path / "store").write_text("a file, not a folder")
    done = merbench("run", "--model", "majority", *QUICK[:2], "--store", str(tmp_path / "store"))
    assert done.returncode == 2 and "--store DIR" in done.stderr


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
    found = loads(merbench(*words, check=True).stdout)
    assert [v["name"] for v in found["ablations"]] == ["no-products", "no-full-product"]
    for ablation in found["ablations"]:
        d = ablation["difference"]["mae"]
        assert d["mean"] == pytest.approx(
            ablation["summary"]["mae"]["mean"] - found["base"]["mae"]["mean"]
        )
        assert d["low"] <= d["mean"] <= d["high"] and 0 < d["p"] <= d["p_adjusted"] <= 1
        assert not d["significant"], "two seeds cannot be significant"


def test_leaderboard_in_three_forms(merbench):
    merbench("run", "--model", "late-fusion-dnn", *QUICK, "--seeds", "2", check=True)
    text = merbench("leaderboard", check=True).stdout
    assert "late-fusion-dnn" in text and "ridge (floor)" in text and "±" in text
    assert (
        "| late-fusion-dnn | 1 | 2 |"
        in merbench("leaderboard", "--format", "md", check=True).stdout
    )
    done = merbench("leaderboard", "--format", "csv", "--dataset", "sample", check=True)
    frame = pd.read_csv(io.StringIO(done.stdout)).set_index("model")
    assert frame["mae_sd"]["late-fusion-dnn"] > 0 and frame["group"]["ridge"] == "floors"
    assert frame["track"].nunique() == 1
    assert merbench("leaderboard", "--dataset", "mosi").returncode == 2
    done = merbench("leaderboard", "--format", "csv", "--intervals")
    assert done.returncode == 2 and "leave --intervals out" in done.stderr


def test_ensemble_averages_all_seeds_of_the_runs_that_are_named(merbench):
    words = (*QUICK[:2], "--json", "--seeds", "2")
    one, two, floor = (
        loads(merbench("run", "--model", m, *words, *more, check=True).stdout)["runs"]
        for m, more in (("late-fusion-dnn", QUICK[2:]), ("text-only", QUICK[2:]), ("ridge", ()))
    )
    named = [runs[-1]["run_id"] for runs in (one, two, floor)]
    found = loads(merbench("ensemble", *named, "--json", check=True).stdout)["lines"]
    assert [line["summary"]["mae"]["n"] for line in found] == [2, 2, 1, 2, 1]
    assert (
        found[3]["name"] == "mean, seed by seed"
        and found[3]["against"] == found[0]["name"] == f"late-fusion-dnn ({named[0]})"
    )
    by_name = loads(
        merbench("ensemble", "late-fusion-dnn", "text-only", "ridge", "--json", check=True).stdout
    )["lines"]
    assert [line["summary"] for line in by_name] == [line["summary"] for line in found]
    alone = loads(merbench("ensemble", named[1], "--json", check=True).stdout)["lines"]
    assert not any("difference" in line for line in (alone[1], found[4])), "one outcome"
    spread = loads(merbench("ensemble", named[2], named[0], "--json", check=True).stdout)["lines"]
    gained = spread[2]["summary"]["mae"]["mean"] - spread[0]["summary"]["mae"]["mean"]
    assert spread[2]["difference"]["mae"]["mean"] == pytest.approx(gained)
    (single,) = loads(
        merbench("run", "--model", "tfn", *QUICK, "--seeds", "1", "--json", check=True).stdout
    )["runs"]
    paired = loads(merbench("ensemble", single["run_id"], named[0], "--json", check=True).stdout)[
        "lines"
    ][2]
    assert paired["summary"]["mae"]["n"] == 2 and paired["difference"]["mae"]["p"] == 1, (
        "one seed of a trained model is no ten"
    )
    assert [line["name"] for line in alone] == [f"text-only ({named[1]})", "mean over 2 seeds too"]
    done = merbench("ensemble", *named, check=True)
    assert "mean over 2 seeds too" in done.stdout
    assert "records in runs; next: merbench leaderboard --store runs" in done.stderr
    for wrong, sentence in (
        ((named[2],), "nothing to average"),
        ((one[0]["run_id"], one[1]["run_id"]), "runs of one spec"),
        ((named[0], "--track", "folds"), "no finished run of that kind in the store runs"),
        ((named[0], "beef"), "there is no such run"),
        (("rigde", "text-only"), "did you mean 'ridge'"),
    ):
        done = merbench("ensemble", *wrong)
        assert done.returncode == 2 and sentence in done.stderr and not done.stdout


def test_a_board_is_built_verified_and_contributed(merbench, tmp_path):
    merbench("run", "--model", "late-fusion-dnn", *QUICK, "--seeds", "2", check=True)
    assert "1 boards" in merbench("leaderboard", "build", "--out", "boards", check=True).stderr
    before = {p: p.read_bytes() for p in (tmp_path / "boards").rglob("*") if p.is_file()}
    merbench("leaderboard", "build", "--out", "boards", check=True)
    merbench("leaderboard", "render", "boards", "--rescore", check=True)
    assert {p: p.read_bytes() for p in (tmp_path / "boards").rglob("*") if p.is_file()} == before
    assert "nothing wrong" in merbench("leaderboard", "verify", "boards", check=True).stderr
    assert "late-fusion-dnn" in merbench("leaderboard", "--boards", "boards", check=True).stdout
    assert "<table" in merbench("leaderboard", "--format", "html", check=True).stdout
    record = tmp_path / "boards" / "sample-sentiment-standard" / "records" / "late-fusion-dnn.json"
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
    assert not rows["data set mosi"]["ok"] and rows["data set mosi"]["mend"]
    assert rows["data set sample"]["ok"]


def test_data_show_sample_prints_the_optimum_of_every_set_of_modalities(merbench):
    found = loads(merbench("data", "show", "sample", "--json", check=True).stdout)
    lines = found["best_possible"]["sentiment"]
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
    found = loads(merbench("list", "--json", check=True).stdout)
    models = {r["name"]: r["summary"] for r in found["models"]}
    assert "merclip" in models and models["lmf"].startswith(
        "Low-rank Multimodal Fusion"
    )  # not that of the fusion of its name
    assert "mae" in [r["name"] for r in found["metrics"]]
    assert all(rows for rows in found.values())


LABELS = "[two]\nnegative = -2.0\npositive = 2.0\n"


def built_with(merbench, folder, printed, kind):
    """The picture on the board's page of what a command printed."""
    (folder / "extra.json").write_text(printed)
    merbench("leaderboard", "build", "--out", "boards", "--extra", "extra.json", check=True)
    assert f"{kind}.svg" in next(folder.glob("boards/*/index.html")).read_text()
    return next(folder.glob(f"boards/*/{kind}.svg")).read_text()


def test_generalise_compares_label_sets_and_lists_who_cannot(merbench, tmp_path):
    (tmp_path / "labels.toml").write_text(LABELS)
    words = (
        "generalise",
        "--model",
        "merclip,ridge",
        *QUICK,
        "--seeds",
        "1",
        "--modalities",
        "text",
        "--labels",
        "labels.toml",
    )
    printed = merbench(*words, "--json", check=True).stdout
    found = loads(printed)
    assert [line["name"] for line in found["test"]] == [
        "merclip own labels",
        "merclip two",
        "ridge",
    ]
    assert (
        found["test"][1]["against"] == "merclip own labels"
        and "whole model" in found["test"][2]["reason"]
    )
    assert found["drift"] == 0 and found["labels"]["two"]["values"] == [-2, 2]
    text = merbench(*words, check=True)
    assert "the same on the valid rows" in text.stdout and "to the last bit" in text.stderr
    assert "merclip two" in built_with(merbench, tmp_path, printed, "generalise")
    done = merbench("generalise", "--model", "ridge", *QUICK[:2], "--labels", "labels.toml")
    assert done.returncode == 2 and "whole model" in done.stderr


def test_robust_shows_damage_and_draws_curves(merbench, tmp_path):
    words = (
        "robust",
        "--model",
        "late-fusion-dnn",
        *QUICK,
        "--seeds",
        "2",
        "--corrupt",
        "audio=drop",
        "--corrupt",
        "video=noise:0:1:2",
    )
    printed = merbench(*words, "--plot", "c.svg", "--json", check=True).stdout
    found = loads(printed)
    assert [line["name"] for line in found["lines"]][1:] == [
        f"late-fusion-dnn {d}" for d in ("audio=drop", "video=noise:0", "video=noise:1")
    ]
    assert [p["strength"] for p in found["curves"]["late-fusion-dnn"]["video=noise"]] == [0, 1]
    assert (tmp_path / "c.svg").read_bytes().startswith(b"<?xml")
    assert "video=noise" in built_with(merbench, tmp_path, printed, "robust")
    assert (
        merbench("robust", "--model", "majority", *QUICK[:2], "--corrupt", "audio=drop").returncode
        == 2
    )


def test_robust_shows_every_metric_over_missing_rates(merbench, tmp_path):
    words = ("robust", "--model", "tfidf-ridge", *QUICK, "--seeds", "1")
    shown = merbench(*words, "--plot", "c.svg", check=True).stdout
    assert "test rows lack modalities" in shown and "spread" in shown
    assert b"any=drop" in (tmp_path / "c.svg").read_bytes()
    found = loads(merbench(*words, "--json", check=True).stdout)
    rates = {(c["metric"], c["missing"]): c for c in found["rates"]}
    assert [p["strength"] for p in rates["mae", "text"]["points"]] == [x / 10 for x in range(10)]
    assert found["curves"]["tfidf-ridge"]["text=drop"] == rates["mae", "text"]["points"]
    done = merbench(*words, "--rates", "drop", "--corrupt", "audio=drop")
    assert done.returncode == 2 and "ask one of them" in done.stderr


def test_predict_on_sentences_and_by_run(merbench):
    model = ("--model", "merclip", *QUICK, "--seeds", "1", "--modalities", "text")
    found = loads(merbench("predict", "--text", "a good film", *model, "--json", check=True).stdout)
    (row,) = found["rows"]
    assert sum(row["labels"].values()) == pytest.approx(1) and set(row["contribution"]) == {"text"}
    by_run = merbench(
        "predict", "--text", "a good film", "--run", found["runs"][0][:8], "--json", check=True
    )
    assert loads(by_run.stdout)["rows"][0]["prediction"] == row["prediction"]
    assert "text adds" in merbench("predict", "--text", "a good film", *model, check=True).stdout
    assert merbench("predict", "--text", "x", "--run", "zz").returncode == 2


def test_transfer_between_folders_and_init_from(merbench, tmp_path):
    said, modes = ("bad", "good"), ("train", "valid", "test")
    rows = [
        f"v{i},{i % 3},{said[i % 2]} film number {i},{(i % 2) * 2 - 1},{modes[i % 3]}"
        for i in range(30)
    ]
    toml = 'task.sentiment = { column = "label", kind = "score", low = -3, high = 3 }\n[streams."text.transcript"]\nmodality = "text"\n'
    toml += 'kind = "strings"\ncolumn = "text"\n[protocols.standard]\ncolumn = "mode"\nstreams = ["text.transcript"]\n'
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        body = [row.replace("v", f"{name}-", 1) for row in rows]
        (tmp_path / name / "label.csv").write_text(
            "\n".join(["video_id,clip_id,text,label,mode", *body])
        )
        (tmp_path / name / "dataset.toml").write_text(f'name = "{name}"\n{toml}')
    (tmp_path / "v.txt").write_text("good 1 0\nbad 0 1\nfilm 1 1\n")
    common = (
        "--model",
        "text-only",
        "--seeds",
        "1",
        "--epochs",
        "1",
        "--data",
        str(tmp_path),
        "--vectors",
        "v.txt",
        "--json",
    )
    found = loads(
        merbench(
            "transfer",
            "--from",
            "one,two",
            "--to",
            "two",
            "--finetune-set",
            "train.lr=1e-4",
            *common,
            check=True,
        ).stdout
    )
    assert [line["name"] for line in found["lines"]] == [
        "two alone (text)",
        "one → two",
        "one → two, finetuned",
    ]
    assert (
        found["lines"][2]["against"] == "two alone (text)"
        and "share no utterance" in found["notes"][0]
    )
    mixed = loads(
        merbench("transfer", "--from", "one", "--to", "sample", *common, check=True).stdout
    )
    assert mixed["lines"][1]["summary"]["mae"]["n"] == 1, (
        "a data set with vectors of its own, and one that reads those of --vectors"
    )
    ways = merbench(
        "transfer", "--from", "one", "--to", "two", "--together", "--finetune", *common, check=True
    ).stderr
    assert "two · finetuned · seed 0" in ways and "two · together, finetuned · seed 0" in ways
    done = merbench("leaderboard", "submit", "text-only", "--out", "mine")
    assert (
        done.returncode == 2
        and "joined data sets" in done.stderr
        and not (tmp_path / "mine").exists()
    )
    first = loads(merbench("run", "--dataset", "one", *common, check=True).stdout)["runs"][0]
    more = loads(
        merbench(
            "run", "--dataset", "two", "--init-from", first["run_id"], *common, check=True
        ).stdout
    )["runs"][0]
    assert more["spec"]["init_from"] and more["run_id"] != first["run_id"]
    part = merbench(
        "run",
        "--dataset",
        "two",
        "--init-from",
        first["run_id"],
        "--part",
        "head=linear",
        *common,
        check=True,
    )
    assert (
        "start from the weights of --init-from; as without it start head.last.weight; no place here have its head"
        in part.stderr
    )
    assert loads(part.stdout)["runs"][0]["notes"][0] in part.stderr
    done = merbench(
        "run", "--dataset", "two", "--init-from", first["run_id"], *common[:3], "2", *common[4:]
    )
    assert done.returncode == 2 and "for seed 1" in done.stderr
    assert merbench("transfer", "--from", "one", "--to", "one", *common).returncode == 2


def test_two_models_are_compared_row_by_row(merbench):
    merbench("run", "--model", "late-fusion-dnn", *QUICK, "--seeds", "2", check=True)
    told = loads(
        merbench(
            "compare", "late-fusion-dnn", "ridge", "--json", "--plot", "fit.svg", check=True
        ).stdout
    )
    assert (
        told["difference"]["mae"]["low"] <= told["difference"]["mae"]["mean"]
        and len(told["disagree"]) == 5
    )
    assert told["disagree"][0]["text"], "the generated set has transcripts"
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
        done = merbench("compare", *words)
        assert done.returncode == 2 and sentence in done.stderr

"""The commands that ask finished models something, as a user calls them."""

from __future__ import annotations

import pytest

from merbench.cli.ask.robust import rates_shown
from tests.conftest import loads
from tests.tiny_runs import SAMPLE

QUICK = ("--dataset", SAMPLE, "--epochs", "1")


def test_ensemble_averages_all_seeds_of_the_runs_that_are_named(merbench):
    words = (*QUICK[:2], "--json", "--seeds", "2")
    first, second, floor = (
        loads(merbench("run", "--model", m, *words, *more, check=True).stdout)["runs"]
        for m, more in (("late-fusion-dnn", QUICK[2:]), ("text-only", QUICK[2:]), ("ridge", ()))
    )
    named = [runs[-1]["run_id"] for runs in (first, second, floor)]
    lines = loads(merbench("ensemble", *named, "--json", check=True).stdout)["lines"]
    assert [line["summary"]["mae"]["n"] for line in lines] == [2, 2, 1, 2, 1]
    assert (
        lines[3]["name"] == "mean, seed by seed"
        and lines[3]["against"] == lines[0]["name"] == f"late-fusion-dnn ({named[0]})"
    )
    by_name = loads(
        merbench("ensemble", "late-fusion-dnn", "text-only", "ridge", "--json", check=True).stdout
    )["lines"]
    assert [line["summary"] for line in by_name] == [line["summary"] for line in lines]
    alone = loads(merbench("ensemble", named[1], "--json", check=True).stdout)["lines"]
    assert not any("difference" in line for line in (alone[1], lines[4])), "one outcome"
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
    result = merbench("ensemble", *named, check=True)
    assert "mean over 2 seeds too" in result.stdout
    assert "records in runs; next: merbench leaderboard --store runs" in result.stderr
    for wrong, sentence in (
        ((named[2],), "nothing to average"),
        ((first[0]["run_id"], first[1]["run_id"]), "runs of one spec"),
        ((named[0], "--track", "folds"), "no finished run of folds in the store runs"),
        ((named[0], "beef"), "there is no such run"),
        (("rigde", "text-only"), "did you mean 'ridge'"),
    ):
        result = merbench("ensemble", *wrong)
        assert result.returncode == 2 and sentence in result.stderr and not result.stdout


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
    report = loads(printed)
    assert [line["name"] for line in report["test"]] == [
        "merclip own labels",
        "merclip two",
        "ridge",
    ]
    assert (
        report["test"][1]["against"] == "merclip own labels"
        and "whole model" in report["test"][2]["reason"]
    )
    assert report["drift"] == 0 and report["labels"]["two"]["values"] == [-2, 2]
    text = merbench(*words, check=True)
    assert "the same on the valid rows" in text.stdout and "to the last bit" in text.stderr
    assert "merclip two" in built_with(merbench, tmp_path, printed, "generalise")
    result = merbench("generalise", "--model", "ridge", *QUICK[:2], "--labels", "labels.toml")
    assert result.returncode == 2 and "whole model" in result.stderr


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
    report = loads(printed)
    assert [line["name"] for line in report["lines"]][1:] == [
        f"late-fusion-dnn {d}" for d in ("audio=drop", "video=noise:0", "video=noise:1")
    ]
    assert [p["strength"] for p in report["curves"]["late-fusion-dnn"]["video=noise"]] == [0, 1]
    assert b"<svg" in (tmp_path / "c.svg").read_bytes()[:200]
    assert "video=noise" in built_with(merbench, tmp_path, printed, "robust")
    assert (
        merbench("robust", "--model", "majority", *QUICK[:2], "--corrupt", "audio=drop").returncode
        == 2
    )


def test_curves_that_nothing_fits_are_told_after_what_was_found(merbench, tmp_path):
    words = ("robust", "--model", "tfidf-ridge", *QUICK, "--seeds", "1", "--corrupt", "text=drop")
    result = merbench(*words, "--corrupt", "text=noise:0:1:3", "--plot", "c.svg", "--json")
    assert result.returncode == 2 and "--plot c.svg is not written" in result.stderr
    assert [bool(line.get("summary")) for line in loads(result.stdout)["lines"]][:2] == [True] * 2
    assert not (tmp_path / "c.svg").exists()


def test_a_failed_run_beside_a_finished_one_is_exit_code_1(merbench):
    words = ("robust", "--model", "ridge,tfn", *QUICK, "--seeds", "1", "--json")
    never_finite = ("--set", "train.lr=1e30", "--set", "train.clip_norm=0")
    result = merbench(*words, *never_finite)
    assert result.returncode == 1 and "failed: tfn" in result.stderr
    assert {curve["model"] for curve in loads(result.stdout)["rates"]} == {"ridge"}


def test_robust_shows_every_metric_over_missing_rates(merbench, tmp_path):
    words = ("robust", "--model", "tfidf-ridge", *QUICK, "--seeds", "1")
    shown = merbench(*words, "--plot", "c.svg", check=True).stdout
    assert "test rows lack modalities" in shown and "spread" in shown
    assert b"any=drop" in (tmp_path / "c.svg").read_bytes()
    report = loads(merbench(*words, "--json", check=True).stdout)
    rates = {(c["metric"], c["missing"]): c for c in report["rates"]}
    assert [p["strength"] for p in rates["mae", "text"]["points"]] == [x / 10 for x in range(10)]
    assert report["curves"]["tfidf-ridge"]["text=drop"] == rates["mae", "text"]["points"]
    result = merbench(*words, "--rates", "drop", "--corrupt", "audio=drop")
    assert result.returncode == 2 and "ask one of them" in result.stderr


def test_damage_of_what_nothing_reads_is_refused_before_training(merbench, tmp_path):
    words = ("--model", "late-fusion-dnn", *QUICK, "--modalities", "audio,video")
    result = merbench("robust", *words, "--corrupt", "text=drop")
    assert result.returncode == 2 and "text=drop: what is run reads audio, video" in result.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("columns", "shown"),
    [(None, range(10)), (84, range(10)), (83, [0, 3, 6, 9]), (42, [0, 3, 6, 9]), (41, [0, 9])],
)
def test_a_narrow_terminal_shows_fewer_rates_and_no_cut_numbers(columns, shown):
    assert rates_shown(10, columns) == list(shown)


def test_predict_on_sentences_and_by_run(merbench):
    model = ("--model", "merclip", *QUICK, "--seeds", "1", "--modalities", "text")
    predicted = loads(
        merbench("predict", "--text", "a good film", *model, "--json", check=True).stdout
    )
    (row,) = predicted["rows"]
    assert sum(row["labels"].values()) == pytest.approx(1) and set(row["contribution"]) == {"text"}
    by_run = merbench(
        "predict", "--text", "a good film", "--run", predicted["runs"][0][:8], "--json", check=True
    )
    assert loads(by_run.stdout)["rows"][0]["prediction"] == row["prediction"]
    assert "text adds" in merbench("predict", "--text", "a good film", *model, check=True).stdout
    assert merbench("predict", "--text", "x", "--run", "zz").returncode == 2


def test_transfer_between_folders_and_init_from(merbench, tmp_path):
    words, modes = ("bad", "good"), ("train", "valid", "test")
    rows = [
        f"v{i},{i % 3},{words[i % 2]} film number {i},{(i % 2) * 2 - 1},{modes[i % 3]}"
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
    report = loads(
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
    assert [line["name"] for line in report["lines"]] == [
        "two alone (text)",
        "one → two",
        "one → two, finetuned",
    ]
    assert (
        report["lines"][2]["against"] == "two alone (text)"
        and "share no utterance" in report["notes"][0]
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
    result = merbench("leaderboard", "submit", "text-only", "--out", "mine")
    assert (
        result.returncode == 2
        and "joined data sets" in result.stderr
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
        "were loaded from --init-from; initialised as usual: head.last.weight; ignored from the start weights: head"
        in part.stderr
    )
    assert loads(part.stdout)["runs"][0]["notes"][0] in part.stderr
    result = merbench(
        "run", "--dataset", "two", "--init-from", first["run_id"], *common[:3], "2", *common[4:]
    )
    assert result.returncode == 2 and "for seed 1" in result.stderr
    assert merbench("transfer", "--from", "one", "--to", "one", *common).returncode == 2


def test_transfer_keeps_the_settings_of_a_data_set_together(merbench):
    few = "sample:train=200,valid=60"
    result = merbench("transfer", "--model", "text-only", "--from", few, "--to", few)
    assert result.returncode == 2 and f"from {few} to {few}: name two different" in result.stderr

"""``--task sentiment+emotions`` as a user meets it, from the first run to the verified board."""

from __future__ import annotations

import json

import numpy as np
import pytest

from merbench.results.metrics import BUILT_IN
from merbench.results.store.store import Store
from tests.conftest import loads
from tests.tiny_runs import TOML

EMOTIONS = ("happy", "sad", "anger")
QUICK = (
    "--dataset",
    "tiny",
    "--task",
    "sentiment+emotions",
    "--epochs",
    "2",
    "--set",
    "train.batch_size=8",
)
MERCLIP = (
    "--model",
    "merclip",
    "--part",
    "label-encoder=label-random",
    "--set",
    "fusion.width=16",
    *QUICK,
)


@pytest.fixture
def home(tmp_path):
    """36 rows, of which some know only their sentiment and some only their emotions."""
    draw, names = np.random.default_rng(0), ", ".join(f'"{e}"' for e in EMOTIONS)
    folder = tmp_path / "data/tiny"
    folder.mkdir(parents=True)
    emotions = (
        f'task.emotions = {{ columns = [{names}], kind = "multilabel", words = [{names}] }}\n'
    )
    (folder / "dataset.toml").write_text(
        TOML.replace("[streams", emotions + "[streams", 1).split("[protocols.other]")[0]
    )
    mode, lines = ("train", "train", "valid", "test") * 5, []
    for i in range(36):
        label = "" if i % 5 == 0 else f"{draw.uniform(-3, 3):.2f}"
        felt = (
            ("", "", "") if i % 7 == 1 else tuple(f"{v:.1f}" for v in draw.choice([0, 0, 0.7], 3))
        )
        lines.append(",".join((f"v{i // 2}", str(i % 2), "", label, mode[i // 2], *felt)))
    (folder / "label.csv").write_text(
        "\n".join((f"video_id,clip_id,text,label,mode,{','.join(EMOTIONS)}", *lines))
    )
    ids = np.array([f"v{i // 2}_{i % 2}" for i in range(36)])
    np.savez(
        folder / "x.npz",
        id=ids,
        **{
            m: draw.normal(size=(36, w)).astype(np.float32) for m, w in (("audio", 6), ("video", 4))
        },
    )
    return folder.parent


@pytest.fixture
def call(merbench, home):
    return lambda *words, check=True: merbench(
        *words, check=check, env={"MERBENCH_DATA": str(home)}
    )


def test_from_the_first_run_to_the_verified_board(call, home):
    completed = call(
        "run", *MERCLIP, "--seeds", "2", "--thresholds", "tuned_on_valid_per_label", "--json"
    )
    report = loads(completed.stdout)
    for run in report["runs"]:
        assert {"mae", "corr", "acc2_non0", "micro_f1", "map", "weighted_f1.sad"} <= run["metrics"][
            "test"
        ].keys()
        assert run["space"]["parts"][1]["words"] == list(EMOTIONS) and len(run["thresholds"]) == 3
    table = call(
        "run",
        "--model",
        "late-fusion-dnn",
        *QUICK,
        "--seeds",
        "2",
        "--thresholds",
        "tuned_on_valid_per_label",
    ).stdout
    for word in (
        "tiny · sentiment+emotions · standard",
        "late-fusion-dnn",
        "majority",
        "ridge",
        "MAE",
        "micro-F1",
    ):
        assert word in table

    policies = {r.spec.model: r.spec.thresholds for r in Store(home.parent / "runs").records()}
    assert {"majority", "ridge"} < policies.keys()
    assert set(policies.values()) == {"tuned_on_valid_per_label"}, "floors as the models"

    (board,) = loads(call("leaderboard", "--format", "json").stdout)
    assert board["metric"] == "mae" and {r["name"] for r in board["rows"]} == {
        "merclip",
        "late-fusion-dnn",
        "majority",
        "ridge",
    }
    rows = {r["name"]: r for r in board["rows"]}
    assert rows["merclip"]["summary"]["micro_f1"]["mean"] == pytest.approx(
        report["summary"]["micro_f1"]["mean"]
    )
    assert {"mae", "micro_f1"} <= rows["merclip"]["intervals"].keys() and rows["late-fusion-dnn"][
        "standing"
    ]["rank"] in (1, 2)
    assert "MAE" in call("leaderboard").stdout

    call("leaderboard", "build", "--out", "boards")
    result = call("leaderboard", "verify", "boards", check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    page = (home.parent / "boards/tiny-sentiment-emotions-standard/index.html").read_text()
    assert all(
        metric.title in page
        for metric in BUILT_IN.metrics
        if metric.kinds != ("class",) and metric.spans in (None, (-3.0, 3.0))
    )
    labels = home / "tiny/label.csv"
    labels.write_text(labels.read_text().replace("0.7", "0.0", 1))
    assert "labels or splits differ" in call("leaderboard", "verify", "boards", check=False).stdout
    labels.write_text("\n".join(labels.read_text().splitlines()))
    toml = home / "tiny/dataset.toml"
    toml.write_text(
        "\n".join(
            line for line in toml.read_text().splitlines() if not line.startswith("task.emotions")
        )
    )
    refused = call("leaderboard", "verify", "boards", check=False)
    assert (
        refused.returncode == 1
        and "has no task sentiment+emotions (it has sentiment)" in refused.stdout
    )


def test_two_models_compared_and_a_finished_one_applied(call, home):
    for words in (MERCLIP, ("--model", "late-fusion-dnn", *QUICK)):
        call("run", *words, "--seeds", "2", "--json")
    pair = ("compare", "merclip", "late-fusion-dnn")
    report = loads(call(*pair, "--json").stdout)
    assert {"mae", "micro_f1", "jaccard"} <= report["difference"].keys()
    assert len(report["disagree"][0]["target"]) == 4 and any(
        None in row["target"]
        for row in loads(call(*pair, "--rows", "9", "--json").stdout)["disagree"]
    )
    assert max(abs(y) for _, y in report["calibration"]["merclip"]) > 1, "the score's, which ranks"
    labels = loads(call(*pair, "--metric", "micro_f1", "--json").stdout)
    assert list(labels["difference"]) == ["micro_f1"] and all(
        0 <= v <= 1 for pair in labels["calibration"]["merclip"] for v in pair
    )
    assert (
        "micro_f1" in call(*pair).stdout
        and "micro_f1" in call("compare", "--all", "--metric", "micro_f1").stdout
    )

    predicted = loads(
        call("predict", str(home / "tiny"), *MERCLIP, "--seeds", "2", "--json").stdout
    )
    assert (
        set(predicted["emotions"]["rows"][0]["prediction"]) == set(EMOTIONS)
        and len(predicted["sentiment"]["rows"]) == 36
    )
    assert isinstance(predicted["sentiment"]["rows"][0]["prediction"], float)
    shown = call("predict", str(home / "tiny"), *MERCLIP, "--seeds", "2").stdout
    assert "nearest label" in shown and "probability" in shown

    tried = loads(
        call("robust", *MERCLIP, "--seeds", "2", "--corrupt", "audio=drop", "--json").stdout
    )
    assert {"mae", "micro_f1"} <= tried["lines"][1]["difference"].keys()
    assert (
        "micro_f1"
        in call("ablate", *MERCLIP, "--seeds", "2", "--ablation", "joint-decoder", "--json").stdout
    )


def test_a_floor_that_cannot_read_the_labels_is_left_out(call, home):
    toml, vocabulary = (
        home / "tiny/dataset.toml",
        ("strongly", "slightly", "negative", "neutral", "positive"),
    )
    text = '[streams."text.t"]\nmodality = "text"\nkind = "strings"\ncolumn = "text"\n'
    toml.write_text(
        toml.read_text()
        .replace("[protocols", text + "[protocols", 1)
        .replace('["audio.x"', '["text.t", "audio.x"')
    )
    labels = home / "tiny/label.csv"
    labels.write_text(
        labels.read_text().replace(",0,,", ",0,positive,").replace(",1,,", ",1,negative,")
    )
    (home / "vectors").mkdir()
    np.savez(
        home / "vectors/few.npz",
        word=np.array(vocabulary),
        vector=np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32),
    )
    for task, has_vectors in (("sentiment", True), ("sentiment+emotions", False)):
        words = ("--dataset", "tiny", "--task", task, "--seeds", "1")
        result = call("run", "--model", "majority", *words)
        assert ("zero-shot" in result.stdout) == has_vectors and "tfidf-ridge" in result.stdout
    refused = call("run", "--model", "zero-shot", *words, check=False)
    assert refused.returncode == 2
    assert "no word of the label text of 'happy'" in refused.stderr
    assert "model.text=gloss" in refused.stderr and "label_encoder" not in refused.stderr


def test_what_makes_no_sense_is_said_in_a_sentence(call, home):
    described = loads(call("data", "show", "tiny", "--json").stdout)
    assert list(described["tasks"]) == ["sentiment", "emotions", "sentiment+emotions"]
    (home / "labels.toml").write_text("[two]\nbad = -2.0\ngood = 2.0\n")
    for words, sentence in (
        (("run", *QUICK[:2], "--task", "emotions+sentiment"), "or 'sentiment+emotions'?"),
        (
            ("generalise", *MERCLIP, "--labels", str(home / "labels.toml")),
            "this run has two at once; choose one of them with --task",
        ),
        (
            ("run", *MERCLIP, "--set", "train.select=accuracy"),
            "is no metric of a joint task; there are: mae",
        ),
        (
            (
                "tune",
                "--model",
                "late-fusion-dnn",
                *QUICK,
                "--trials",
                "1",
                "--set",
                "train.select=uar",
            ),
            "is no metric of a joint task",
        ),
    ):
        result = call(*words, check=False)
        assert result.returncode == 2 and sentence in result.stderr, result.stderr
        assert "Traceback" not in result.stderr
    assert (
        json.loads(
            call("tune", "--model", "late-fusion-dnn", *QUICK, "--trials", "2", "--json").stdout
        )["metric"]
        == "mae"
    )

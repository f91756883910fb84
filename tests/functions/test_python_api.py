"""The Python API: the command line's names and meanings, and its errors as exceptions."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import merbench
from merbench.api.events import EpochDone, RunDone
from merbench.bench.keywords import plain
from merbench.bench.options import RunKeywords, options_of
from tests.conftest import loads
from tests.tiny_runs import SAMPLE

QUICK = {"epochs": 1, "seeds": 2, "threads": 1, "progress": False}


@pytest.fixture
def store(tmp_path):
    return tmp_path / "runs"


def test_run_gives_records_a_table_and_events(store):
    events = []
    result = merbench.run("late-fusion-dnn", SAMPLE, store=store, watch=events.append, **QUICK)
    assert [r.seed for r in result.records] == [0, 1] and not result.failed
    frame = result.to_pandas()
    assert list(frame["mae"]) == [r.metrics.test["mae"] for r in result.records]
    assert result.summary["mae"].mean == pytest.approx(frame["mae"].mean())
    assert sum(isinstance(e, EpochDone) for e in events) == 2
    again = merbench.run("late-fusion-dnn", SAMPLE, store=store, watch=events.append, **QUICK)
    assert again.records == result.records
    assert [e.reused for e in events if isinstance(e, RunDone)] == [False, False, True, True]


def test_the_command_reuses_what_the_function_ran(merbench_command, store):
    result = merbench.run("tfidf-ridge", SAMPLE, store=store, progress=False, seeds=1)
    done = merbench_command(
        "run", "--model", "tfidf-ridge", "--dataset", SAMPLE, "--seeds", "1", "--json",
        "--store", str(store), check=True,
    )  # fmt: skip
    (record,) = loads(done.stdout)["runs"]
    assert record["run_id"] == result.records[0].run_id and "taken from the store" in done.stderr


def test_threads_of_a_process_train_what_they_would_alone(tmp_path):
    def run(store):
        return merbench.run("late-fusion-dnn", SAMPLE, store=tmp_path / store, **QUICK).records

    alone = [record.weights_sha256 for record in run("alone")]
    stores = ["a", "a", "b"]
    with ThreadPoolExecutor(len(stores)) as pool:
        at_once = [[r.weights_sha256 for r in records] for records in pool.map(run, stores)]
    assert at_once == [alone] * len(stores)
    assert not (tmp_path / "a/replaced").exists()


@pytest.fixture
def merbench_command(request):
    return request.getfixturevalue("merbench")


def test_leaderboard_compare_and_predict(store):
    for model in ("late-fusion-dnn", "tfidf-ridge"):
        merbench.run(model, SAMPLE, store=store, **QUICK)
    frame = merbench.leaderboard(store).to_pandas().set_index("model")
    assert {"late-fusion-dnn", "tfidf-ridge"} <= set(frame.index)
    compared = merbench.compare("late-fusion-dnn", "tfidf-ridge", store)
    difference = compared.to_pandas().set_index("metric")["difference"]["mae"]
    means = frame["mae"]
    assert difference == pytest.approx(means["late-fusion-dnn"] - means["tfidf-ridge"], abs=1e-6)
    with pytest.raises(merbench.RequestError, match="unknown row 'tfidf'; did you mean 'tfidf-r"):
        merbench.compare("late-fusion-dnn", "tfidf", store)
    texts = ["a wonderful film", "an awful film"]
    rows = merbench.predict(texts=texts, model="tfidf-ridge", dataset=SAMPLE, store=store,
                            progress=False, seeds=1).to_pandas()  # fmt: skip
    assert list(rows["text"]) == texts and rows["score"].notna().all()


def test_the_mean_of_runs_is_compared_with_the_first(store):
    merbench.run("tfidf-ridge", SAMPLE, store=store, **QUICK)
    merbench.run("ridge", SAMPLE, store=store, **QUICK)
    frame = merbench.ensemble(["ridge", "tfidf-ridge"], store=store).to_pandas()
    ridge, tfidf, mean = frame["runs"]
    assert ridge.startswith("ridge (") and tfidf.startswith("tfidf-ridge (") and "mean" in mean
    mae = frame.set_index("runs")["mae"]
    gap = frame.set_index("runs")["mae_difference"]
    assert gap[mean] == pytest.approx(mae[mean] - mae[ridge]) and gap[[ridge, tfidf]].isna().all()


def test_other_labels_are_compared_with_the_own_ones(store, tmp_path):
    (tmp_path / "two.toml").write_text("[two]\nnegative = -2.0\npositive = 2.0\n")
    quick = {**QUICK, "seeds": 1, "modalities": ["text"]}
    read = merbench.generalise(tmp_path / "two.toml", ["merclip"], SAMPLE, store=store, **quick)
    frame = read.to_pandas().set_index("labels")
    assert list(frame.index) == ["merclip own labels", "merclip two"] and read.drift == 0
    own = merbench.run("merclip", SAMPLE, store=store, **quick)
    assert frame["mae"].iloc[0] == pytest.approx(own.summary["mae"].mean)


FOLDER = """name = "{name}"
task.sentiment = {{ column = "label", kind = "score", low = -3, high = 3 }}
streams."text.transcript" = {{ modality = "text", kind = "strings", column = "text" }}
protocols.standard = {{ column = "mode", streams = ["text.transcript"] }}
"""


@pytest.fixture
def two_sets(tmp_path):
    """A folder with the data sets ``one`` and ``two``, and word vectors."""
    (tmp_path / "vectors").mkdir()
    (tmp_path / "vectors" / "v.txt").write_text("good 1 0\nbad 0 1\nfilm 1 1\n")
    for name in ("one", "two"):
        rows = [
            f"{name}-{i},0,{('bad', 'good', 'fine')[i % 3]} {name} film,{i % 3 - 1},{mode}"
            for i, mode in enumerate(("train", "train", "train", "valid", "test") * 6)
        ]
        (tmp_path / name).mkdir()
        (tmp_path / name / "dataset.toml").write_text(FOLDER.format(name=name))
        lines = ["video_id,clip_id,text,label,mode", *rows]
        (tmp_path / name / "label.csv").write_text("\n".join(lines))
    return tmp_path


def test_a_model_is_trained_on_one_set_and_scored_on_another(store, two_sets):
    ways = merbench.transfer(
        ["one"], ["two"], "tfidf-ridge", data=two_sets, store=store, progress=False, seeds=1
    )
    frame = ways.to_pandas().set_index("trained on")
    assert list(frame.index) == ["two alone (text)", "one → two"] and not ways.failed
    change = frame["mae"]["one → two"] - frame["mae"]["two alone (text)"]
    assert frame["mae_difference"]["one → two"] == pytest.approx(change)


def test_transfer_refuses_what_would_have_no_effect(store, two_sets):
    def transfer(**keywords):
        merbench.transfer(
            ["one"],
            ["sample"],
            "tfidf-ridge",
            data=two_sets,
            store=store,
            progress=False,
            **keywords,
        )

    with pytest.raises(merbench.RequestError, match="stands in its name, such as sample:train=9"):
        transfer(settings={"dataset.train": 9})
    with pytest.raises(merbench.RequestError, match="--thresholds tuned_on_valid has no effect"):
        transfer(thresholds="tuned_on_valid")


def test_what_was_not_seen_is_listed(merbench_command):
    words = ("predict", "--model", "tfidf-ridge", "--dataset", SAMPLE, "--seeds", "1")
    texts = ("--text", "a wonderful film", "--text", "xyzzy qwfp")
    done = merbench_command(*words, *texts, "--json", check=True)
    first, second = (row["not_seen"] for row in loads(done.stdout)["rows"])
    assert first == {} and second == {"text": "nothing in it is known"}
    assert "lacks 1 run of tfidf-ridge on sample" in done.stderr
    assert "text was not seen in" in done.stderr and "predicted from nothing" in done.stderr
    table = merbench_command(*words, *texts, check=True)
    assert "not seen" in table.stdout and "lacks" not in table.stderr


def test_tune_finds_settings_that_run_takes(store):
    found = merbench.tune("tfidf-ridge", SAMPLE, trials=2, store=store, progress=False)
    assert found.trials == 2 and found.settings
    settings = found.to_pandas().set_index("name")
    assert settings["tuned"][f"valid {found.metric}"] == found.value
    assert set(found.settings) == set(settings.index[:-1])
    result = merbench.run("tfidf-ridge", SAMPLE, settings=found.settings, store=store, **QUICK)
    assert result.records[0].metrics.valid["mae"] == pytest.approx(found.value)


def test_what_there_is_and_what_it_is_made_of():
    assert "merclip" in merbench.list_models() and "mosi" in merbench.list_datasets()
    assert "mae" in merbench.list_parts("metrics")
    assert len(merbench.load_dataset("sample")) > 100
    shown = merbench.show("merclip", "sample")
    settings = shown.to_pandas().set_index("name")
    assert settings.loc["train.lr", "range"] and settings.loc[
        "train.patience", "meaning"
    ].startswith("Stop after")
    assert shown.paper.startswith("Song and Cho 2025")
    assert "no-label-encoder" in shown.ablations and set(shown.reads) == {"text", "audio", "video"}
    assert settings.loc["train.optimiser", "allowed"] == "one of adamw, adam, sgd"
    assert settings.loc["train.warmup", "allowed"] == "at least 0, below 1"
    assert settings.loc["train.lr", "allowed"] == "above 0"
    assert all(settings.loc[settings.index.str.startswith("train."), "meaning"])


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: merbench.run("merclup"), "did you mean 'merclip'"),
        (lambda: merbench.run("tfn", "sample", seds=3), "did you mean 'seeds'?"),
        (lambda: merbench.run("tfn", "sample", seeds="ten"), r"run\(seeds='ten'\)"),
        (lambda: merbench.run("tfn", "sample", seeds=0), r"run\(seeds=0\)"),
        (lambda: merbench.run("tfn", "sample", seeds=[]), r"run\(seeds=\[\]\)"),
        (lambda: merbench.run("tfn", "sample", modalities="text"), r"give a list, \['text'\]"),
        (lambda: merbench.run("tfn", "sample", modalities=["smell"]), r"run\(modalities="),
        (lambda: merbench.run("tfn", "sample", jobs=True), r"run\(jobs=True\)"),
        (lambda: merbench.run("tfn", "sample", parts={"hat": "x"}), "a part is one of"),
        (lambda: merbench.run("tfn", epochs=3, settings={"train.epochs": 5}), "is 5 by settings and 3"),
        (lambda: merbench.run("tfn", parts={"fusion": "lmf"}, settings={"fusion": "tfn"}), "leave one"),
        (lambda: merbench.run("tfn", "sample", missing={"smell": 0.5}), "--missing 'smell=0.5'"),
        (lambda: merbench.robust(["tfn"], "sample", corrupt=["audio"]), "--corrupt audio"),
        (lambda: merbench.run("tfn", "nowhere"), "unknown dataset 'nowhere'"),
        (lambda: merbench.tune("tfn", "sample", trials=0), r"tune\(trials=0\)"),
        (lambda: merbench.tune("tfn", log={"tensorboard": "x"}), r"tune\(log=\) has no effect"),
        (lambda: merbench.tune("tfn", "sample", n_trials=3), "did you mean 'trials'"),
        (lambda: merbench.tune("majority", "sample"), "nothing to search: majority has no setting"),
        (lambda: merbench.run("tfn", "sample", batch_size=3), "it is settings={'train.batch_size'"),
        (lambda: merbench.ablate("tfn", ablations=["no-products"]), r"ablate\(names=\['no-products"),
        (lambda: merbench.generalise("no.toml", ablations=["x"]), r"generalise\(names=\['x'\]\)"),
        (lambda: merbench.list_parts("hats"), "unknown kind 'hats'"),
        (lambda: merbench.show("merclup"), "did you mean 'merclip'"),
        (lambda: merbench.show(3), r"show\(model=3\): give a text"),
        (lambda: merbench.load_dataset(3), r"load_dataset\(name=3\): give a text"),
        (lambda: merbench.compare("a", 3), r"compare\(b=3\): give a text"),
        (lambda: merbench.run("tfn", "sample", seeds="3"), "give a whole number"),
        (lambda: merbench.show("sample"), "not a model; merbench data show sample describes it"),
        (lambda: merbench.leaderboard("nowhere"), "no finished run"),
        (lambda: merbench.ensemble("a"), r"ensemble\(runs='a'\): give a list"),
        (lambda: merbench.ensemble(["a"], store="nowhere"), "no finished run"),
        (lambda: merbench.generalise("no.toml", ["merclip"], "sample"), "no.toml"),
        (lambda: merbench.transfer("a", ["b"]), r"give a list, \['a'\]"),
        (lambda: merbench.transfer(["a"], ["a"]), "name two different data sets"),
        (lambda: merbench.robust(["tfn"], "sample", ["audio=drop"], "mask"), "are two questions"),
        (lambda: merbench.supersede("a", "b", reason="x", store="nowhere"), "no finished run"),
        (lambda: merbench.ablate("tfn", "sample", ["no-product"]), "did you mean 'no-products'"),
        (lambda: merbench.ablate("majority", "sample"), "declares no ablations"),
        (lambda: merbench.ablate("tfn", "sample", "no-products"), r"give a list, \['no-products'\]"),
        (lambda: merbench.robust("tfn", "sample"), r"give a list, \['tfn'\]"),
        (lambda: merbench.robust(["tfn"], "sample", rates="dorp"), r"robust\(rates='dorp'\)"),
        (lambda: merbench.predict(texts="a film"), r"give a list, \['a film'\]"),
        (lambda: merbench.predict(texts=["a", None]), r"predict\(texts=\['a', None\]\): give a text"),
        (lambda: merbench.predict(texts=["a", "\ud800"]), "text 2 holds bytes that are no character"),
        (lambda: merbench.list_parts(3), r"list_parts\(kind=3\): give a text"),
        (lambda: merbench.leaderboard(3), r"leaderboard\(store=3\): give a text"),
        (lambda: merbench.leaderboard(""), r"leaderboard\(store=''\): it names nothing"),
        (lambda: merbench.leaderboard("a\0b"), "a null character can be in no name"),
        (lambda: merbench.leaderboard("n" * 5000), "name too long"),
        (lambda: merbench.leaderboard(stor="x"), "unknown keyword 'stor'; did you mean 'store'"),
        (lambda: merbench.run("tfn", "sample", "x"), r"run\(\): too many positional arguments"),
        (lambda: merbench.run("tfn", "sample", store="x", watch=3), r"run\(watch=3\)"),
        (lambda: merbench.run("tfn", settings={"train.lr": object()}), "give a text, a number"),
        (lambda: merbench.run("tfn", modalities=[]), r"run\(modalities=\[\]\)"),
        (lambda: merbench.ask("sample", "o", split="train"), r"ask\(split='train'\)"),
        (lambda: merbench.score("x", "sample", "y", seed=None), r"score\(seed=None\)"),
        (lambda: merbench.serve(".", port=99999), "it is no number of a port"),
    ],
)  # fmt: skip
def test_what_is_wrong_raises_one_sentence(call, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(merbench.RequestError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)


def test_arrays_series_and_sets_are_lists_and_numbers_of_numpy_numbers():
    given = {"a": np.array([1, 2]), "b": pd.Series(["x"]), "c": {3}, "d": np.float32(0.5)}
    assert plain({**given, "e": (n for n in (1,))}) == {
        "a": [1, 2], "b": ["x"], "c": [3], "d": 0.5, "e": [1],
    }  # fmt: skip


def test_every_keyword_is_checked_and_typed():
    checked = options_of("run", "tfn", None, {})
    assert checked.seeds == (0, 1, 2) and checked.store == Path("runs")
    values = {
        "seeds": [1], "parts": {}, "settings": {}, "encoders": {}, "streams": {}, "ablations": [],
        "text_tower": "", "thresholds": "fixed:0.5", "allow_leak": False, "force": False,
        "weights": True, "device": "cpu", "jobs": 1, "determinism": "off", "vectors": [],
        "store": "x", "progress": False, "log": {}, "labels": "", "missing": {},
    }  # fmt: skip
    for name in RunKeywords.__annotations__:
        options_of("run", "tfn", None, {name: values.get(name)})


def test_importing_merbench_imports_nothing_heavy():
    code = (
        "import merbench, sys; merbench.list_models(); merbench.RequestError; "
        "assert not {'torch', 'optuna', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(getattr(merbench, name) for name in merbench.__all__)
    with pytest.raises(AttributeError, match="rnu"):
        _ = merbench.rnu


def test_the_notebook_runs(tmp_path, monkeypatch):
    """Cell by cell, as Jupyter would; the last expression of a cell is evaluated too. On fewer
    rows than the reader's.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MERBENCH_THREADS", "1")
    notebook = json.loads((Path(__file__).parents[2] / "docs/quickstart.ipynb").read_text())
    names: dict[str, object] = {}
    cells = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    assert len(cells) >= 5
    for cell in cells:
        source = "".join(cell["source"]).replace('"sample"', repr(SAMPLE))
        exec(compile(source, "quickstart.ipynb", "exec"), names)
    assert (tmp_path / "quickstart-runs/runs").is_dir()


def test_what_was_set_aside_is_told_of_a_run_that_is_interrupted_too(tmp_path, monkeypatch, capfd):
    def interrupted(plan, corpus, seeds, store, *rest, **keywords):
        store.warnings.append("a checkpoint is damaged")
        raise KeyboardInterrupt

    monkeypatch.setattr("merbench.runs.run.run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        merbench.run("ridge", SAMPLE, store=tmp_path)
    assert "warning: a checkpoint is damaged" in capfd.readouterr().err


def test_an_audit_has_the_findings_of_the_command(merbench_command):
    result = merbench.audit(SAMPLE)
    done = loads(merbench_command("data", "audit", SAMPLE, "--json", check=True).stdout)
    assert result.to_pandas().to_dict("records") == done["findings"]
    assert result == result and result != merbench.audit(SAMPLE)
    with pytest.raises(merbench.RequestError, match="nowhere"):
        merbench.audit("nowhere")


def test_a_model_without_a_frozen_encoder_has_nothing_to_encode():
    with pytest.raises(merbench.RequestError, match="nothing to encode: no encoder of ridge on sa"):
        merbench.encode("ridge", SAMPLE, progress=False)
    with pytest.raises(merbench.RequestError, match="unknown keyword 'modality'; did you mean"):
        merbench.encode("ridge", SAMPLE, modality=["text"])


def test_what_contains_itself_is_one_sentence():
    endless = []
    endless.append(endless)
    for call in (
        lambda: merbench.run("ridge", seeds=endless),
        lambda: merbench.run("ridge", settings={"train.lr": endless}),
        lambda: merbench.leaderboard(endless),
    ):
        with pytest.raises(merbench.RequestError, match="nested without end"):
            call()


def test_vectors_that_are_not_there_are_refused_also_where_the_data_set_has_its_own(store):
    with pytest.raises(merbench.RequestError, match="word vectors 'nowhere' are neither"):
        merbench.run("tfidf-ridge", SAMPLE, store=store, vectors=["nowhere"], **QUICK)


@pytest.fixture
def calls_of_several_models(two_sets, store):
    """Name -> a call, and how many runs it makes."""
    models = ["late-fusion-dnn", "tfn", "lmf"]
    ways = {"finetune": True, "together": True, "data": two_sets}
    few = "sample:test=20,train=20,valid=20"
    calls = {
        "ablate": (partial(merbench.ablate, "tfn", few, ["no-products", "no-full-product"]), 3),
        "robust": (partial(merbench.robust, models, few, corrupt=["audio=drop"]), 3),
        # On the target alone, on the source, on both, and from both of these on.
        "transfer": (partial(merbench.transfer, ["one"], ["two"], "text-only", **ways), 5),
    }
    quick = {**QUICK, "seeds": 1, "store": store}
    return {name: (partial(call, **quick), runs) for name, (call, runs) in calls.items()}


@pytest.mark.parametrize("name", ["ablate", "robust", "transfer"])
def test_a_forced_call_of_several_models_goes_on_after_a_kill(name, calls_of_several_models, store):
    call, runs = calls_of_several_models[name]
    call()
    trained = []

    def train(killed_in=0):
        def watch(event):
            if isinstance(event, EpochDone):
                trained.append(event.run_id)
                if len(trained) == killed_in:
                    raise KeyboardInterrupt

        trained.clear()
        call(force=True, watch=watch)
        return sorted(trained)

    with pytest.raises(KeyboardInterrupt):
        train(killed_in=2)
    first, killed = trained
    rest = train()
    assert len(rest) == runs - 1 and first not in rest and killed in rest
    left = list((store / "checkpoints").iterdir())
    assert not left, "of a call that has ended, so that the next one makes all of its runs again"

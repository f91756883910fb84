"""The command that a page shows for a row, given to the program, asks for the very runs of that
row.
"""

from __future__ import annotations

import dataclasses
import shlex

import pytest

from merbench.analyses.ablate import ablated_requests, plans_of
from merbench.api import RequestError
from merbench.cli.main import cli
from merbench.cli.shared.session import Session
from merbench.engine.plan.plan import Request
from merbench.engine.plan.start_weights import Start
from merbench.engine.resolve import resolve
from merbench.report.site.board_page.reproduce import command
from merbench.results.spec import run_id, series
from merbench.results.store.store import Store
from merbench.runs.init_from import of_series, start_from
from merbench.runs.run import run
from merbench.testing import tiny
from tests.tiny_runs import MACHINE, in_folds

SUBSETS = ("merclip", "mult", "text-only")
CORPORA = {kind: in_folds(tiny.corpus(kind)) for kind in ("score", "class", "multilabel")}


@pytest.fixture
def asked(catalog, monkeypatch):
    """A command -> the ids of the runs that it asks for, on a tiny data set; none is made."""
    requests = []

    class Resolves:
        def __init__(self, session, options):
            start = Start(options.init_from) if options.init_from else None
            plan = resolve(dataclasses.replace(options.request, start=start), catalog, corpus, None)
            requests.extend(
                run_id(plan.spec, plan.contents, seed, split.fold)
                for seed in options.seeds
                for split in plan.protocol.splits
            )
            raise SystemExit

    monkeypatch.setattr(Session, "bench", lambda self, options: Resolves(self, options))
    monkeypatch.setattr(Session, "catalog", catalog)

    def asked(line, kind="score"):
        nonlocal corpus
        corpus = CORPORA[kind]
        requests.clear()
        with pytest.raises(SystemExit):
            cli(shlex.split(line)[1:], standalone_mode=False)
        return list(requests)

    corpus = None
    return asked


def ids(plan, seeds):
    return [
        run_id(plan.spec, plan.contents, seed, split.fold)
        for seed in seeds
        for split in plan.protocol.splits
    ]


@pytest.mark.parametrize("kind", CORPORA)
def test_of_every_variant_that_ablate_makes_of_every_model(kind, catalog, asked):
    commands = set()
    for model in catalog.names("recipe"):
        recipe, request = catalog.recipe(model), Request(model)
        try:
            full = resolve(request, catalog, CORPORA[kind], None)
        except RequestError:
            continue
        requests = ablated_requests(
            recipe,
            # An ablation is the same setting whatever the kind of target.
            [a.name for a in recipe.ablations if kind == "score" or model == "merclip"],
            tuple(full.streams),
            request,
            # So is a subset of the modalities, whatever the model.
            all_subsets=model in SUBSETS,
        )
        plans, _ = plans_of(
            requests, full, lambda request: resolve(request, catalog, CORPORA[kind], None)
        )
        for name, plan in {"full": full, **plans}.items():
            assert asked(command(plan.spec, [0, 1]), kind) == ids(plan, [0, 1]), f"{model} {name}"
            commands.add(name)
    assert {"full", "no-label-encoder", "joint-decoder", "text", "audio+video"} <= commands, (
        "all kinds of variants were seen"
    )


REQUESTS = {
    "settings": Request(
        "merclip",
        settings={
            "train.lr": 5e-4,
            "fusion.order": ["video", "text", "audio"],
            "encoder.text.drop": ["a b", "="],
        },
    ),
    "parts": Request(
        "lmf",
        settings={"head": "mlp", "encoder.audio": "feature-bilstm"},
        modalities=("text", "audio"),
    ),
    "no objective but one": Request("merclip", settings={"objective": "task"}),
    "stream": Request("text-only", streams={"text": "text.transcript"}, protocol="folds"),
    "two ablations": Request("merclip", ablations=("no-label-encoder", "joint-decoder")),
    "no input": Request("majority"),
    "start": Request("lmf", start=Start("0123456789abcdef")),
    "stages": Request("kuda", settings={"stage.knowledge.epochs": 99, "stage.main.lr": 0.01}),
    "rows that lack modalities": Request("lmf", missing="any=0.5,text=mask:0.1:0.3"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_of_what_else_a_run_may_be_asked_for(name, catalog, asked):
    plan = resolve(REQUESTS[name], catalog, CORPORA["score"], None)
    assert asked(command(plan.spec, [2, 7])) == ids(plan, [2, 7])


def test_of_hidden_labels(catalog, asked):
    request = Request("text-only", labels="keep:0.3")
    plan = resolve(request, catalog, CORPORA["multilabel"], None)
    assert asked(command(plan.spec, [0, 1]), "multilabel") == ids(plan, [0, 1])


def test_a_series_is_a_start(catalog, tmp_path):
    corpus, store = CORPORA["score"], Store(tmp_path)
    plan = resolve(Request("lmf", settings={"train.epochs": 1}), catalog, corpus, None)
    run(plan, corpus, [0, 1], store, MACHINE)
    name = series(plan.spec, plan.contents)
    start = start_from(store, of_series(store, name), (0, 1))
    assert start.series == name and {seed for seed, _ in start.weights} == {0, 1}

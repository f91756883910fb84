"""``--missing``: train rows lack modalities at the rates asked for, by seed; other rows keep
theirs.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from merbench.api import RequestError
from merbench.engine.build import build
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.restore import plan_of
from merbench.engine.rows.missing import Rate, canonical, check, incomplete, parse, written
from merbench.engine.rows.splits import Fold
from merbench.results.spec import run_id
from merbench.testing import tiny

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def corpus():
    return tiny.corpus("score", size=600)


@pytest.fixture(scope="module")
def streams(corpus):
    return {s.modality: s for s in corpus.streams.values() if s.kind == "features"}


def lacking(corpus_streams, policy, rows, seed=0):
    """Modality -> [N], whether a row lost all of it."""
    damaged = incomplete(policy, corpus_streams, rows, seed, None)
    before = {m: s.length[rows] > 0 for m, s in corpus_streams.items()}
    return {m: before[m] & (s.length[rows] == 0) for m, s in damaged.items()}


@pytest.mark.parametrize(
    ("policy", "rates"),
    [
        ("audio=0.5", {"audio": Rate(0.5, 0.5)}),
        ("any=0.1:0.9", {"any": Rate(0.1, 0.9)}),
        ("text=0.2, audio=0.8", {"text": Rate(0.2, 0.2), "audio": Rate(0.8, 0.8)}),
        ("any=mask:0:0.9", {"any": Rate(0, 0.9, mask=True)}),
        ("", {}),
    ],
)
def test_policies_are_read(policy, rates):
    assert parse(policy) == rates


WRONG = ("audio", "audio=", "audio=x", "audio=1", "audio=-.1", "audio=0", "audio=.9:.1", "smell=.5")
WRONG += ("audio=.1:.2:.3", "any=drop:.5", "any=mask", "audio=nan", "audio=0:0")


@pytest.mark.parametrize("policy", WRONG)
def test_what_is_not_of_the_form_is_one_sentence(policy):
    with pytest.raises(RequestError, match=r"^--missing .* is not of the form MODALITY=RATE"):
        parse(policy)


def test_a_modality_is_named_once_and_must_be_offered(streams):
    with pytest.raises(RequestError, match="audio is named twice"):
        parse("audio=0.5,audio=0.2")
    with pytest.raises(RequestError, match="these data offer no text"):
        check("text=0.5", {"audio": streams["audio"]})
    clips = dataclasses.replace(streams["audio"], kind="clip")
    with pytest.raises(RequestError, match="holds clips, of which no step can be taken out"):
        check("any=mask:0.5", {"audio": clips})


rate = st.floats(0.01, 0.98).map(lambda x: f"{x:.2f}")
policies = st.dictionaries(
    st.sampled_from(("text", "audio", "video", "any")), st.one_of(rate, rate.map("mask:{}".format))
)


@settings(max_examples=25)
@given(policies, st.randoms())
def test_equal_policies_are_written_equally(rates, random):
    names = list(rates)
    random.shuffle(names)
    shuffled = written({name: rates[name] for name in names})
    assert canonical(shuffled) == canonical(written(rates))
    assert parse(canonical(shuffled)) == parse(shuffled)
    assert canonical(canonical(shuffled)) == canonical(shuffled)


@pytest.mark.parametrize("policy", ["audio=0.9999999", "any=0.12345678:0.5", "text=mask:1e-12"])
def test_a_rate_of_many_digits_stays_the_rate_asked_for(policy):
    assert parse(canonical(policy)) == parse(policy)


def test_rates_are_those_asked_for_and_differ_by_modality(corpus, streams):
    rows = np.arange(500)
    lost = lacking(streams, "audio=0.8,video=0.2", rows)
    assert lost["audio"].mean() == pytest.approx(0.8, abs=0.06)
    assert lost["video"].mean() == pytest.approx(0.2, abs=0.06)
    again = lacking(streams, "audio=0.8,video=0.2", rows)
    other = lacking(streams, "audio=0.8,video=0.2", rows, seed=1)
    assert np.array_equal(lost["audio"], again["audio"])
    assert not np.array_equal(lost["audio"], other["audio"])
    folds = [incomplete("audio=0.8,video=mask:0.1:0.5", streams, rows, 0, fold) for fold in (0, 1)]
    for m in ("audio", "video"):
        assert not np.array_equal(*(fold[m].length for fold in folds)), "each fold draws its own"
    stronger = lacking(streams, "audio=0.9", rows)["audio"]
    assert not (lost["audio"] & ~stronger).any(), "a higher rate takes what a lower one does"
    damaged = incomplete("audio=0.8", streams, rows, 0, None)
    assert np.array_equal(damaged["audio"].length[500:], streams["audio"].length[500:])
    assert damaged["video"] is streams["video"]


def test_a_range_gives_a_row_one_rate_for_all_its_modalities(streams):
    rows = np.arange(500)
    lost = lacking(streams, "any=0:0.9", rows)
    assert lost["audio"].mean() == pytest.approx(0.45, abs=0.06)
    both = np.corrcoef(lost["audio"], lost["video"])[0, 1]
    assert both > 0.15, "rows with a high rate lack several modalities"
    fixed = lacking(streams, "any=0.45", rows)
    assert abs(np.corrcoef(fixed["audio"], fixed["video"])[0, 1]) < 0.12


def test_single_steps_are_taken_out(streams):
    rows = np.arange(500)
    audio = incomplete("audio=mask:0.3", streams, rows, 0, None)["audio"]
    kept_share = audio.length[rows].sum() / streams["audio"].length[rows].sum()
    assert kept_share == pytest.approx(0.7, abs=0.05)
    row = int(np.argmax(streams["audio"].length[rows]))
    complete, some = (
        {tuple(step) for step in s.values[s.start[row] : s.start[row] + s.length[row]]}
        for s in (streams["audio"], audio)
    )
    assert some < complete


def problem(catalog, corpus, seed=0, model="tfn", **request):
    plan = resolve(Request(model, **request), catalog, corpus, None)
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    return plan, fold, build(plan, fold, seed, CPU)


def empty(split, modality):
    """[N], whether a row's input of the modality has no step."""
    batch = split.batch(torch.arange(len(split)))
    return ~batch.inputs[modality].mask_BL.any(1)


def test_train_rows_are_incomplete_and_no_others(catalog, corpus):
    _, fold, modules = problem(catalog, corpus)
    other, _, some = problem(catalog, corpus, missing="audio=.5")
    before, after = (empty(p.train, "audio") for p in (modules, some))
    share = float(after.float().mean())
    assert before.sum() < 5 and after[before].all()
    assert share == pytest.approx(0.5, abs=0.08) and len(some.train) == len(modules.train)
    assert some.measured["audio"]["missing"] == pytest.approx(share)
    assert torch.equal(empty(some.train, "video"), empty(modules.train, "video"))
    assert torch.equal(empty(some.valid, "audio"), empty(modules.valid, "audio"))
    assert empty(fold.data("test", some.encoders, CPU), "audio").sum() < 5
    assert other.track.missing == "audio=0.5" and "train missing audio=0.5" in other.track.title


def test_runs_without_it_keep_their_ids(catalog, corpus):
    plan, *_ = problem(catalog, corpus)
    other, *_ = problem(catalog, corpus, missing="audio=0.50")
    assert "missing" not in plan.spec.identity() and "missing" not in plan.track.model_dump()
    assert run_id(other.spec, {}, 0, None) != run_id(plan.spec, {}, 0, None)
    assert plan_of(other.spec, catalog, corpus, None).spec == other.spec


@pytest.mark.parametrize("model", ["ridge", "late-fusion-dnn"])
def test_a_model_of_another_kind_learns_from_them(catalog, corpus, model):
    plan, _, some = problem(catalog, corpus, model=model, missing="any=0.9")
    if plan.recipe.closed_form:
        some.model.fit(some.train, some.valid)
    out = some.model(some.train.batch(torch.arange(64)))
    assert torch.isfinite(out.logits_BC).all()

"""Which checkpoint a run goes on from, and what its record says of the time before."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from merbench.api.events import ignore
from merbench.engine.training.checkpoint import Checkpoint
from merbench.runs import runs_of_a_plan
from merbench.runs.run import run
from merbench.runs.runs_of_a_plan import Work
from tests.tiny_runs import MACHINE


def test_a_checkpoint_is_of_one_run_source_torch_and_machine(make, store, monkeypatch):
    """Each of them may give other bits."""
    plan, corpus = make("majority")

    def identity(seed=0, **machine):
        work = Work(plan, corpus, store, dataclasses.replace(MACHINE, **machine))
        return work.checkpoint(work.draft(seed, plan.protocol.splits[0]), ignore).identity

    identities = [identity(), identity(1), identity(threads=2), identity(determinism="off")]
    assert identities[0] == identity()
    with monkeypatch.context() as other:
        other.setattr(torch, "__version__", "0.1")
        identities.append(identity())
    with monkeypatch.context() as other:
        other.setattr(runs_of_a_plan, "code_digest", lambda *words: "another source")
        identities.append(identity())
    assert all(identities.count(known) == 1 for known in identities)


@pytest.mark.parametrize("stack", [False, True])
def test_seconds_before_an_interruption_count_and_each_run_reads_test_rows_last(
    make, store, monkeypatch, stack
):
    def load(checkpoint):
        checkpoint.spent = 1e6

    monkeypatch.setattr(Checkpoint, "load", load)
    plan, corpus = make("merclip", settings={"train.epochs": 1, "train.stack": stack})
    for record in run(plan, corpus, [0, 1], store, MACHINE):
        assert record.cost.seconds == pytest.approx(5e5 if stack else 1e6, rel=0.1)
        assert record.reads == ["train", "valid", "trained", "test"]

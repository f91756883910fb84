"""Determinism: what each policy does with an operation that has no deterministic kernel, and that
the record tells which it was.
"""

from __future__ import annotations

import warnings

import pytest
import torch

from merbench.engine.model.compose import Composed
from merbench.runs.run import Machine, run
from tests.conftest import loads
from tests.tiny_runs import SAMPLE


@pytest.fixture
def prepared():
    """A machine by its policy; afterwards torch is as it was."""
    before = torch.get_deterministic_debug_mode()
    yield lambda policy: Machine.choose("cpu", 1, determinism=policy)
    torch.set_deterministic_debug_mode(before)


def by_chance(self, batch, sound=Composed.forward):
    out = sound(self, batch)
    torch.zeros(2).put_(
        torch.tensor([0]), torch.ones(1)
    )  # torch has no deterministic kernel for it
    return out


@pytest.mark.parametrize("policy", ["off", "prefer", "strict"])
def test_an_operation_without_a_deterministic_kernel(policy, prepared, make, store, monkeypatch):
    monkeypatch.setattr(Composed, "forward", by_chance)
    plan, corpus = make("text-only")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        (record,) = run(plan, corpus, [0], store, prepared(policy))
    assert bool([w for w in warned if "put_" in str(w.message)]) == (policy == "prefer")
    assert (record.provenance["determinism"], record.provenance["deterministic"]) == (
        policy,
        policy != "off",
    )
    assert record.status == ("failed" if policy == "strict" else "done")
    if policy == "strict":
        assert (
            record.error
            == "put_ has no deterministic kernel on cpu; --determinism prefer does without one"
        )


def test_the_option_reaches_the_record_and_changes_no_bit_on_a_cpu(merbench, prepared):
    words = (
        "run",
        "--model",
        "late-fusion-dnn",
        "--dataset",
        SAMPLE,
        "--epochs",
        "1",
        "--seeds",
        "1",
        "--force",
        "--json",
    )
    runs = [
        loads(merbench(*words, "--determinism", policy, check=True).stdout)["runs"][0]
        for policy in ("prefer", "strict", "off")
    ]
    assert [r["provenance"]["determinism"] for r in runs] == ["prefer", "strict", "off"]
    assert len({r["run_id"] for r in runs}) == len({r["weights_sha256"] for r in runs}) == 1
    assert merbench(*words, "--determinism", "sometimes").returncode == 2

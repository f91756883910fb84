"""Runs as they were before the house was rearranged: the same ids, and the same weights to the last
bit where they were trained with the same torch on the same kind of processor.
"""

from __future__ import annotations

import hashlib

import pytest
import torch
from safetensors.numpy import load_file

RECORDED = {
    "merclip": ("8e99783934b9cc43", "cff6fcdf9c32539d"),
    "text-only": ("681d7fbe8d72f97a", "7f77a90ea6484206"),
    "tfn": ("094cccf93aab282b", "c14427cf0c84938d"),
}
"""Model -> (run id, digest of the weights) after two epochs on the control set with seed 0."""
WITH = ("2.14.1", "AVX2")


@pytest.mark.parametrize("model", RECORDED)
def test_a_run_gives_the_recorded_weights(merbench, tmp_path, model):
    run_id, recorded = RECORDED[model]
    options = ("--dataset", "sample", "--epochs", "2", "--seeds", "1", "--json", "--store", "kept")
    # What its head began with then.
    clip = ("--set", "head.start=clip", "--set", "head.tau_rate=1") if model == "merclip" else ()
    merbench("run", "--model", model, *options, *clip, check=True)
    weights = tmp_path / "kept" / "weights" / f"{run_id}.safetensors"
    assert weights.exists(), "the run has another id"
    here = (torch.__version__.partition("+")[0], torch.backends.cpu.get_cpu_capability())
    if here != WITH:
        pytest.skip(f"weights were recorded with torch {' and '.join(WITH)}; here: {here}")
    digest = hashlib.sha256()
    for name, values in sorted(load_file(weights).items()):
        digest.update(name.encode() + values.tobytes())
    assert digest.hexdigest()[:16] == recorded

#!/usr/bin/env bash
# Most of MMSA's dynamic fusion graph is neither trained nor saved.
#
# Versions:  MMSA 2.2.1, torch 2.14.1 (CPU), numpy 2.4.6.
# Guess:     what a model computes with is among its parameters, so that an optimiser over
#            `model.parameters()` trains it, and a saved and loaded state predicts the same.
# Behaviour: the networks of the nodes of two and of three modalities keep the weights that they
#            were drawn with: 127,056 of 1,062,016 at the settings below. `state_dict()` lacks them
#            too, so that a state loaded into a new model gives other predictions.
# Source:    MMSA, models/singleTask/Graph_MFN.py: DynamicFusionGraph.__init__ keeps them in
#            `self.networks = {}`, a plain dict, where torch.nn.Module does not look.
#            trains/singleTask/Graph_MFN.py: optim.Adam(model.parameters(), ...).
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet torch==2.14.1 numpy==2.4.6
    # The model's file needs no more than torch.
    "$PYTHON" -m pip install --quiet --no-deps MMSA==2.2.1
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"mmsa": "2.2.1", "torch": "2.14.1", "numpy": "2.4.6"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distribution
from importlib.util import module_from_spec, spec_from_file_location
from types import SimpleNamespace

import torch

path = distribution("MMSA").locate_file("MMSA/models/singleTask/Graph_MFN.py")
spec = spec_from_file_location("graph_mfn", path)
module = module_from_spec(spec)
spec.loader.exec_module(module)

layer = {"drop": 0.0, "shapes": 128}
settings = SimpleNamespace(
    feature_dims=(768, 5, 20),
    hidden_dims=(128, 16, 128),
    memsize=300,
    inner_node_dim=64,
    train_mode="regression",
    NNConfig=layer,
    gamma1Config=layer,
    gamma2Config=layer,
    outConfig={"drop": 0.0, "shapes": 32},
    device="cpu",
)


def build(seed):
    torch.manual_seed(seed)
    return module.Graph_MFN(settings)


model = build(0)
rows = [torch.randn(8, 6, width) for width in settings.feature_dims]
nodes = model.graph_mfn.networks
before = {key: [p.detach().clone() for p in net.parameters()] for key, net in nodes.items()}
optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(3):
    optimiser.zero_grad()
    model(*rows)["M"].square().mean().backward()
    optimiser.step()

seen = sum(p.numel() for p in model.parameters())
unseen = sum(p.numel() for net in nodes.values() for p in net.parameters())
gradient = min(float(p.grad.abs().max()) for net in nodes.values() for p in net.parameters())
moved = any(
    not torch.equal(old, new)
    for key, net in nodes.items()
    for old, new in zip(before[key], net.parameters(), strict=True)
)
reloaded = build(1)
reloaded.load_state_dict(model.state_dict())
with torch.no_grad():
    apart = float((model(*rows)["M"] - reloaded(*rows)["M"]).abs().max())
print(f"among the model's parameters: {seen:,}; in nodes of several modalities: {unseen:,}")
print(f"their gradients after a pass: at least {gradient:.1e}; moved by three steps: {moved}")
print(f"predictions of the state in a new model differ by up to {apart:.1e}")
same = (seen, unseen) == (934960, 127056) and gradient > 0 and not moved and apart > 1e-4
sys.exit(not same)
END

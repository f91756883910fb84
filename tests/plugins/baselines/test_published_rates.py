"""The rate and the weight decay that each method's authors give the language model, on MOSI and on
MOSEI.
"""

from __future__ import annotations

import dataclasses

import pytest

from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.testing import tiny
from tests.towers import tiny_text

TOWER = "encoders.text.net."
RATES = {  # MOSI, MOSEI
    "almt": (1e-4, 1e-4),
    "cenet": (1e-5, 1e-5),
    "dlf": (1e-4, 1e-4),
    "dmd": (1e-4, 1e-4),
    "emt-dlfr": (5e-5, 2e-5),
    "glomo": (4e-5, 1e-5),
    "lnln": (1e-4, 1e-4),
    "mag": (2e-5, 1e-5),
    "misa": (1e-4, 1e-4),
    "mmim": (5e-5, 5e-5),
    "self-mm": (5e-5, 5e-5),
    "tetfn": (3e-5, 3e-5),
    "tfr-net": (1e-5, 1e-5),
}
DECAYS = {  # prefix -> on MOSI, on MOSEI
    "emt-dlfr": {"fusion.read.audio.": (1e-2, 1e-3), "fusion.read.video.": (1e-3, 1e-3)},
    "self-mm": {TOWER: (1e-3, 1e-3), "fusion.read.audio.": (1e-3, 0), "fusion.fuse": (1e-3, 1e-2)},
}
"""Those of one method differ by part. Of TETFN's on MOSI none but the common one is built."""


@pytest.fixture(scope="module")
def train(catalog, tmp_path_factory):
    tower = str(tiny_text(tmp_path_factory.mktemp("tower")))

    def train(model, dataset):
        corpus = dataclasses.replace(tiny.corpus(), name=dataset)
        return resolve(Request(model, text_tower=tower), catalog, corpus, None).train

    return train


def test_a_language_model_learns_at_its_authors_rate(train):
    for name, rates in RATES.items():
        for dataset, rate in zip(("mosi", "mosei"), rates, strict=True):
            config = train(name, dataset)
            assert config.lr * config.lr_factors[TOWER] == pytest.approx(rate), (name, dataset)


def test_parts_decay_as_their_authors_have_it(train):
    for name, decays in DECAYS.items():
        for at, dataset in enumerate(("mosi", "mosei")):
            config = train(name, dataset)
            for prefix, decay in decays.items():
                factor = config.decay_factors.get(prefix, 1.0)
                assert config.weight_decay * factor == pytest.approx(decay[at]), (name, prefix)

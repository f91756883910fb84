"""Which of a modality's own attention dropouts each transformer has."""

import pytest

from merbench_baselines.attention import Attention
from merbench_baselines.disentangled.dlf import DLF
from merbench_baselines.disentangled.dmd import DMD
from merbench_baselines.fusions.mult import MulT
from merbench_baselines.incomplete.tfr_net import TFRNet
from merbench_baselines.unimodal.tetfn import TETFN
from tests.plugins.baselines.made_parts import WIDTHS, make

OWN = {"text": 0.1, "audio": 0.2, "video": 0.3}
SOURCE = {f"{s}_to_{t}": OWN[s] for s in WIDTHS for t in WIDTHS if s != t}
TEXT = dict.fromkeys(WIDTHS, OWN["text"])
EXPECTED = {
    MulT: {"cross": SOURCE, "memory": TEXT},
    TETFN: {
        "cross": SOURCE,
        "enhance": dict.fromkeys(("audio_to_video", "video_to_audio"), OWN["text"]),
        "memory": TEXT,
    },
    DMD: {"cross": SOURCE, "shared_memory": OWN, "memory": TEXT},
    DLF: {
        "part": OWN,
        "shared": OWN["text"],
        "shared_memory": OWN,
        "attract": {m: OWN[m] for m in ("audio", "video")},
        "memory": TEXT,
    },
    TFRNet: {"attend": {**SOURCE, **{f"{m}_to_{m}": rate for m, rate in OWN.items()}}},
}


def rates(module):
    """The dropouts of all attention within."""
    return {m.dropout.p for m in module.modules() if isinstance(m, Attention)}


@pytest.mark.parametrize("factory", EXPECTED, ids=lambda factory: factory.__name__)
def test_a_source_is_attended_to_with_its_own_dropout_and_what_follows_with_the_texts(factory):
    settings = {f"attn_dropout_{m}": rate for m, rate in OWN.items()}
    fusion = make(factory, **settings)
    for name, expected in EXPECTED[factory].items():
        part = getattr(fusion, name)
        if isinstance(expected, float):
            assert rates(part) == {expected}, name
        else:
            found = {key: rates(child) for key, child in part.items()}
            assert found == {key: {rate} for key, rate in expected.items()}, name

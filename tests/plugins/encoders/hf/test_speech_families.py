"""Every speech model of transformers that reads samples: a row alone equals a row in a batch, and
what is none of them is refused in one sentence.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers
from transformers import AutoModel
from transformers.models.auto.configuration_auto import (
    CONFIG_MAPPING,
    CONFIG_MAPPING_NAMES,
    model_type_to_module_name,
)
from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

from merbench.api import RequestError, StreamSpec
from merbench.testing import tiny
from merbench_encoders.hf.audio import MASKING, HfAudio
from merbench_encoders.sound.waves import Waves
from tests.towers import WAVES, tiny_speech

CONTEXT = tiny.context()
AUDIO = StreamSpec("audio.clip", "audio", "clip")
MODELS = Path(transformers.__file__).parent / "models"
OTHERS = {"omniasr_audio", "speecht5"}
"""Have convolutions over samples, and read their input in another form."""
TINY = {
    **WAVES,
    "num_buckets": 8,
    "max_bucket_distance": 16,
    "squeeze_factor": 2,
    **{f"{side}_attention_heads": 2 for side in ("encoder", "decoder")},
    **{f"{side}_layers": 1 for side in ("encoder", "decoder")},
}


def families():
    """(model type, norm of its convolutions) of every configuration with convolutions that have
    strides; the others are not imported, which would take a minute.
    """
    for name in CONFIG_MAPPING_NAMES:
        folder = MODELS / model_type_to_module_name(name)
        text = "".join(file.read_text() for file in folder.glob("configuration_*.py"))
        if "conv_kernel" not in text or "conv_stride" not in text:
            continue
        settings = CONFIG_MAPPING[name]()
        if name in MODEL_MAPPING_NAMES and isinstance(
            getattr(settings, "conv_kernel", None), (list, tuple)
        ):
            norms = ("group", "layer") if hasattr(settings, "feat_extract_norm") else ("",)
            yield from ((name, norm) for norm in norms)


FAMILIES = list(families())


def encoder_of(folder, name, norm, **settings):
    kind = CONFIG_MAPPING[name]
    known = {k: v for k, v in TINY.items() if hasattr(kind(), k)}
    norms = {"feat_extract_norm": norm} if norm else {}
    torch.manual_seed(0)
    net = AutoModel.from_config(kind(**known, **norms))
    net.save_pretrained(folder)
    config = HfAudio.Config(model=str(folder), **settings)
    return HfAudio(config, CONTEXT, AUDIO).eval()


def test_the_families_are_found():
    assert {"wav2vec2", "hubert", "wavlm", "data2vec-audio"} <= {name for name, _ in FAMILIES}
    installed = {name for name in MASKING | OTHERS if name in CONFIG_MAPPING}
    assert {name for name, _ in FAMILIES} >= installed


@pytest.mark.parametrize(("name", "norm"), [f for f in FAMILIES if f[0] not in OTHERS])
@pytest.mark.parametrize("layer", [-1, 1])
def test_a_row_alone_equals_a_row_in_a_batch(name, norm, layer, tmp_path):
    if name.startswith("sew") and layer == 1:
        with pytest.raises(RequestError, match=r"layer=1 of .* has 399 frames where its output"):
            encoder_of(tmp_path, name, norm, layer=layer)
        with pytest.raises(RequestError, match="the 2 hidden states up to layer=-1 differ in len"):
            encoder_of(tmp_path, name, norm, mean_layers=2)
        return
    encoder = encoder_of(tmp_path, name, norm, layer=layer)
    length_B = torch.tensor([400, 250, 0, 131, 250])
    wave_BS = torch.randn(5, 400)
    real_BS = torch.arange(400) < length_B[:, None]
    calls = []
    encoder.net.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        together = encoder(Waves(torch.where(real_BS, wave_BS, torch.nan), length_B))
        assert len(calls) == (1 if encoder.masks_padding else 3)
        for row, length in enumerate(length_B.tolist()):
            alone = encoder(Waves(wave_BS[row : row + 1, :length], length_B[row : row + 1]))
            assert alone.mask_BL.sum() == together.mask_BL[row].sum()
            actual, want = (
                together.x_BLD[row][together.mask_BL[row]],
                alone.x_BLD[0][alone.mask_BL[0]],
            )
            torch.testing.assert_close(actual, want, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["wav2vec2", "data2vec-audio"])
def test_one_long_wave_among_short_ones_makes_no_batch_of_its_length(name, tmp_path):
    encoder = encoder_of(tmp_path, name, "layer")
    encoder.steps_at_once = 500
    length_B = torch.tensor([150, 900, 200, 0, 150, 200, 200])
    wave_BS = torch.randn(7, 900)
    waves = Waves(torch.where(torch.arange(900) < length_B[:, None], wave_BS, 0.0), length_B)
    sizes = []
    encoder.net.register_forward_hook(
        lambda net, args, kwargs, out: sizes.append(kwargs["input_values"].shape), with_kwargs=True
    )
    with torch.no_grad():
        steps = encoder(waves)
        assert all(rows * samples <= 500 or rows == 1 for rows, samples in sizes)
        assert sum(rows for rows, _ in sizes) == 6
        encoder.steps_at_once = 10**6
        together = encoder(waves)
    actual, want = (encoded.x_BLD[steps.mask_BL] for encoded in (steps, together))
    torch.testing.assert_close(actual, want, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "norm"), [f for f in FAMILIES if f[0] in OTHERS])
def test_a_model_with_another_form_of_input_is_refused(name, norm, tmp_path):
    with pytest.raises(RequestError, match=r"no model of the wav2vec 2\.0 family|not one plain"):
        encoder_of(tmp_path, name, norm)


def test_how_waves_are_made_ready_is_read_wherever_it_was_saved(tmp_path):
    """A processor that is saved as a whole leaves only ``processor_config.json``."""
    folder = tiny_speech(tmp_path, "hubert")
    config_file = folder / "preprocessor_config.json"
    settings = json.loads(config_file.read_text())
    digest = HfAudio.pretrained(HfAudio.Config(model=str(folder)))
    config_file.unlink()
    (source,) = HfAudio.sources(HfAudio.Config(model=str(folder))).values()
    assert source.endswith("beside it: 16 kHz and normalised waves assumed")
    (folder / "processor_config.json").write_text(json.dumps({"feature_extractor": settings}))
    config = HfAudio.Config(model=str(folder))
    assert list(HfAudio.sources(config).values()) == ["hubert (local)"]
    encoder = HfAudio(config, CONTEXT, AUDIO)
    assert encoder.sampling_rate == 8000 and not encoder.normalised
    assert HfAudio.pretrained(config) != digest

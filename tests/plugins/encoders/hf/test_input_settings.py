"""How waves are made ready, as a model's files say; what they cannot say is refused."""

import json

import pytest

from merbench.api import RequestError
from merbench_encoders.hf.models import input_settings


@pytest.mark.parametrize("rate", ["fast", None, 0, -5, 2.5, 10**9])
@pytest.mark.parametrize("name", ["preprocessor_config.json", "processor_config.json"])
def test_a_rate_that_sound_cannot_have_is_refused(rate, name, tmp_path):
    settings = {"sampling_rate": rate}
    whole = settings if name.startswith("pre") else {"feature_extractor": settings}
    (tmp_path / name).write_text(json.dumps(whole))
    with pytest.raises(RequestError, match=rf"{name} has a sampling_rate of .*copy it"):
        input_settings(tmp_path)


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_a_damaged_file_is_refused(text, tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(RequestError, match="holds no settings in JSON; copy it"):
        input_settings(tmp_path)


def test_settings_are_those_of_either_file_and_none_without_one(tmp_path):
    assert input_settings(tmp_path) == {}
    settings = {"sampling_rate": 8000, "do_normalize": False}
    (tmp_path / "processor_config.json").write_text(json.dumps({"feature_extractor": settings}))
    assert input_settings(tmp_path) == settings
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"do_normalize": True}))
    assert input_settings(tmp_path) == {"do_normalize": True}

"""Field types that the configurations of this package share, and settings that each modality has
of its own.
"""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field

from merbench.api import Config, Modality, Tune

Width = Annotated[int, Field(ge=1), Tune(16, 256, log=True)]
TextWidth = Annotated[int, Field(ge=1), Tune(16, 256, log=True, modality="text")]
LSTMTextWidth = Annotated[
    int, Field(ge=1), Tune(16, 256, log=True, modality="text", where=("text", "lstm"))
]
"""Searched where the setting ``text`` of the same config says that an LSTM reads the text."""
AudioWidth = Annotated[int, Field(ge=1), Tune(8, 128, log=True, modality="audio")]
VideoWidth = Annotated[int, Field(ge=1), Tune(8, 128, log=True, modality="video")]

StepWidth = Annotated[int, Field(ge=2), Tune(choices=(20, 30, 40, 50, 60))]
"""Of steps that attend to each other; every choice fits every choice of ``Heads``."""
Heads = Annotated[int, Field(ge=1), Tune(choices=(2, 5, 10))]

Layers = Annotated[int, Field(ge=1), Tune(1, 4)]
ManyLayers = Annotated[int, Field(ge=1), Tune(1, 5)]

Kernel = Annotated[int, Field(ge=1), Tune(choices=(1, 3, 5))]
"""Steps that a convolution over time sees at once."""
TextKernel = Annotated[int, Field(ge=1), Tune(choices=(1, 3, 5), modality="text")]
AudioKernel = Annotated[int, Field(ge=1), Tune(choices=(1, 3, 5), modality="audio")]
VideoKernel = Annotated[int, Field(ge=1), Tune(choices=(1, 3, 5), modality="video")]

Dropout = Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.6)]
TextDropout = Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.6, modality="text")]
AudioDropout = Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.6, modality="audio")]
VideoDropout = Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.6, modality="video")]


def by_modality(config: Config, name: str, modalities: Iterable[Modality]) -> dict[Modality, Any]:
    """``by_modality(config, "kernel", widths)["text"]`` is ``config.kernel_text``."""
    return {m: getattr(config, f"{name}_{m}") for m in modalities}

"""``hf-masked``: a masked language model of transformers, for methods that work inside it and
predict words.
"""

from __future__ import annotations

from torch import Tensor

from merbench.api import RequestError
from merbench_encoders.hf.inside import INSTEAD, HfInside


class HfMasked(HfInside):
    """As ``hf-inside``, and its ``language_model`` scores words. RequestError where the model is no
    masked language model.
    """

    kind = "AutoModelForMaskedLM"

    def _check_head(self) -> None:
        if self.language_model.mask is None:
            raise RequestError(
                f"{type(self.net).__name__} is no masked language model; "
                f"choose one that is, or {INSTEAD}"
            )

    def _example(self) -> Tensor:
        states_BLD: Tensor = super()._example()
        return self.language_model.scores(states_BLD[:, 0], [[i] for i in range(8)])

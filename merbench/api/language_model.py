"""The interface of a language model that a text encoder shares with the parts after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    Change = Callable[[Tensor], Tensor]
    """States [B, L, D] -> states of the same shape."""


class LanguageModel(Protocol):
    """What a text encoder declared with ``provides=("language_model",)`` has as ``language_model``,
    and label encoder, fusion, head, whole model and objectives find in their ``Context``.

    The encoder's Steps are then the embeddings of its pieces, before any layer, so that a fusion
    may put audio, video or a prompt beside them, or change states between two layers. It is no
    Module: a part that keeps it does not own its weights, which the encoder saves and trains.

    ``width``: D of embeddings and states. ``depth``: number of its layers. ``places``: steps that
    it takes at most. ``mask``: the piece that stands for a masked word; None where the model has
    none, and then ``scores`` raises RequestError.
    """

    width: int
    depth: int
    places: int
    mask: int | None

    def pieces(self, text: str) -> list[int]:
        """The numbers of a text's pieces, without the model's own start and end."""
        ...

    def embed(self, pieces: Tensor) -> Tensor:
        """[..., D] of pieces [...], long: the encoder's Steps hold the same."""
        ...

    def run(
        self, x_BLD: Tensor, mask_BL: Tensor, enter: Mapping[int, Change] | None = None
    ) -> Tensor:
        """[B, L, D]: states of the last layer over embeddings ``x_BLD``. A row without a real step
        gives finite states.

        ``enter``: number of layers -> what changes the states after so many of them; 0: before the
        first (places and norm are added), ``depth``: after the last.
        """
        ...

    def scores(self, state_BD: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
        """[B, C]: at states of the last layer, the masked-word score of each text, given in pieces:
        the mean over them.
        """
        ...

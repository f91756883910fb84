"""``word-ids``: the words' numbers and nothing else, for methods that count words."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from merbench.api import Config, Context, RequestError, Steps, StreamSpec, WordRows


def _runs(flag_T: Tensor, start_N: Tensor, length_N: Tensor) -> tuple[Tensor, Tensor]:
    """For each row ``start .. start + length``: how many flags are set before it, and how many in
    it.
    """
    before_T = torch.cat((torch.zeros(1, dtype=torch.long), flag_T.cumsum(0)))
    return before_T[start_N], before_T[start_N + length_N] - before_T[start_N]


class WordIds(nn.Module):
    """Words -> Steps with x long [B, L, 1], numbers into ``vocab``.

    The vocabulary of the first ``prepare()`` (or of a loaded state, which holds it) is the first
    part of ``vocab`` for good: the same word has the same number in every later data set, and words
    that are new there get numbers after it.
    """

    class Config(Config):
        drop: tuple[str, ...] = ("sp",)
        """Tokens that are left out of the sequence; the default is the pause of forced alignments.
        """

    width = 1
    frozen = True
    letters: Tensor

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        super().__init__()
        self.drop = frozenset(config.drop)
        self.vocab: tuple[str, ...] = ()
        self.measured: dict[str, float] = {}
        self.register_buffer(
            "letters", torch.zeros(0, dtype=torch.uint8)
        )  # the first vocabulary, in UTF-8, a word a line
        self.register_load_state_dict_pre_hook(_restore)

    def start(self, words: tuple[str, ...]) -> None:
        """Make ``words`` the first part of the vocabulary."""
        self.vocab = words
        self.letters = torch.tensor(
            list("\n".join(words).encode()), dtype=torch.uint8, device=self.letters.device
        )

    def grow(self, words: tuple[str, ...]) -> None:
        """Add words that the vocabulary does not have."""
        self.vocab += words

    def prepare(self, rows: WordRows) -> WordRows:
        """Leave out ``drop`` and number the words by ``vocab``. The first call must come before the
        optimiser is made. RequestError where it would learn from no word.
        """
        if not self.vocab:
            if not rows.vocab:
                raise RequestError(
                    f"stream {rows.spec.name} has no word (punctuation is none), so nothing can be "
                    "learned from it; give another stream (--stream text=NAME) or leave text out "
                    "(--modalities audio,video)"
                )
            self.start(rows.vocab)
        values_T = rows.values.long()
        dropped = torch.tensor(
            [i for i, word in enumerate(rows.vocab) if word in self.drop], dtype=torch.long
        )
        keep_T = ~torch.isin(values_T, dropped)
        start_N, length_N = _runs(keep_T, rows.start_N, rows.length_N)
        values_T = values_T[keep_T] if keep_T.any() else values_T[:1]
        if rows.vocab != self.vocab:
            have = set(self.vocab)
            if new := tuple(word for word in rows.vocab if word not in have):
                self.grow(new)
            number_of = {word: i for i, word in enumerate(self.vocab)}
            number_V = torch.tensor([number_of[word] for word in rows.vocab], dtype=torch.long)
            values_T = number_V[values_T]
        return WordRows(rows.spec, values_T, start_N, length_N, self.vocab)

    def forward(self, inputs: Steps) -> Steps:
        return inputs


def _restore(module: WordIds, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Before a state is loaded: take over the vocabulary it was trained with, so that its shapes
    fit.
    """
    letters = state.get(prefix + "letters")
    if letters is not None and bytes(letters.tolist()) != bytes(module.letters.tolist()):
        text = bytes(letters.tolist()).decode()
        module.start(tuple(text.split("\n")) if text else ())

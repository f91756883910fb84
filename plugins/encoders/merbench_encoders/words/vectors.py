"""``word-vectors``: each word's vector from the run's vector files."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    Context,
    LabelSpace,
    Lexicon,
    RequestError,
    Steps,
    StreamSpec,
    Tune,
    WordRows,
)
from merbench_encoders.words.ids import WordIds, _runs

LEAST_KNOWN = 0.05
"""Share of a stream's words that vectors must know: in texts of another language they know its
numbers and some names.
"""


class WordVectors(WordIds):
    """Words -> Steps [B, L, D], D = the lexicon's width; zeros for a word that no file knows.

    The table is made by the first ``prepare()``. Fixed, it is remade from the files and is no part
    of the state; ``tuned``, it is a parameter, saved with its words, and words of another data set
    that it lacks keep the files' vectors. ``measured``: ``oov_rate``, the share of the split's
    words (after dropping) that no file knows. ``frozen`` is False also where ``word_dropout`` makes
    the output differ from one epoch to the next. Raises RequestError where the run has no vectors.
    """

    class Config(WordIds.Config):
        tuned: bool = False
        word_dropout: Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.5)] = 0.0
        """Share of whole words zeroed in training."""

    table_VD: Tensor
    more_VD: Tensor

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        super().__init__(config, context, stream)
        self.lexicon = _required(context.lexicon)
        self.tuned, self.word_dropout = config.tuned, config.word_dropout
        self.width = self.lexicon.width
        self.frozen = not config.tuned and not config.word_dropout
        self.known_V = torch.zeros(0, dtype=torch.bool)
        empty_VD = torch.zeros(0, self.width)
        if config.tuned:
            self.table_VD = nn.Parameter(empty_VD)
        else:
            self.register_buffer("table_VD", empty_VD, persistent=False)
        self.register_buffer(
            "more_VD", empty_VD, persistent=False
        )  # words that came after the table was made

    @staticmethod
    def check(config: Config, space: LabelSpace, lexicon: Lexicon | None) -> None:
        _required(lexicon)

    def _look_up(self, words: tuple[str, ...]) -> Tensor:
        table, known = self.lexicon.table(words)
        self.known_V = torch.cat((self.known_V, torch.from_numpy(known)))
        return torch.from_numpy(table).to(self.table_VD.device)

    def start(self, words: tuple[str, ...]) -> None:
        super().start(words)
        self.known_V = self.known_V[:0]
        table_VD = self._look_up(words)
        self.table_VD = nn.Parameter(table_VD) if self.tuned else table_VD
        self.more_VD = self.more_VD[:0]

    def grow(self, words: tuple[str, ...]) -> None:
        super().grow(words)
        self.more_VD = torch.cat((self.more_VD, self._look_up(words)))

    def prepare(self, rows: WordRows) -> WordRows:
        is_first = not self.vocab
        rows = super().prepare(rows)
        _, unknown_N = _runs(~self.known_V[rows.values], rows.start_N, rows.length_N)
        nothing_N = (unknown_N == rows.length_N) & (rows.length_N > 0)
        rows.unread = dict.fromkeys(nothing_N.nonzero()[:, 0].tolist(), "no word of it is known")
        unknown, count = int(unknown_N.sum()), int(rows.length_N.sum())
        self.measured = {"oov_rate": unknown / max(1, count)}
        if is_first and count and count - unknown < LEAST_KNOWN * count:
            self._refuse(rows, count - unknown, count)
        return rows

    def _refuse(self, rows: WordRows, n_known: int, count: int) -> None:
        files = ", ".join(file.name for file in self.lexicon.files)
        unknown = rows.values[~self.known_V[rows.values]].tolist()
        examples = ", ".join(repr(self.vocab[i]) for i in list(dict.fromkeys(unknown))[:3])
        raise RequestError(
            f"{n_known:,} of the {count:,} words of stream {rows.spec.name} are in the word "
            f"vectors {files} (unknown: {examples}, ...), so little can be learned from it; "
            "give vectors of its language (--vectors FILE), another stream (--stream text=NAME) "
            "or another encoder (--encoder text=NAME)"
        )

    def forward(self, inputs: Steps) -> Steps:
        ids_BL, mask_BL = inputs.x_BLD[..., 0], inputs.mask_BL
        x_BLD = F.embedding(
            ids_BL, torch.cat((self.table_VD, self.more_VD)) if len(self.more_VD) else self.table_VD
        )
        if self.training and self.word_dropout:
            x_BLD = x_BLD * F.dropout(torch.ones_like(x_BLD[..., :1]), self.word_dropout)
        return Steps(x_BLD, mask_BL)


def _required(lexicon: Lexicon | None) -> Lexicon:
    if lexicon is None:
        raise RequestError(
            "the encoder reads word vectors and this run has none; put files under "
            "MERBENCH_DATA/vectors, name one with --vectors FILE or choose another encoder "
            "(--encoder text=NAME)"
        )
    return lexicon

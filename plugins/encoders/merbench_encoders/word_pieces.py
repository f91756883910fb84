"""Texts -> word pieces, by the tokenizer that belongs to a transformers model."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from merbench.api import RequestError, Tokens, gather
from merbench_encoders.apostrophes import with_apostrophes
from merbench_encoders.letter_case import LetterCase, lowered

_WORD = re.compile(r"\S+")
SENTENCE_SETTINGS = "sentence_bert_config.json"
"""In which sentence-transformers says how many pieces a text keeps."""


class PieceRows:
    """A split's texts in pieces. ``rows[rows_B]`` -> Tokens, no longer than the longest of them.

    ``length_N``: pieces of each row, 0 = no text. ``measured``: ``truncated_rate``, the share of
    the texts that were cut, and ``lowered_rate`` (see ``letter_case``). ``unread``: row -> why its
    pieces say nothing.
    """

    def __init__(
        self, piece_T2: Tensor, length_N: Tensor, pad: int, measured: dict[str, float]
    ) -> None:
        self.piece_T2, self.length_N, self.pad, self.measured = piece_T2, length_N, pad, measured
        self.start_N = length_N.cumsum(0) - length_N
        self.unread: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.length_N)

    def __getitem__(self, rows_B: Tensor) -> Tokens:
        piece_BL2, mask_BL = gather(self.piece_T2, self.start_N, self.length_N, rows_B)
        # The padding piece itself, because some models count places by it.
        ids_BL = torch.where(mask_BL, piece_BL2[..., 0], self.pad)
        return Tokens(ids_BL, mask_BL, torch.where(mask_BL, piece_BL2[..., 1], -1))


class PieceTokenizer:
    """``longest``: pieces that a text keeps at most; None = as many as the model was made for.
    ``apostrophes``: contractions that lost theirs get it back.

    Raises RequestError, ending with ``instead``, where ``folder`` has no fast tokenizer with a
    padding piece.
    """

    def __init__(
        self,
        folder: Path,
        net: nn.Module,
        longest: int | None,
        lower: LetterCase,
        instead: str,
        apostrophes: bool = False,
    ) -> None:
        self.apostrophes = apostrophes
        self.tokenizer = _tokenizer(folder, instead)
        most = longest_input(folder, net, self.tokenizer)
        self.longest = min(most, longest or most)
        # Where the tokenizer ignores case, there is nothing to do and nothing to report.
        self.lower: LetterCase = "no" if self._ignores_case() else lower

    def _ignores_case(self) -> bool:
        upper, lower = self.tokenizer(["GOOD", "good"], add_special_tokens=False)["input_ids"]
        return upper == lower and self.tokenizer.unk_token_id not in upper

    def example(self) -> tuple[Tensor, Tensor]:
        """A text in pieces [L], half as long as a text may be at most, and the padding piece []."""
        tokens = self(["one text, by which a model is tried out"])[torch.tensor([0])]
        half = max(1, self.longest // 2)
        return tokens.ids_BL[0, :half], torch.tensor(self.tokenizer.pad_token_id)

    def __call__(self, texts: Sequence[str | None]) -> PieceRows:
        texts_read, measured = lowered(texts, self.lower)
        if self.apostrophes:
            texts_read, mended = with_apostrophes(texts_read)
            measured |= mended
        present = [i for i, text in enumerate(texts_read) if text is not None]
        encodings: Sequence[Any] = []
        if present:
            encodings = self.tokenizer(
                [texts_read[i] for i in present], truncation=True, max_length=self.longest
            ).encodings
        ids = [piece for encoding in encodings for piece in encoding.ids]
        words = [
            word
            for row, encoding in zip(present, encodings, strict=True)
            for word in _word_of_each_piece(str(texts_read[row]), encoding)
        ]
        length_N = torch.zeros(len(texts), dtype=torch.long)
        length_N[present] = torch.tensor([len(e.ids) for e in encodings], dtype=torch.long)
        n_cut = sum(bool(encoding.overflowing) for encoding in encodings)
        measured = {"truncated_rate": n_cut / max(1, len(present)), **measured}
        pieces = np.array([ids, words], dtype=np.int64).reshape(2, -1).T
        if not len(pieces):
            pieces = np.array([[self.tokenizer.pad_token_id, -1]])
        piece_T2 = torch.from_numpy(np.ascontiguousarray(pieces))
        rows = PieceRows(piece_T2, length_N, self.tokenizer.pad_token_id, measured)
        marks = set(self.tokenizer.all_special_ids)  # the unknown piece among them
        for row, encoding in zip(present, encodings, strict=True):
            if marks.issuperset(encoding.ids):
                rows.unread[row] = "no piece of it is known"
        return rows


def _word_of_each_piece(text: str, encoding: Any) -> list[int]:
    """Which of the text's words, as spaces part them, each piece belongs to: streams that are
    aligned to a transcript have a step for each of these. -1: the model's own start and end.
    """
    starts = [match.start() for match in _WORD.finditer(text)]
    return [
        -1 if word is None else bisect_left(starts, end) - 1
        for word, (_, end) in zip(encoding.word_ids, encoding.offsets, strict=True)
    ]


def longest_input(folder: Path, net: nn.Module, tokenizer: Any) -> int:
    """Pieces that a model was made for: the least of what its files and its places say.

    A folder of sentence-transformers says so in ``sentence_bert_config.json``.
    """
    limits = [tokenizer.model_max_length, _places(net), _sentence_limit(folder)]
    return int(min(limit for limit in limits if limit))


def _sentence_limit(folder: Path) -> int | None:
    """Of sentence-transformers; None where it says nothing. RequestError where it is no number."""
    file = folder / SENTENCE_SETTINGS
    if not file.exists():
        return None
    try:
        limit = json.loads(file.read_text(encoding="utf-8-sig")).get("max_seq_length")
    except (ValueError, AttributeError):
        limit = 0
    if limit is not None and (type(limit) is not int or limit < 1):
        raise RequestError(
            f"{file} holds no max_seq_length from 1 in JSON; copy it from where the weights come "
            "from, or take the file out"
        )
    return limit


def _places(net: nn.Module) -> int | None:
    """Places that a text may fill; None where a model numbers places without a limit."""
    try:
        size: int | None = getattr(net.config, "max_position_embeddings", None)
    except NotImplementedError:  # XLNet's configuration raises it where others have a number
        size = None  # its positions are relative, so that any length can be read
    for name, module in net.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            # RoBERTa's family numbers places from behind its padding's.
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - first
    return size if size and size > 0 else None


def _tokenizer(folder: Path, instead: str) -> Any:
    from transformers import AutoTokenizer  # takes long, and the model is looked for first

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise RequestError(
            f"{folder} has no tokenizer that can be read; give a folder that has, or {instead}"
        ) from error
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        raise RequestError(
            f"{folder.name} has no fast tokenizer with a padding token; "
            f"choose a model that has, or {instead}"
        )
    return tokenizer

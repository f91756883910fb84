"""Where the methods of a board come from: paper, code and licence, with addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass

from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board


@dataclass(frozen=True)
class Method:
    """``address``: of the paper, empty where its reference names none."""

    name: str
    paper: str
    address: str
    code: str
    licence: str


def methods(board: Board, scores: BoardScores) -> list[Method]:
    """Those of which anything is known, by name."""
    names = sorted({entry.first.spec.model for entry in board.entries})
    return [
        Method(
            name,
            scores.papers.get(name, ""),
            address_of(scores.papers.get(name, "")),
            scores.codes.get(name, ""),
            scores.licences.get(name, ""),
        )
        for name in names
        if name in scores.papers or name in scores.codes
    ]


def address_of(reference: str) -> str:
    """``Tsai et al. 2019, arXiv 1906.00295`` -> ``https://arxiv.org/abs/1906.00295``."""
    if arxiv := re.search(r"arXiv[ :](\d{4}\.\d{4,5})", reference):
        return f"https://arxiv.org/abs/{arxiv[1]}"
    if doi := re.search(r"doi (10\.\d{4,9}/\S+)", reference):
        return f"https://doi.org/{doi[1]}"
    return ""

"""BibTeX: each board as one cites it, and the sources of outside predictions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from merbench.api.control_characters import printable
from merbench.report.exports.rows import exported_rows
from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board
from merbench.results.records.provenance import version_order

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def bibtex(board: Board, scores: BoardScores, folder: str) -> dict[str, bytes]:
    """File name -> content: the board's entry, and one for each row of outside predictions."""
    return {f"{folder}.bib": "\n".join(_entries(board, scores, folder)).encode()}


def _entries(board: Board, scores: BoardScores, folder: str) -> Iterator[str]:
    rows = list(exported_rows(board, scores))
    newest = max(row.made_on for row in rows)
    yield _entry(
        f"merbench-{folder}",
        {
            "title": f"merbench leaderboard: {board.title}",
            "author": "The merbench maintainers",
            "year": newest[:4],
            "version": max((row.version for row in rows), key=version_order),
            "note": f"{len(rows)} rows, runs until {newest[:10]}, data {board.track.revision[:12]}",
        },
    )
    for row in rows:
        if not row.entry.first.outside:
            continue
        about = row.entry.first.outside.about
        made_on = about.date.isoformat() if about.date else row.made_on
        yield _entry(
            f"{folder}-{row.file}",
            {
                "title": f"{row.entry.first.spec.model}: predictions of {board.title}",
                "year": made_on[:4],
                "howpublished": about.source,
                "note": "; ".join(filter(None, (about.description.rstrip("."), about.licence))),
            },
        )


def _entry(key: str, fields: Mapping[str, str]) -> str:
    lines = [f"  {name} = {{{_value(name, text)}}}," for name, text in fields.items() if text]
    return "\n".join([f"@misc{{{re.sub(r'[^A-Za-z0-9.:-]', '-', key)},", *lines, "}"]) + "\n"


def _value(name: str, text: str) -> str:
    """An author's name in braces of its own is not taken apart."""
    return f"{{{_escaped(text)}}}" if name == "author" else _escaped(text)


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(sign, sign) for sign in printable(text))
